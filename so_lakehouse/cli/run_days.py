"""`so-lakehouse run --day` and `--days-since`: closed days of the API, from its pages to the marts."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from so_lakehouse.api.days import days_since, require_day
from so_lakehouse.api.due import days_due
from so_lakehouse.api.fetch import api_parameter
from so_lakehouse.api.source import not_served
from so_lakehouse.cli.recorded import carried_out, require_services
from so_lakehouse.clock import Clock
from so_lakehouse.errors import BadInput
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings


def main(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.quarter or arguments.mirror or arguments.accept_shrink:
        raise BadInput("--quarter, --mirror and --accept-shrink are about dumps; --day and --days-since about the API.")
    sites = list(dict.fromkeys(arguments.site))
    for site in sites:
        api_parameter(site)
        if refusal := not_served(site, settings):
            raise BadInput(refusal)
    chosen = _chosen(arguments, sites, settings)
    console = Console(file=sys.stdout)
    if arguments.plan:
        _show_plan(console, settings, chosen)
        return 0
    return _carry_out(console, settings, sites, chosen, arguments.again)


def _chosen(arguments: argparse.Namespace, sites: Sequence[str], settings: Settings) -> list[tuple[str, str]]:
    """(site, day) of every day to run; what cannot be asked for is refused before any work starts."""
    now, lake = Clock(settings.now).now(), Lake.of(settings)
    named = sorted(set(arguments.day or ()))
    for day in filter(None, [*named, arguments.days_since]):
        require_day(day, now, settings)
    every = list(days_since(arguments.days_since, now, settings)) if arguments.days_since else []
    return [(site, day) for site in sites for day in sorted({*named, *days_due(lake, site, every)})]


def _carry_out(
    console: Console, settings: Settings, sites: Sequence[str], chosen: Sequence[tuple[str, str]], again: bool
) -> int:
    from so_lakehouse.end_to_end import Day, days_to_marts  # takes seconds: only when there is work

    require_services(settings)
    days = [Day(site, day) for site, day in chosen]
    return carried_out(
        console,
        settings,
        lambda runner, working, finished: days_to_marts(runner, sites, days, again, working, finished),
    )


def _show_plan(console: Console, settings: Settings, chosen: Sequence[tuple[str, str]]) -> None:
    lake = Lake.of(settings)
    table = Table("site", "day", "state", title="The plan; nothing was started")
    for site, day in chosen:
        table.add_row(site, day, "to be asked for" if days_due(lake, site, [day]) else "here whole")
    console.print(table)
