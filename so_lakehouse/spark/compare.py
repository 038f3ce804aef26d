"""What must change in silver so that it becomes the desired state: one action per key.

DataFrame to DataFrame. Keys and hashes are compared, not rows: texts are read, but never shuffled.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from so_lakehouse.lake.silver_tables import BOOKKEEPING

ACTION = "_action"
INSERT, UPDATE, ADVANCE, SAME, DELETE = "insert", "update", "advance", "same", "delete"

MARKS = tuple(column.name for column in BOOKKEEPING)


def fingerprint(columns: Sequence[str]) -> Column:
    """64 bits of these columns' values.

    Nulls have a place of their own: xxhash64 alone passes over them, so that a value that moves to the next column
    would go unseen.
    """
    nulls = F.array(*(F.col(name).isNull() for name in columns))
    return F.xxhash64(nulls, *(F.col(name) for name in columns))


def fingerprints(rows: DataFrame, values: Sequence[str]) -> DataFrame:
    """Key and fingerprints (values, bookkeeping) of each row."""
    return rows.select("Id", fingerprint(values).alias("values"), fingerprint(MARKS).alias("marks"))


def actions(desired: DataFrame, target: DataFrame, values: Sequence[str], carried: Sequence[str] = ()) -> DataFrame:
    """One row per key of either side: Id, `_action`, and the columns `carried` along from `desired`.

    insert: only desired. update: a value differs. advance: only bookkeeping differs. same. delete: only in the target.
    """
    hashes = fingerprints(desired, values).columns[1:]
    new = desired.select("Id", fingerprint(values).alias("values"), fingerprint(MARKS).alias("marks"), *carried)
    old = fingerprints(target, values).select(
        F.col("Id").alias("old_id"), *(F.col(name).alias(f"old_{name}") for name in hashes)
    )
    action = (
        F.when(F.col("old_id").isNull(), INSERT)
        .when(F.col("Id").isNull(), DELETE)
        .when(F.col("values") != F.col("old_values"), UPDATE)
        .when(F.col("marks") != F.col("old_marks"), ADVANCE)
        .otherwise(SAME)
    )
    joined = new.join(old, F.col("Id") == F.col("old_id"), "full_outer")
    return joined.select(F.coalesce("Id", "old_id").alias("Id"), action.alias(ACTION), *carried)


def changed_rows(desired: DataFrame, acted: DataFrame) -> DataFrame:
    """The rows to write: `_action` and all columns; of a deleted row only the key."""
    written = desired.join(acted.where(F.col(ACTION).isin(INSERT, UPDATE, ADVANCE)).select("Id", ACTION), "Id")
    deleted = acted.where(F.col(ACTION) == DELETE).select("Id", ACTION)
    return written.unionByName(deleted, allowMissingColumns=True)
