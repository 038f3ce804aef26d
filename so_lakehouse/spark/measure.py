"""Measures one silver table of one site for its checks: keys, dates, codes and references, by two SQL queries.

The queries are plain enough for both engines. DataFusion (in deltalake, no JVM) answers them for a small site in
milliseconds, where Spark's planning alone would take seconds; from `SPARK_FROM_ROWS` on they go to Spark, which spills.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from deltalake import QueryBuilder
from pyspark.sql import SparkSession

from so_lakehouse.lake import ledger, silver_tables
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.tiny import AS_WRITTEN
from so_lakehouse.quality.silver_case import HIGHEST_IDS, Measured, date_columns
from so_lakehouse.schema import FABRICATED_POST_IDS, Table

SPARK_FROM_ROWS = 5_000_000

Ask = Callable[[str], list[dict[str, Any]]]


def measured(spark: SparkSession, lake: Lake, table: Table, site: str, rows: int) -> Measured:
    """The numbers of the table's newest version; `rows` is how many to expect.

    References count only where the table they point to exists.
    """
    referred = {column.references for column in table.columns if column.references}
    known = [name for name in sorted(referred | {table.name}) if ledger.open_delta(lake, name) is not None]
    ask = _spark(spark, lake, known) if rows >= SPARK_FROM_ROWS else _in_process(lake, known)
    return numbers(ask, table, site, known)


def numbers(ask: Ask, table: Table, site: str, known: list[str]) -> Measured:
    """The numbers, from whoever answers SQL over the tables `known`."""
    dates = date_columns(table)
    coded = [column.name for column in table.columns if column.allowed]
    found = ask(_columns_query(table, site))[0]
    highest = []
    if table.name == "posts":
        highest = ask(f"SELECT Id FROM posts WHERE site = '{site}' AND Id > 0 ORDER BY Id DESC LIMIT {HIGHEST_IDS}")
    references = {}
    queries = _reference_queries(table, site, known)
    if queries:
        for row in ask(" UNION ALL ".join(queries)):
            references[row["name"]] = (row["used"], row["used"] - row["hits"])
    return Measured(
        rows=found["n"],
        null_keys=found["n"] - found["keys"],
        distinct_keys=found["distinct_keys"],
        not_allowed={name: found[f"odd_{name}"] for name in coded},
        oldest={name: found[f"min_{name}"] for name in dates if found[f"min_{name}"] is not None},
        newest={name: found[f"max_{name}"] for name in dates if found[f"max_{name}"] is not None},
        references=references,
        fabricated=found["fabricated"],
        highest_ids=tuple(row["Id"] for row in highest),
    )


def _columns_query(table: Table, site: str) -> str:
    """One pass over keys, dates and codes."""
    fabricated = ", ".join(map(str, sorted(FABRICATED_POST_IDS)))
    measures = [
        "count(*) AS n",
        "count(Id) AS keys",
        "count(DISTINCT Id) AS distinct_keys",
        f"count(CASE WHEN Id IN ({fabricated}) THEN 1 END) AS fabricated",
    ]
    for column in table.columns:
        if column.allowed:
            codes = ", ".join(map(str, sorted(column.allowed)))
            measures.append(f"count(CASE WHEN {column.name} NOT IN ({codes}) THEN 1 END) AS odd_{column.name}")
    for name in date_columns(table):
        measures += [f"min({name}) AS min_{name}", f"max({name}) AS max_{name}"]
    return f"SELECT {', '.join(measures)} FROM {table.name} WHERE site = '{site}'"


def _reference_queries(table: Table, site: str, known: list[str]) -> list[str]:
    """For each referring column: how many rows set it, and for how many of those the row they mean is there."""
    return [
        f"SELECT '{column.name}' AS name, count(*) AS used, count(t.Id) AS hits"
        f" FROM (SELECT {column.name} AS ref FROM {table.name} WHERE site = '{site}' AND {column.name} IS NOT NULL) r"
        f" LEFT JOIN (SELECT Id FROM {column.references} WHERE site = '{site}') t ON r.ref = t.Id"
        for column in table.columns
        if column.references in known
    ]


def _in_process(lake: Lake, known: list[str]) -> Ask:
    engine = QueryBuilder(AS_WRITTEN)
    for name in known:
        delta = ledger.open_delta(lake, name)
        if delta is not None:
            engine.register(name, delta)
    return lambda sql: pa.RecordBatchReader.from_stream(engine.execute(sql)).read_all().to_pylist()


def _spark(spark: SparkSession, lake: Lake, known: list[str]) -> Ask:
    tables = {name: spark.read.format("delta").load(silver_tables.uri(lake, name)) for name in known}

    def ask(sql: str) -> list[dict[str, Any]]:
        for name, rows in tables.items():
            rows.createOrReplaceTempView(name)
        return spark.sql(sql).toArrow().to_pylist()

    return ask
