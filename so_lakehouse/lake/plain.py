"""Writes of silver's own books, the plain tables `ledger` and `tombstones`. One call is one commit, after the one that
makes the table; no JVM.

Belongs here: how rows reach a plain table. Not here: which rows (`spark/`), and who may write at all (`lake/lock.py`):
the caller holds the table's lock. Tables with deletion vectors are Spark's (`spark/write.py`).
"""

from __future__ import annotations

import pyarrow as pa
from deltalake import DeltaTable, Field, Schema, write_deltalake
from deltalake.schema import PrimitiveType

from so_lakehouse import failpoints
from so_lakehouse.lake import silver_tables
from so_lakehouse.lake.silver_tables import DELTA_TYPES, DeltaColumn, literal
from so_lakehouse.lake.silver_tables import DeltaTable as Declared
from so_lakehouse.lake.storage import Lake


def append(lake: Lake, table: Declared, rows: pa.Table) -> None:
    """Adds rows, columns by name; makes the table where there is none."""
    write_deltalake(_made(lake, table), rows.select(table.column_names), mode="append")


def replace_site(lake: Lake, table: Declared, site: str, rows: pa.Table) -> None:
    """Makes these rows (without the column `site`) the site's only ones; makes the table where there is none."""
    sites = pa.array([site] * rows.num_rows, pa.string())
    complete = rows.append_column("site", sites).select(table.column_names)
    write_deltalake(_made(lake, table), complete, mode="overwrite", predicate=f"site = {literal(site)}")


def _made(lake: Lake, table: Declared) -> DeltaTable:
    address = silver_tables.uri(lake, table.name)
    if DeltaTable.is_deltatable(address):
        return DeltaTable(address)
    made = DeltaTable.create(
        address,
        Schema([_field(column) for column in table.columns]),
        partition_by=["site"],
        description=table.description,
        configuration=dict(silver_tables.properties(table)),
        raise_if_key_not_exists=False,  # the release is a property of ours
    )
    failpoints.reach("silver.table_created")
    return made


def _field(column: DeltaColumn) -> Field:
    kind = PrimitiveType(DELTA_TYPES[column.type])
    return Field(column.name, kind, nullable=column.nullable, metadata={"comment": column.description})
