"""The state that dumps alone support: rows of the newest one, and of older ones where it is silent.

DataFrame to DataFrame. Belongs here: folding dumps in the order of their cuts. Not here: pages (`overlay.py`), what
silver holds now (`compare.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from so_lakehouse.lake.chain import Dump
from so_lakehouse.lake.ledger import LedgerRow
from so_lakehouse.lake.silver_tables import BOOKKEEPING
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import Table
from so_lakehouse.spark import clean, examine, read

QUARANTINED = "quarantined"
SUSPENDED = "deletions suspended"


def told_rows(spark: SparkSession, lake: Lake, table: Table, dump: Dump, keep_personal: bool) -> DataFrame:
    """The rows that a dump tells, one per key, in silver's spelling with empty bookkeeping."""
    rows = read.parquet(spark, lake, dump.manifest.files, read.bronze_form(table))
    if dump.cleaning.quarantined:
        rows = clean.faultless(rows, table)
    rows = clean.one_per_key(rows, table, dump.cleaning.equal_keys)
    empty = {column.name: F.lit(None).cast(column.type) for column in BOOKKEEPING}
    return clean.shaped(rows, table, keep_personal).withColumns(empty)


def folded(
    spark: SparkSession,
    lake: Lake,
    table: Table,
    dumps: Sequence[Dump],
    before: DataFrame | None,
    keep_personal: bool,
    is_few: bool = False,
) -> DataFrame:
    """The state after these dumps, oldest first. `is_few`: all of them together have few rows (`read.few`); each state
    on the way is held then, because the next asks for it several times and plans would grow with every dump.

    `before` holds rows of evidence older than the first dump (None: there is none); they matter only for keys about
    which every dump is silent.
    """
    state = before
    cut: datetime | None = None
    for dump in dumps:
        rows = told_rows(spark, lake, table, dump, keep_personal)
        if state is not None and dump.is_open:
            rows = rows.unionByName(_silent(spark, lake, table, dump, state, rows, cut))
        if is_few and (dump.is_open or len(dumps) > 1):
            rows = read.few(rows)
        state, cut = rows, dump.manifest.cut_at
    if state is None:
        raise ValueError("no dumps to fold")
    return state


def _silent(
    spark: SparkSession,
    lake: Lake,
    table: Table,
    dump: Dump,
    state: DataFrame,
    rows: DataFrame,
    cut: datetime | None,
) -> DataFrame:
    """Rows of the earlier state that this dump neither tells nor denies, marked; `cut` is what that state speaks of."""
    untold = examine.untold_keys(spark, lake, dump).withColumn("_untold", F.lit(True))
    candidates = state.join(rows.select("Id"), "Id", "left_anti").join(untold, "Id", "left")
    if not dump.suspends_deletions:
        candidates = candidates.where("_untold")
    kept = kept_as(F.coalesce("_untold", F.lit(False)))
    return candidates.withColumns({"_as_of": F.coalesce("_as_of", F.lit(cut)), "_kept": kept}).drop("_untold")


def kept_as(is_unread: Column) -> Column:
    """How a row is marked of which the newest dump says nothing: it holds the key unreadably, or may."""
    return F.when(is_unread, F.lit(QUARANTINED)).otherwise(F.lit(SUSPENDED))


def kept_before(target: DataFrame, applied: LedgerRow | None, first_cut: datetime) -> DataFrame | None:
    """Rows of silver that speak of a time before the oldest dump that bronze holds: what `folded` takes as `before`."""
    if applied is None or applied.cut_at is None:
        return None
    evidence = F.coalesce("_as_of", F.lit(applied.cut_at))
    return target.where(evidence < F.lit(first_cut)).withColumn("_as_of", evidence).drop("site")
