"""`so-lakehouse catalog`: the metastore is told at once which tables of silver lie in the lake, and where."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from rich.console import Console

from so_lakehouse.cli.recorded import output_of_programs_in
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.lake import lock
from so_lakehouse.lake.silver_tables import LEDGER
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings


def main(arguments: argparse.Namespace) -> int:
    from so_lakehouse.spark import catalog  # pyspark takes a moment: only when there is work
    from so_lakehouse.spark.session import open_session, require_spark

    # A few questions need no cluster.
    settings = replace(Settings.from_environment().of_writer("silver"), spark_master="local[1]")
    if not settings.metastore:
        raise BadInput("LAKEHOUSE_METASTORE names no metastore, so there are no names to bring up to date.")
    if not catalog.answers(settings):
        raise Unavailable(f"Nobody answers at {settings.metastore}. See that the metastore runs, then run again.")
    require_spark(settings)
    console, lake = Console(file=sys.stdout), Lake.of(settings)
    settings.run_log.parent.mkdir(parents=True, exist_ok=True)
    with settings.run_log.open("a") as log, output_of_programs_in(log, console):
        spark = open_session(settings)
        with catalog.answering(settings), lake.answering():
            with lock.writing(lake, [f"silver.{LEDGER.name}"], "name silver's tables", settings):
                hindrance = catalog.follow(spark, lake, settings)
            named = catalog.names(spark)
        spark.stop()
    console.print(hindrance or f"The metastore at {settings.metastore} names: {', '.join(named)}", soft_wrap=True)
    return 1 if hindrance else 0
