"""Writes of few rows to a small table of silver, without a job of Spark's. One call is one commit.

Belongs here: how few rows reach a table that holds few of their site. Not here: many (`spark/write.py`), which rows
(`spark/`), and who may write at all (`lake/lock.py`): the caller holds the table's lock. Files are written anew; rows
are not marked in them. Change feed, statistics, and what an earlier commit has marked are deltalake's to keep.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pds
from deltalake import CommitProperties, QueryBuilder, WriterProperties, write_deltalake

from so_lakehouse.lake import delta, lock, paths
from so_lakehouse.lake.silver_tables import ARROW, DeltaTable
from so_lakehouse.lake.storage import Lake
from so_lakehouse.sql import literal, quoted

# Of a site, before a change and in it. A merge by Spark takes seconds of CPU, however small it is; here all of it is in
# memory, some four times as large as in files.
TINY_ROWS, TINY_BYTES = 20_000, 12_500_000
# What is staged of a change, beside the table's own columns.
ACTION, DELETE = "_action", "delete"
AS_WRITTEN = {"datafusion.sql_parser.enable_ident_normalization": "false"}  # the publisher's names have capitals


class Size(NamedTuple):
    rows: int
    packed_bytes: int


UNKNOWN = Size(sys.maxsize, sys.maxsize)


def is_tiny(lake: Lake, table: str, site: str, changed: Size) -> bool:
    """Whether a change of that size is for this module. The table is there."""
    before = held(lake, table, site)
    return changed.rows + before.rows <= TINY_ROWS and changed.packed_bytes + before.packed_bytes <= TINY_BYTES


def held(lake: Lake, table: str, site: str) -> Size:
    """What a table's files hold of a site, also what is marked as gone in them. Reads the log alone."""
    files = pa.table(delta.open_table(lake, paths.silver(table)).get_add_actions(flatten=True))
    of_site = files.filter(pc.equal(files["partition.site"], site))
    if of_site["num_records"].null_count:
        return UNKNOWN  # somebody else's files, without statistics
    rows, packed = (pc.sum(of_site[name]).as_py() or 0 for name in ("num_records", "size_bytes"))
    return Size(rows, packed)


def rows(lake: Lake, table: str, site: str) -> pa.Table:
    """Current rows of one site."""
    of_all = delta.open_table(lake, paths.silver(table))
    found = (
        QueryBuilder(AS_WRITTEN).register(table, of_all).execute(f"SELECT * FROM {table} WHERE site = {literal(site)}")
    )
    # The engine hands out views of texts, and of no rows no part at all: Spark takes neither.
    form = pa.schema(of_all.schema().to_arrow())
    told = pa.RecordBatchReader.from_stream(found).read_all().cast(form)
    return told if told.num_rows else form.empty_table()


def staged(lake: Lake, folder: str) -> tuple[pds.Dataset, Size]:
    """What is staged in a folder, and its size."""
    files = [path for path in lake.list(folder) if path.endswith(".parquet")]
    rows = pds.dataset([lake.path(file) for file in files], filesystem=lake.fs, format="parquet")
    return rows, Size(rows.count_rows(), sum(lake.size(file) for file in files))


def merge(lake: Lake, table: DeltaTable, site: str, changes: pa.Table, metadata: str) -> None:
    """Applies changes to one site: columns of the table but `site`, and `_action` (insert, update, advance, delete).

    A key that is to be deleted is there: of another one deltalake (1.6.6) may make a row without values, and refuse
    the change.
    """
    columns = _typed(table, changes)
    source = pa.table({**columns, ACTION: changes[ACTION]})
    told = {quoted(name): f"s.{quoted(name)}" for name in columns}
    of_site = f"t.site = {literal(site)}"
    is_deleted = f"s.{quoted(ACTION)} = {literal(DELETE)}"
    lock.require(lake, f"silver.{table.name}")
    merger = delta.open_table(lake, paths.silver(table.name)).merge(
        source,
        f"{of_site} AND t.{quoted('Id')} = s.{quoted('Id')}",
        source_alias="s",
        target_alias="t",
        error_on_type_mismatch=True,
        writer_properties=WriterProperties(compression="ZSTD"),
        commit_properties=_saying(metadata),
    )
    merger = merger.when_matched_delete(is_deleted).when_matched_update(told)
    merger.when_not_matched_insert(told | {quoted("site"): literal(site)}, f"NOT ({is_deleted})").execute()
    _after_commit(lake, table)


def replace_site(lake: Lake, table: DeltaTable, site: str, rows: pa.Table, metadata: str) -> None:
    """Makes these rows (without the column `site`) the site's only ones. Of two writers that both believe theirs to be
    the first, Delta lets one pass."""
    columns = {"site": pa.array([site] * rows.num_rows, pa.string()), **_typed(table, rows)}
    form = pa.schema([pa.field(c.name, ARROW[c.type], nullable=c.nullable) for c in table.columns])
    lock.require(lake, f"silver.{table.name}")
    write_deltalake(
        delta.open_table(lake, paths.silver(table.name)),
        pa.table(columns, schema=form),
        mode="overwrite",
        predicate=f"site = {literal(site)}",
        writer_properties=WriterProperties(compression="ZSTD"),
        commit_properties=_saying(metadata),
    )
    _after_commit(lake, table)


def _after_commit(lake: Lake, table: DeltaTable) -> None:
    """deltalake may have written the log's pointer to its checkpoint, and leaves Spark's checksum of the older one:
    each new Spark would try to read it for three seconds."""
    if checksum := lake.local_path(f"{delta.log_of(paths.silver(table.name))}/._last_checkpoint.crc"):
        checksum.unlink(missing_ok=True)  # a file system of folders alone keeps such


def _typed(table: DeltaTable, rows: pa.Table) -> dict[str, pa.ChunkedArray]:
    """The table's columns but `site`, as it declares them."""
    return {
        column.name: rows[column.name].cast(ARROW[column.type]) for column in table.columns if column.name != "site"
    }


def _saying(metadata: str) -> CommitProperties | None:
    return CommitProperties(custom_metadata={"userMetadata": metadata}) if metadata else None
