"""`so-lakehouse demo`: three simulated sites, three quarters and the days since, and what to look at next."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow.compute as pc
from rich.console import Console

from so_lakehouse.api.days import days_since
from so_lakehouse.api.due import days_due
from so_lakehouse.cli import report
from so_lakehouse.cli.bars import bar
from so_lakehouse.cli.recorded import carried_out, require_services
from so_lakehouse.cli.run import wanted
from so_lakehouse.clock import Clock
from so_lakehouse.dumps.land import Resolved
from so_lakehouse.dumps.mirrors import open_mirror
from so_lakehouse.errors import Unavailable
from so_lakehouse.lake import gates, tombstones
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.progress import current
from so_lakehouse.schema import TABLES
from so_lakehouse.settings import Settings
from so_lakehouse.simulate import demonstration
from so_lakehouse.simulate.api_server import running
from so_lakehouse.simulate.demonstration import Demonstration
from so_lakehouse.simulate.dumps import DEMO_QUARTERS, DEMO_SITES
from so_lakehouse.simulate.served import SimulationServer, from_now_on
from so_lakehouse.sql import literal

if TYPE_CHECKING:
    from so_lakehouse.end_to_end import Day

NEXT = """
[bold]SIMULATED data.[/] The marts of {sites} invented sites are in Postgres, the tables they come from in {home}.

  make dev                                         lineage, row counts, checks and partitions, in a browser
  so-lakehouse status                              what every layer holds
  so-lakehouse sql "select * from marts.activity_month order by site, month"
  so-lakehouse sql --lake "select source, partition, rows_in, rows_inserted, rows_updated from silver.ledger"
  so-lakehouse sql --lake "select * from silver.tombstones order by as_of desc limit 20"
  so-lakehouse simulate --help                     what was simulated, and how to serve it yourself
  so-lakehouse run --site beer                     a real site (from archive.org, or --mirror DIR)

The command is in .venv/bin; `source .venv/bin/activate` puts it on the PATH."""


def main(arguments: argparse.Namespace) -> int:
    from so_lakehouse.end_to_end import Dump, dumps_and_days_to_marts

    console = Console(file=sys.stdout)  # the real one: what runs print is sent elsewhere
    settings = Settings.from_environment()
    require_services(settings)
    with bar(console, "simulating"):
        simulation = demonstration.prepared(settings.home, current())
        story = demonstration.begun(settings.home, simulation, current())
    folder = str(demonstration.mirror_of(settings.home))
    lake = Lake.of(settings)
    with running(SimulationServer(simulation, from_now_on(story.mornings[0]))) as server:
        os.environ.update(server.settings | {"LAKEHOUSE_MIRROR": folder})
        resolved = wanted(open_mirror(folder, settings), DEMO_SITES, DEMO_QUARTERS)
        dumps = [Dump(dump.site.key, dump.quarter, dump.release.release) for dump in not_in_silver(lake, resolved)]
        days = days_by_mornings(lake, server, story)
        code = carried_out(
            console,
            settings,
            lambda runner, *heard: dumps_and_days_to_marts(runner, DEMO_SITES, dumps, folder, days, *heard),
            lambda runs: report.summary(report.days_together(runs)),
        )
    if code:
        return code
    demonstration.finished(settings.home, story)
    console.print()
    console.print(the_deletion(lake, story), highlight=False, soft_wrap=True)
    console.print(NEXT.format(home=settings.home, sites=len(DEMO_SITES)), highlight=False, soft_wrap=True)
    return 0


def not_in_silver(lake: Lake, dumps: Sequence[Resolved]) -> list[Resolved]:
    """The dumps whose cut silver has not reached: a demo that is there takes nothing in again."""

    def is_waiting(dump: Resolved) -> bool:
        cuts = [gate.cut_at for gate in gates.load(lake, dump.site.key).values() if gate.cut_at]
        return len(cuts) < len(TABLES) or min(cuts).date() < dump.release.cut_date

    return [dump for dump in dumps if is_waiting(dump)]


def days_by_mornings(lake: Lake, server: SimulationServer, story: Demonstration) -> Iterator[Day]:
    """The days to ask for, site by site, on one morning and then on the next: the clock moves in between."""
    from so_lakehouse.end_to_end import Day

    for morning in story.mornings:
        server.set_clock(from_now_on(morning))
        os.environ.update(server.settings)
        settings = Settings.from_environment()
        closed = list(days_since(settings.api_start, Clock(settings.now).now(), settings))
        for site in DEMO_SITES:
            yield from (Day(site, day) for day in days_due(lake, site, closed))


def the_deletion(lake: Lake, story: Demonstration) -> str:
    """What became of the account that left; raises `Unavailable` where silver still has it."""
    query = f"select count(*) as n from silver.users where site = {literal(story.site)} and Id = {story.user}"
    [held] = query_lake(lake, query)["n"].to_pylist()
    users = tombstones.load(lake, story.site).get("users", tombstones.NOTHING)
    found = users.filter(pc.equal(users["id"], story.user)).to_pylist()
    if held:
        raise Unavailable(
            f"User {story.user} of {story.site} left on {story.left}, and silver still has the account. It takes two "
            "mornings' sweeps in a row: see LAKEHOUSE_API_SWEEP, or begin again with make clean."
        )
    stays = [f"a tombstone stays: {row['reason']}, {row['as_of']:%Y-%m-%d %H:%M}" for row in found]
    return (
        f"One person left {story.site} on {story.left}: user {story.user}. The dump before has the account; the API no "
        f"longer returned it on {story.mornings[0]:.10} and {story.mornings[1]:.10}. So it is gone from silver, and "
        f"{stays[0] if stays else 'a later dump has confirmed it since'}."
    )
