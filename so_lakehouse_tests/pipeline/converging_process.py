"""A process with a Spark driver of its own that writes to silver as it is told, one JSON line each.

Started by `writer.py`, with settings from its environment. A line names `site`, and may name `die_at`, a fail point,
and `tables`: the site is converged, and the answer tells how many ledger rows were new and whether it had to wait. With
`merges` it merges so many single rows into silver.posts instead, each with the lock taken and given back, and says how
many it did.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from so_lakehouse import schema
from so_lakehouse.lake import lock, paths
from so_lakehouse.lake.silver_tables import silver_table
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.spark import write
from so_lakehouse.spark.compare import ACTION
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.session import open_session
from so_lakehouse_tests.pipeline.evidence import CREATED

TABLES = ("posts", "comments")
POSTS = silver_table(schema.table("posts"), keep_personal=False)


def main() -> None:
    settings = replace(Settings.from_environment(), spark_master="local[1]", spark_memory="512m")
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
            done = [merge(spark, lake, told["site"], key, settings) for key in range(1, told["merges"] + 1)]
            tell("done", merged=len(done))
            continue
        result = converge(spark, lake, told["site"], told.get("tables", TABLES), settings, progress)
        tell("done", applied=sum(len(table.applied) for table in result.values()), waited=bool(waited))
    spark.stop()


def merge(spark: SparkSession, lake: Lake, site: str, key: int, settings: Settings) -> None:
    """One new post in one commit, as a converge would write it."""
    with lock.writing(lake, ["silver.posts"], f"merge {site} {key}", settings):
        write.create(spark, lake, POSTS)
        staged = paths.staging(site, f"merge-{os.getpid()}-{key}")
        row = {"Id": key, "PostTypeId": 1, "CreationDate": CREATED, "Score": 0, ACTION: "insert"}
        form = spark.createDataFrame([], ", ".join(f"`{c.name}` {c.type}" for c in POSTS.columns if c.name != "site"))
        columns = pa.schema([*form.toArrow().schema, pa.field(ACTION, pa.string())])
        required = {c.name: False for c in POSTS.columns if c.type == "BOOLEAN" and not c.nullable}
        lake.make_folder(staged)
        pq.write_table(
            pa.Table.from_pylist([required | row], schema=columns),
            lake.path(f"{staged}/part-0.parquet"),
            filesystem=lake.fs,
        )
        write.merge(spark, staged, lake, POSTS, site, "")


def tell(what: str, **more: object) -> None:
    print(json.dumps({"what": what} | more), flush=True)


if __name__ == "__main__":
    main()
