"""One site's partition of a large table: filled apart, attached when it is complete.

Belongs here: the names and the life of a partition. A partition is built as a table of its own, so that readers of the
other sites are not blocked while a large site is copied in and indexed; attaching it is a moment's work.
"""

from __future__ import annotations

from dataclasses import dataclass

from adbc_driver_postgresql import dbapi as adbc

from so_lakehouse.errors import BadInput
from so_lakehouse.sql import literal, quoted
from so_lakehouse.warehouse.ddl import PARTITION_SCHEMA, index_columns, unique_key
from so_lakehouse.warehouse.projection import Projection

LONGEST_NAME = 63  # bytes of a Postgres identifier; a longer one is cut, and two sites could meet


@dataclass(frozen=True)
class Partition:
    """The partition of `projection` that holds `site`."""

    projection: Projection
    site: str

    @property
    def schema(self) -> str:
        return PARTITION_SCHEMA

    @property
    def name(self) -> str:
        name = f"{self.projection.name}@{self.site}"
        if len(name.encode()) > LONGEST_NAME:
            raise BadInput(
                f"The site key {self.site!r} is too long for a table name: {name} passes {LONGEST_NAME} bytes."
            )
        return name

    @property
    def qualified(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    def exists(self, cursor: adbc.Cursor) -> bool:
        cursor.execute(f"SELECT to_regclass({literal(self.qualified)}) IS NOT NULL")
        (row,) = cursor.fetchall()
        return row[0]

    def create(self, cursor: adbc.Cursor) -> None:
        """An empty table of the parent's shape. The CHECK spares the attaching a scan."""
        cursor.execute(
            f"CREATE TABLE {self.qualified} (LIKE lake.{self.projection.name} INCLUDING DEFAULTS INCLUDING COMMENTS,"
            f" CONSTRAINT one_site CHECK (site = {literal(self.site)}))"
        )

    def index(self, cursor: adbc.Cursor) -> None:
        """The parent's key and indexes, built once on the filled table, then statistics."""
        cursor.execute(f"ALTER TABLE {self.qualified} ADD {unique_key(self.projection)}")
        for columns in index_columns(self.projection):
            cursor.execute(f"CREATE INDEX ON {self.qualified} {columns}")
        cursor.execute(f"ANALYZE {self.qualified}")

    def attach(self, cursor: adbc.Cursor) -> None:
        cursor.execute(
            f"ALTER TABLE lake.{self.projection.name} ATTACH PARTITION {self.qualified}"
            f" FOR VALUES IN ({literal(self.site)})"
        )
        cursor.execute(f"ALTER TABLE {self.qualified} DROP CONSTRAINT one_site")
