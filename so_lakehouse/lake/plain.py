"""Writes of silver's own books, the plain tables `ledger` and `tombstones`. One call is one commit, after the one that
makes the table; no JVM.

Belongs here: how rows reach a plain table. Not here: which rows (`spark/`), and who may write at all (`lake/lock.py`):
the caller holds the table's lock. The publisher's rows are written by `tiny.py` and `spark/write.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from deltalake import DeltaTable, Field, Schema, write_deltalake
from deltalake.schema import PrimitiveType

from so_lakehouse import failpoints
from so_lakehouse.lake import delta, ledger, lock, paths, silver_tables
from so_lakehouse.lake.ledger import LedgerRow
from so_lakehouse.lake.silver_tables import DELTA_TYPES, LEDGER, DeltaColumn
from so_lakehouse.lake.silver_tables import DeltaTable as Declared
from so_lakehouse.lake.storage import Lake
from so_lakehouse.sql import literal


def record(lake: Lake, rows: Sequence[LedgerRow]) -> None:
    """Appends rows to `silver/ledger` in one commit; nothing where there are none."""
    if not rows:
        return
    failpoints.reach("silver.before_ledger")
    content = ledger.to_arrow(rows).select(LEDGER.column_names)
    lock.require(lake, f"silver.{LEDGER.name}")
    write_deltalake(_made(lake, LEDGER), content, mode="append")
    failpoints.reach("silver.ledger_written")


def replace_site(lake: Lake, table: Declared, site: str, rows: pa.Table) -> None:
    """Makes these rows (without the column `site`) the site's only ones; makes the table where there is none."""
    sites = pa.array([site] * rows.num_rows, pa.string())
    complete = rows.append_column("site", sites).select(table.column_names)
    lock.require(lake, f"silver.{table.name}")
    write_deltalake(_made(lake, table), complete, mode="overwrite", predicate=f"site = {literal(site)}")


def _made(lake: Lake, table: Declared) -> DeltaTable:
    held = ledger.open_delta(lake, table.name)
    if held is not None:
        return held
    form = Schema([_field(column) for column in table.columns])
    properties = silver_tables.properties(table)
    made = delta.create_table(lake, paths.silver(table.name), form, table.description, "site", properties)
    failpoints.reach("silver.table_created")
    return made


def _field(column: DeltaColumn) -> Field:
    kind = PrimitiveType(DELTA_TYPES[column.type])
    return Field(column.name, kind, nullable=column.nullable, metadata={"comment": column.description})
