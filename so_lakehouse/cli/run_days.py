"""`so-lakehouse run --day` and `--days-since`: closed days of the API, from its pages to the marts."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from so_lakehouse import estimate
from so_lakehouse.api.days import days_since, require_day
from so_lakehouse.api.due import days_due
from so_lakehouse.api.fetch import api_parameter
from so_lakehouse.api.source import not_served
from so_lakehouse.cli.recorded import carried_out, require_services
from so_lakehouse.cli.report import duration
from so_lakehouse.clock import Clock
from so_lakehouse.errors import BadInput
from so_lakehouse.lake.api_raw import WINDOW, days_of_sites, fetches_of
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.settings import Settings

DAYS_LOOKED_AT = 7  # a week has its quiet days and its busy ones


def main(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.quarter or arguments.mirror or arguments.accept_shrink:
        raise BadInput("--quarter, --mirror and --accept-shrink are about dumps; --day and --days-since about the API.")
    if arguments.again and not arguments.day:
        raise BadInput("--again asks for days anew that --day names; --days-since takes the days that are due.")
    sites = list(dict.fromkeys(arguments.site))
    for site in sites:
        api_parameter(site)
        if refusal := not_served(site, settings):
            raise BadInput(refusal)
    chosen = _chosen(arguments, sites, settings)
    console = Console(file=sys.stdout)
    if arguments.plan:
        _show_plan(console, settings, chosen, arguments.again)
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


def _show_plan(console: Console, settings: Settings, chosen: Sequence[tuple[str, str]], again: bool) -> None:
    """What each day would take and all together: requests, bytes of packed pages, and a rough time."""
    lake = Lake.of(settings)
    table = Table(title="The plan; nothing was started")
    table.add_column("site", overflow="fold")
    table.add_column("day", no_wrap=True)
    table.add_column("state")
    for name in ("requests", "to fetch", "about"):
        table.add_column(name, justify="right", no_wrap=True)
    taken = {site: _taken(lake, site) for site in dict.fromkeys(site for site, _ in chosen)}
    all_requests = all_bytes = days = 0
    for site, day in chosen:
        is_due = bool(days_due(lake, site, [day]))
        if not is_due and not again:
            table.add_row(site, day, "here whole")
            continue
        pages, size = taken[site]
        requests = estimate.day_requests(pages)
        to_fetch = round(requests * (size / sum(pages) if sum(pages) else estimate.BYTES_OF_A_QUIET_PAGE))
        about = duration(estimate.days_seconds(0, 1, requests))
        table.add_row(site, day, "to be asked for", f"{requests:,}", decimal(to_fetch), about)
        all_requests, all_bytes, days = all_requests + requests, all_bytes + to_fetch, days + 1
    if days:
        once = estimate.ONCE_SECONDS + estimate.days_seconds(len(taken), 0, 0)
        table.add_row("silver to marts", "", "", "", "", duration(once), end_section=True)
        seconds = estimate.ONCE_SECONDS + estimate.days_seconds(len(taken), days, all_requests)
        table.add_row(
            "in all",
            "",
            f"{days:,} day{'s' * (days != 1)}",
            f"{all_requests:,}",
            decimal(all_bytes),
            duration(seconds),
            style="bold",
        )
    console.print(table)
    console.print(
        "Rough: as the site's days that are here, else as a quiet day; by the measurements in docs/benchmarks.md on "
        "two slow cores. Not in it: the API's time to answer and its pauses; what asking again and the sweep add on "
        "the newest days, within their shares of the quota (docs/api.md).",
        soft_wrap=True,
    )


def _taken(lake: Lake, site: str) -> tuple[list[int], int]:
    """How many pages each of the newest days here took for its windows, and the bytes of all of them as they lie in
    raw."""
    pages: Counter[str] = Counter()
    size = 0
    for day in days_of_sites(lake).get(site, [])[-DAYS_LOOKED_AT:]:
        for entity in ENTITIES:
            for fetch in fetches_of(lake, entity, day, site):
                if fetch.kind == WINDOW:
                    pages[day] += fetch.pages
                    size += lake.size(fetch.file)
    return list(pages.values()), size
