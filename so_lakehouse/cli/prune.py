"""`so-lakehouse prune`: maintenance of sites, as recorded runs, and what went."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from so_lakehouse.cli.recorded import carried_out
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings

if TYPE_CHECKING:
    from so_lakehouse.runner import LayerRun


def main(arguments: argparse.Namespace) -> int:
    from so_lakehouse.spark.maintenance import planned, retention  # pyspark takes a moment; no JVM starts

    settings, sites, hours = Settings.from_environment(), list(dict.fromkeys(arguments.site)), arguments.retention_hours
    lake, console = Lake.of(settings), Console(file=sys.stdout)
    for site in sites:
        retention(lake, site, settings, hours)  # refuses what cannot be, before anything starts
    if arguments.plan:
        parts = ((site, asdict(part)) for site in sites for part in planned(lake, site, settings, hours))
        console.print(_table("The plan; nothing was started", parts))
        return 0
    config = {"maintain": {} if hours is None else {"retention_hours": hours}}

    def work(runner, working, finished) -> list[LayerRun]:
        runs = []
        for site in sites:
            runner.add_site(site)
            with working(f"maintenance {site}"):
                runs.append(runner.run_job("maintenance", site, config))
            finished(runs[-1])
        return runs

    return carried_out(console, settings, work, _summary)


def _summary(runs: Sequence[LayerRun]) -> Table:
    parts = (
        (str(run.partition), record.data)
        for run in runs
        for reported in run.materialised.values()
        for record in reported["done"].records
    )
    return _table("What went", parts)


def _table(title: str, parts: Iterable[tuple[str, Mapping[str, Any]]]) -> Table:
    """A line for each part of the lake that has something to tell, and the sum of all, shared tables once."""
    told = [(site, part) for site, part in parts if part["note"] or part["bytes_before"] != part["bytes_after"]]
    before: dict[tuple[str, str], int] = {}
    after: dict[tuple[str, str], int] = {}
    for site, part in told:
        key = ("" if part["of_all_sites"] else site, part["what"])
        before.setdefault(key, part["bytes_before"])
        after[key] = part["bytes_after"]
    table = Table("site", "part", "note", title=title, show_footer=True)
    for name, sizes in (("before", before), ("after", after)):
        table.add_column(name, decimal(sum(sizes.values())), justify="right")
    for site, part in told:
        table.add_row(site, part["what"], part["note"], decimal(part["bytes_before"]), decimal(part["bytes_after"]))
    return table
