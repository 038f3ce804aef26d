"""`so-lakehouse run`: sites from their dumps to the marts, quarters in the order of their cuts.

Days of the API are in `run_days.py`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from so_lakehouse import estimate
from so_lakehouse.cli import run_days
from so_lakehouse.cli.recorded import carried_out, require_services
from so_lakehouse.cli.report import duration
from so_lakehouse.dumps.land import Plan, Resolved, plan, resolve
from so_lakehouse.dumps.mirrors import Mirror, open_mirror
from so_lakehouse.dumps.mirrors.contract import shown
from so_lakehouse.errors import BadInput
from so_lakehouse.lake.disk import free_bytes, scratch
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.settings.reading import everywhere

# Without a quarter: the newest release that has the site.
NEWEST: Sequence[str | None] = (None,)


def main(arguments: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    if arguments.day is not None or arguments.days_since is not None:
        return run_days.main(arguments, settings)
    if arguments.again:
        raise BadInput(
            "--again is about days of the API: name them with --day. A dump that is here is not fetched twice."
        )
    location = everywhere(arguments.mirror or settings.mirror)
    mirror = open_mirror(location, settings)
    dumps = wanted(mirror, arguments.site, arguments.quarter)
    if arguments.plan:
        show_plan(Console(file=sys.stdout), settings, plans(Lake.of(settings), mirror, dumps, settings))
        return 0
    return carry_out(Console(file=sys.stdout), settings, dumps, location, arguments.accept_shrink)


def wanted(mirror: Mirror, sites: Sequence[str], quarters: Sequence[str] | None) -> list[Resolved]:
    """The dumps to run, in the order of their cuts; what the mirror lacks is refused before any work starts."""
    asked = [resolve(mirror, site, quarter) for site in sites for quarter in quarters or NEWEST]
    found = {(dump.site.key, dump.release.order): dump for dump in asked}
    return sorted(found.values(), key=lambda dump: (dump.release.order, dump.site.key))


def carry_out(
    console: Console, settings: Settings, dumps: Sequence[Resolved], location: str, accept_shrink: bool
) -> int:
    """Runs everything and prints as it goes; 1 where anything failed."""
    from so_lakehouse.end_to_end import Dump, raw_to_marts  # takes seconds: only when there is work

    require_services(settings)
    chosen = [Dump(dump.site.key, dump.quarter, dump.release.release) for dump in dumps]
    os.environ["LAKEHOUSE_MIRROR"] = location  # a run's record tells the mirror too, unless a password is in it
    told = location if shown(location) == location else ""
    return carried_out(
        console,
        settings,
        lambda runner, working, finished: raw_to_marts(runner, chosen, told, accept_shrink, working, finished),
    )


def plans(lake: Lake, mirror: Mirror, dumps: Sequence[Resolved], settings: Settings) -> list[Plan]:
    """The plan of each dump; of a site's dumps the second finds what the first left."""
    before = [[other.site.key for other in dumps[:number]] for number in range(len(dumps))]
    return [
        plan(lake, mirror, dump, settings, follows=dump.site.key in earlier)
        for dump, earlier in zip(dumps, before, strict=True)
    ]


def show_plan(console: Console, settings: Settings, plans: Sequence[Plan]) -> None:
    """What each dump would take and all together: bytes to fetch, disk, and a rough time."""
    table = Table(title="The plan; nothing was started")
    table.add_column("site", overflow="fold")
    for name in ("quarter", "release"):
        table.add_column(name, no_wrap=True)
    for name in ("to fetch", "disk", "about"):
        table.add_column(name, justify="right", no_wrap=True)
    for item in plans:
        dump = item.resolved
        names = (dump.site.key, dump.quarter, dump.release.release)
        table.add_row(*names, *_amounts(item.bytes_to_fetch, item.disk_bytes, item.seconds))
    table.add_row("command and marts", "", "", "", "", duration(estimate.ONCE_SECONDS), end_section=True)
    fetch, disk = sum(item.bytes_to_fetch for item in plans), sum(item.disk_bytes for item in plans)
    seconds = estimate.ONCE_SECONDS + sum(item.seconds for item in plans)
    table.add_row("in all", "", "", *_amounts(fetch, disk, seconds), style="bold")
    console.print(table)
    console.print(
        "Rough, by the measurements in docs/benchmarks.md on two slow cores. Not in it: the network's time; the "
        "warehouse's disk; and what more than a small site's takes in the warehouse and the marts.",
        soft_wrap=True,
    )
    console.print(_room(settings, disk), soft_wrap=True, highlight=False)


def _amounts(fetch: int, disk: int, seconds: float) -> tuple[str, str, str]:
    return decimal(fetch), decimal(disk), duration(seconds)


def _room(settings: Settings, needed: int) -> str:
    """Whether the disk that a run fills would hold it and the reserve, for people."""
    lake = Lake.of(settings)
    folder = Path(scratch(lake, settings))
    free = free_bytes(folder)
    told = f"{decimal(free)} are free where {folder} is"
    if lake.local_path("") is None:
        return f"{told}, which holds archives on their way; the lake is at {lake.uri('')}."
    if free - needed < settings.disk_reserve_bytes:
        return f"{told}: too little, for {decimal(settings.disk_reserve_bytes)} must stay (LAKEHOUSE_DISK_RESERVE)."
    return f"{told}."
