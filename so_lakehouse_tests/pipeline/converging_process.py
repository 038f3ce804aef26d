"""A process with a Spark driver of its own that writes to silver as it is told, one JSON line each.

Started by `writer.py`, with settings from its environment. A line names `site`, and may name `die_at`, a fail point,
and `tables`: the site is converged, and the answer tells how many ledger rows were new and whether it had to wait, or
which error for people it ended in. With `merges` it merges so many single rows into silver.posts instead, each with the
lock taken and given back, and says how many it did. Arguments: `cluster` has Spark's work done where the settings say,
not in this process; `many` has few rows read and written as many are, by Spark; `impatient` gives an object store ten
seconds or so.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from so_lakehouse import progress as waiting
from so_lakehouse import schema
from so_lakehouse.errors import LakehouseError
from so_lakehouse.lake import lock, object_store, paths, tiny
from so_lakehouse.lake.silver_tables import silver_table
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.store_patience import Patience, Tries
from so_lakehouse.settings import Settings
from so_lakehouse.spark import write
from so_lakehouse.spark.compare import ACTION
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.session import fit_to_rows, open_session
from so_lakehouse_tests.pipeline.evidence import CREATED

TABLES = ("posts", "comments")
POSTS = silver_table(schema.table("posts"), keep_personal=False)


def main() -> None:
    settings = replace(Settings.from_environment(), spark_memory="512m")
    if "cluster" not in sys.argv:
        settings = replace(settings, spark_master="local[1]")
    if "many" in sys.argv:
        tiny.TINY_ROWS = tiny.TINY_BYTES = 0
    if "impatient" in sys.argv:  # the order of them is the real one
        object_store.BULK = object_store.SPARK = Tries(3, 2, 20)
        object_store.S3A_RETRIES = 2
        object_store.PUBLISHING, object_store.DELTA = Patience(8, 1, 2, 6), Patience(8, 2, 2, 20)
    spark = open_session(settings)
    lake = Lake.of(settings)
    tell("ready")
    for line in sys.stdin:
        told = json.loads(line)
        os.environ["LAKEHOUSE_FAIL_AT"] = told.get("die_at", "")
        waited = []

        def progress(what: str, done: int, total: int | None = None, waited: list[str] = waited) -> None:
            if what.startswith("waiting to write"):
                waited.append(what)
            elif "compared" in what:
                tell("compared")

        if "merges" in told:
            fit_to_rows(spark, told["merges"])
            waiting.POLL_SECONDS = 0.02  # two that take turns all the time would mostly wait for each other
            form = staged_form(spark)
            done = [merge(spark, lake, told["site"], key, form, settings) for key in range(1, told["merges"] + 1)]
            tell("done", merged=len(done))
            continue
        try:
            result = converge(spark, lake, told["site"], told.get("tables", TABLES), settings, progress)
        except LakehouseError as error:
            tell("failed", error=f"{type(error).__name__}: {error}")
            continue
        tell("done", applied=sum(len(table.applied) for table in result.values()), waited=bool(waited))
    spark.stop()


def staged_form(spark: SparkSession) -> pa.Schema:
    """Of the rows that a merge stages."""
    columns = ", ".join(f"`{column.name}` {column.type}" for column in POSTS.columns if column.name != "site")
    return pa.schema([*spark.createDataFrame([], columns).toArrow().schema, pa.field(ACTION, pa.string())])


def merge(spark: SparkSession, lake: Lake, site: str, key: int, form: pa.Schema, settings: Settings) -> None:
    """One new post in one commit, as a converge would write it."""
    with lock.writing(lake, ["silver.posts"], f"merge {site} {key}", settings):
        write.create(spark, lake, POSTS)
        staged = paths.staging(site, f"merge-{os.getpid()}-{key}")
        row = {"Id": key, "PostTypeId": 1, "CreationDate": CREATED, "Score": 0, ACTION: "insert"}
        required = {c.name: False for c in POSTS.columns if c.type == "BOOLEAN" and not c.nullable}
        lake.make_folder(staged)
        pq.write_table(
            pa.Table.from_pylist([required | row], schema=form),
            lake.path(f"{staged}/part-0.parquet"),
            filesystem=lake.fs,
        )
        write.merge(spark, staged, lake, POSTS, site, "")


def tell(what: str, **more: object) -> None:
    print(json.dumps({"what": what} | more), flush=True)


if __name__ == "__main__":
    main()
