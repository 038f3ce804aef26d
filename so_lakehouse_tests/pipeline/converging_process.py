"""A process with a Spark driver of its own that converges the sites it is told of, one JSON line each.

Started by test_two_writers.py: `python -m so_lakehouse_tests.pipeline.converging_process HOME`. A line names `site`,
and may name `die_at`, a fail point. The answer tells how many ledger rows were new and whether it had to wait.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.session import open_session

TABLES = ("posts",)


def main(home: str) -> None:
    settings = Settings(home=Path(home), spark_master="local[1]", spark_memory="512m")
    spark = open_session(settings)
    lake = Lake(settings.lake_uri)
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

        result = converge(spark, lake, told["site"], TABLES, settings, progress)
        tell("done", applied=sum(len(table.applied) for table in result.values()), waited=bool(waited))
    spark.stop()


def tell(what: str, **more: object) -> None:
    print(json.dumps({"what": what} | more), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
