"""Measures one silver table of one site for its checks: two queries, keys and dates and codes, and references."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import reduce

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from so_lakehouse.lake import ledger
from so_lakehouse.lake.storage import Lake
from so_lakehouse.quality.silver import Measured, date_columns
from so_lakehouse.schema import FABRICATED_POST_IDS, Table
from so_lakehouse.spark import read


def measured(spark: SparkSession, lake: Lake, table: Table, site: str) -> Measured:
    """The numbers of the table's newest version. References count only where the table they point to exists."""
    rows = read.silver_rows(spark, lake, table.name, site)
    return numbers(rows, table, dangling(spark, lake, rows, table, site))


def numbers(rows: DataFrame, table: Table, references: dict[str, tuple[int, int]]) -> Measured:
    """One pass over the keys, dates and codes of these rows."""
    dates = date_columns(table)
    coded = {column.name: sorted(column.allowed) for column in table.columns if column.allowed}
    found = rows.agg(
        F.count("*").alias("rows"),
        F.count(F.when(F.col("Id").isNull(), True)).alias("null_keys"),
        F.count_distinct("Id").alias("distinct_keys"),
        F.count(F.when(F.col("Id").isin(sorted(FABRICATED_POST_IDS)), True)).alias("fabricated"),
        F.max("Id").alias("highest"),
        *(F.count(F.when(~F.col(name).isin(codes), True)).alias(f"odd_{name}") for name, codes in coded.items()),
        *(F.unix_micros(F.min(name)).alias(f"min_{name}") for name in dates),
        *(F.unix_micros(F.max(name)).alias(f"max_{name}") for name in dates),
    ).collect()[0]
    return Measured(
        rows=found["rows"],
        null_keys=found["null_keys"],
        distinct_keys=found["distinct_keys"],
        not_allowed={name: found[f"odd_{name}"] for name in coded},
        oldest={name: _moment(found[f"min_{name}"]) for name in dates if found[f"min_{name}"] is not None},
        newest={name: _moment(found[f"max_{name}"]) for name in dates if found[f"max_{name}"] is not None},
        references=references,
        fabricated=found["fabricated"],
        highest_ids=_two_highest(rows, found["highest"]) if table.name == "posts" else (),
    )


def dangling(spark: SparkSession, lake: Lake, rows: DataFrame, table: Table, site: str) -> dict[str, tuple[int, int]]:
    """For each referring column: how many rows set it, and how many of those point to a row that is not there."""
    columns = [column for column in table.columns if column.references]
    known = {name for name in {column.references for column in columns} if name and ledger.open_delta(lake, name)}
    pointing = [
        rows.select(
            F.lit(column.name).alias("column"), F.lit(column.references).alias("to"), F.col(column.name).alias("id")
        )
        for column in columns
        if column.references in known and column.name in rows.columns
    ]
    if not pointing:
        return {}
    targets = [
        read.silver_rows(spark, lake, name, site).select(
            F.lit(name).alias("to"), F.col("Id").alias("id"), F.lit(1).alias("hit")
        )
        for name in sorted(known)
    ]
    joined = (
        reduce(DataFrame.unionByName, pointing)
        .where("id IS NOT NULL")
        .join(reduce(DataFrame.unionByName, targets), ["to", "id"], "left")
    )
    counted = joined.groupBy("column").agg(F.count("*").alias("used"), F.count("hit").alias("hits")).collect()
    return {row["column"]: (row["used"], row["used"] - row["hits"]) for row in counted}


def _two_highest(rows: DataFrame, highest: int | None) -> tuple[int, ...]:
    if highest is None:
        return ()
    second = rows.where(F.col("Id") < highest).agg(F.max("Id")).collect()[0][0]
    return (highest,) if second is None else (highest, second)


def _moment(micros: int) -> datetime:
    """By whole numbers: a collected timestamp would come in the time zone of this machine."""
    seconds, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
