"""Brings a Delta table of silver from the form that an earlier release gave it to the one that is declared now.

Belongs here: columns, types and properties. Not here: values. Other columns mean another rule version, and that makes
each site's next converge rebuild its rows from bronze (`rebuild.py`).

The declaration is compared with the table on disk, which costs a look at its log. New columns are added in place, empty
until the site is rebuilt. A dropped column or another type rewrites the table in one commit: a column that is merely
not read any more would keep its bytes (names and places of people, when `keep_personal` is turned off). The files
before it go with VACUUM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from so_lakehouse import failpoints, release
from so_lakehouse.errors import BadInput
from so_lakehouse.lake import ledger, lock, silver_tables
from so_lakehouse.lake.silver_tables import (
    DELTA_TYPES,
    RELEASE,
    DeltaColumn,
    DeltaTable,
    column_sql,
    quoted_path,
    spark_literal,
)
from so_lakehouse.lake.storage import Lake
from so_lakehouse.progress import Progress, silent
from so_lakehouse.spark import write
from so_lakehouse.spark.session import SMALL_ROWS, fit_to_rows


@dataclass(frozen=True)
class Difference:
    """How a table on disk differs from its declaration; all empty: it does not."""

    added: tuple[DeltaColumn, ...] = ()
    dropped: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()
    loosened: tuple[str, ...] = ()  # may be null now
    properties: tuple[str, ...] = ()  # have another value

    @property
    def needs_rewrite(self) -> bool:
        return bool(self.dropped or self.retyped)

    def __bool__(self) -> bool:
        return bool(self.added or self.dropped or self.retyped or self.loosened or self.properties)

    def __str__(self) -> str:
        parts = {
            "new": [column.name for column in self.added],
            "dropped": self.dropped,
            "another type": self.retyped,
            "may be null": self.loosened,
            "properties": self.properties,
        }
        return "; ".join(f"{what}: {', '.join(names)}" for what, names in parts.items() if names)


def bring_up(spark: SparkSession, lake: Lake, table: DeltaTable, progress: Progress = silent) -> Difference:
    """Makes the table on disk what is declared; returns what had to change, nothing where it is not there yet.

    The caller holds the table's lock. A crash leaves a form from which the next call goes on. A column that is declared
    as required stays optional in a table that was there before: its rows have no value until they are rebuilt.
    Raises `BadInput` where a newer release gave the table another form.
    """
    found = pending(lake, table)
    if not found:
        return found
    progress(f"silver/{table.name}: {found}", 0)
    if found.needs_rewrite:
        _rewrite(spark, lake, table)
    else:
        _alter(spark, lake, table, found)
    failpoints.reach("silver.migrated")
    return found


def pending(lake: Lake, table: DeltaTable) -> Difference:
    """What `bring_up` would change, nothing where the table is not there yet; `BadInput` as it does."""
    delta = ledger.open_delta(lake, table.name)
    if delta is None:
        return Difference()
    fields = [(field.name, _type_name(field.type), field.nullable) for field in delta.schema().fields]
    properties = delta.metadata().configuration
    found = difference(table, fields, properties)
    made_by = properties.get(RELEASE, release.THIS)
    if found and release.is_newer(made_by, than=release.THIS):
        raise BadInput(
            f"silver/{table.name} has the form of so_lakehouse {made_by}, and this is {release.THIS} ({found}). "
            "Nothing was changed. Use that release or a newer one (git pull, make setup), or another LAKEHOUSE_LAKE."
        )
    return found


def difference(
    table: DeltaTable, fields: Sequence[tuple[str, str, bool]], properties: Mapping[str, str | None]
) -> Difference:
    """The declaration against what is on disk: columns as (name, Delta's type name, may be null), and properties."""
    declared = {column.name: column for column in table.columns}
    on_disk = {name for name, _, _ in fields}
    return Difference(
        added=tuple(column for column in table.columns if column.name not in on_disk),
        dropped=tuple(name for name, _, _ in fields if name not in declared),
        retyped=tuple(n for n, kind, _ in fields if n in declared and kind != DELTA_TYPES[declared[n].type]),
        loosened=tuple(n for n, _, nullable in fields if n in declared and declared[n].nullable and not nullable),
        properties=tuple(name for name, value in table.properties.items() if properties.get(name) != value),
    )


def _alter(spark: SparkSession, lake: Lake, table: DeltaTable, found: Difference) -> None:
    """The release comes first: where this is killed between two commits, nothing of the form says any more that one is
    missing, and a release before this one must know that the columns are not its own. The other properties come last:
    they name columns."""
    steps = [_set_properties({RELEASE: release.THIS})]
    steps += [f"ALTER COLUMN `{name}` DROP NOT NULL" for name in found.loosened]
    if found.added:
        steps.append(f"ADD COLUMNS ({', '.join(column_sql(column, required=False) for column in found.added)})")
    if found.properties:
        steps.append(_set_properties(table.properties))
    for step in steps:
        _before_commit(lake, table)
        spark.sql(f"ALTER TABLE {quoted_path(silver_tables.uri(lake, table.name))} {step}")


def _set_properties(properties: Mapping[str, str]) -> str:
    return f"SET TBLPROPERTIES ({', '.join(f'{spark_literal(n)} = {spark_literal(v)}' for n, v in properties.items())})"


def _before_commit(lake: Lake, table: DeltaTable) -> None:
    failpoints.reach("silver.before_migration")
    lock.require(lake, f"silver.{table.name}")


def _rewrite(spark: SparkSession, lake: Lake, table: DeltaTable) -> None:
    """All rows of all sites in the declared form, in one commit; a value that its new type cannot hold stops it."""
    fit_to_rows(spark, SMALL_ROWS + 1)  # all sites together are many
    rows = spark.read.format("delta").load(silver_tables.uri(lake, table.name))
    on_disk = set(rows.columns)
    columns = [
        (F.col(column.name) if column.name in on_disk else F.lit(None))
        .cast(column.type)
        .alias(column.name, metadata={"comment": column.description})
        for column in table.columns
    ]
    writer = rows.select(*columns).writeTo(quoted_path(silver_tables.uri(lake, table.name))).using("delta")
    for name, value in {"comment": table.description, **silver_tables.properties(table)}.items():
        writer = writer.tableProperty(name, value)
    _before_commit(lake, table)
    with write.commits_saying(spark, ledger.commit_metadata([])):  # ours, though no input was applied
        writer.partitionedBy(F.col("site")).replace()


def _type_name(kind: Any) -> str:
    """`long` or `array<string>`, of deltalake's type objects."""
    element = getattr(kind, "element_type", None)
    return str(kind.type) if element is None else f"array<{_type_name(element)}>"
