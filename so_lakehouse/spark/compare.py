"""What must change in silver so that it becomes the desired state: one action per key.

DataFrame to DataFrame. Keys and hashes are compared, not rows: of many rows texts are read, but never shuffled.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from so_lakehouse.lake.silver_tables import BOOKKEEPING
from so_lakehouse.lake.tiny import ACTION, DELETE
from so_lakehouse.spark.fingerprint import fingerprint
from so_lakehouse.spark.overlay import ALIVE, DECISION

INSERT, UPDATE, ADVANCE, SAME, ABSENT = "insert", "update", "advance", "same", "absent"

MARKS = tuple(column.name for column in BOOKKEEPING)

KINDS = ("Id", ACTION, *DECISION)


def actions(decided: DataFrame, target: DataFrame, values: Sequence[str]) -> DataFrame:
    """One row per key of either side: `_action`, and the decided row (nothing but the key where only silver has it).

    insert: only decided. update: a value differs. advance: only bookkeeping differs. same. delete: held, but not
    decided or not alive. absent: neither held nor alive.
    """
    new = decided.select("*", *_fingerprints(values))
    old = target.select("Id", *_fingerprints(values)).withColumnsRenamed(
        {"Id": "old_id", "values": "old_values", "marks": "old_marks"}
    )
    held, alive = F.col("old_id").isNotNull(), F.coalesce(F.col(ALIVE), F.lit(False))
    action = (
        F.when(~held & ~alive, ABSENT)
        .when(~held, INSERT)
        .when(~alive, DELETE)
        .when(F.col("values") != F.col("old_values"), UPDATE)
        .when(F.col("marks") != F.col("old_marks"), ADVANCE)
        .otherwise(SAME)
    )
    joined = new.join(old, F.col("Id") == F.col("old_id"), "full_outer")
    others = [name for name in decided.columns if name != "Id"]
    return joined.select(F.coalesce("Id", "old_id").alias("Id"), action.alias(ACTION), *others)


def _fingerprints(values: Sequence[str]) -> list[Column]:
    return [fingerprint(values).alias("values"), fingerprint(MARKS).alias("marks")]


def changed_rows(acted: DataFrame) -> DataFrame:
    """The rows to write: `_action` and all columns; of a deleted row only the key counts."""
    return acted.where(F.col(ACTION).isin(INSERT, UPDATE, ADVANCE, DELETE)).drop(*DECISION)


def many_changed_rows(decided: DataFrame, kinds: DataFrame) -> DataFrame:
    """The same from keys (`KINDS`) that are kept and the rows, which are read once more."""
    keys = kinds.where(F.col(ACTION).isin(INSERT, UPDATE, ADVANCE)).select("Id", ACTION)
    written = decided.drop(*DECISION).join(keys, "Id")
    deleted = kinds.where(F.col(ACTION) == DELETE).select("Id", ACTION)
    return written.unionByName(deleted, allowMissingColumns=True)
