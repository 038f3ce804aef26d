"""As of when dumps deny the keys that they do not tell, and which of these the newest dump is silent about.

Belongs here: what does not stand in a dump. Not here: its rows (`state.py`), pages (`pages.py`).

A dump denies every key that it does not tell, as of its cut, except those that it holds in a form that cannot be read:
of these older evidence decides, and pages fetched before that cut are part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from so_lakehouse.lake.chain import Dump
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import Table
from so_lakehouse.spark import examine, read
from so_lakehouse.spark.state import kept_as

DENIED, HEARD_AFTER = "_denied", "_heard_after"


@dataclass(frozen=True)
class Absence:
    """What a chain of dumps (oldest first) says of keys that it does not tell.

    `as_of`: when most of them are denied (None: no dump denies any). `others`: Id and `_denied` of keys of which that
    is an older dump's cut (None: there is no such key). `unread`: Id of keys that the newest dump holds unreadably
    (None: the newest is closed).
    """

    as_of: datetime | None
    others: DataFrame | None = None
    unread: DataFrame | None = None

    def moments(self, rows: DataFrame, key: str) -> DataFrame:
        """The rows with `_denied`: when the row's `key`, which no dump tells, is denied; null: it never is."""
        moment = F.lit(self.as_of).cast("timestamp")
        if self.others is None:
            return rows.withColumn(DENIED, moment)
        others = self.others.select(F.col("Id").alias("_other"), F.col(DENIED).alias("_other_denied"))
        joined = rows.join(others, F.col(key) == F.col("_other"), "left")
        denied = F.when(F.col("_other").isNotNull(), F.col("_other_denied")).otherwise(moment)
        return joined.withColumn(DENIED, denied).drop("_other", "_other_denied")


NOTHING_DENIED = Absence(None)


def absence(spark: SparkSession, lake: Lake, table: Table, dumps: Sequence[Dump], cut: datetime | None) -> Absence:
    """What these dumps, oldest first, say of keys that they do not tell.

    `cut`: of the newest one, which denies them all where bronze no longer holds it (no dumps).
    """
    found = NOTHING_DENIED if dumps else Absence(cut)
    for dump in dumps:
        unread = examine.untold_keys(spark, lake, dump) if dump.is_open else None
        if dump.suspends_deletions:
            found = Absence(found.as_of, found.others, unread)
            continue
        others = None if unread is None else read.few_or_not(found.moments(unread, "Id"), dump.cleaning.open_keys)
        found = Absence(dump.manifest.cut_at, others, unread)
    return found


def heard_after(statements: DataFrame, base: DataFrame, silent: Absence, cut: datetime | None) -> DataFrame:
    """The statements with `_heard_after` (not later ones say nothing: null, all do) and `_kept` (how a row is marked
    that rests on one of them; null for those later than the cut).

    `base`: the rows that they are put over; those without `_as_of` speak of `cut`, the newest dump's. Pages of the same
    instant as a row are heard: it may rest on one of them.
    """
    if silent.unread is None:
        unmarked = F.lit(None).cast("string")
        return statements.withColumns({HEARD_AFTER: F.lit(silent.as_of).cast("timestamp"), "_kept": unmarked})
    before = F.col("_as_of") - F.expr("INTERVAL 1 MICROSECOND")
    told = base.select(F.col("Id").alias("_told"), F.coalesce(before, F.lit(cut)).alias("_told_as_of"))
    joined = silent.moments(statements.join(told, F.col("Id") == F.col("_told"), "left"), "Id")
    unread = silent.unread.select(F.col("Id").alias("_unread"))
    joined = joined.join(unread, F.col("Id") == F.col("_unread"), "left")
    columns: dict[str, Column] = {
        HEARD_AFTER: F.when(F.col("_told").isNotNull(), F.col("_told_as_of")).otherwise(F.col(DENIED)),
        "_kept": F.when(F.col("_as_of") <= F.lit(cut), kept_as(F.col("_unread").isNotNull())),
    }
    return joined.withColumns(columns).drop("_told", "_told_as_of", DENIED, "_unread")
