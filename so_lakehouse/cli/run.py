"""`so-lakehouse run`: sites from their dumps to the marts, quarters in the order of their cuts.

Days of the API are in `run_days.py`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from so_lakehouse.cli import run_days
from so_lakehouse.cli.recorded import carried_out, require_services
from so_lakehouse.dumps.land import Plan, Resolved, plan, resolve
from so_lakehouse.dumps.mirrors import Mirror, open_mirror
from so_lakehouse.dumps.mirrors.contract import shown
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings

# Without a quarter: the newest release that has the site.
NEWEST: Sequence[str | None] = (None,)


def main(arguments: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    if arguments.day or arguments.days_since:
        return run_days.main(arguments, settings)
    location = arguments.mirror or settings.mirror
    mirror = open_mirror(location, settings)
    dumps = wanted(mirror, arguments.site, arguments.quarter)
    if arguments.plan:
        show_plan(Console(file=sys.stdout), [plan(Lake.of(settings), mirror, dump, settings) for dump in dumps])
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


def show_plan(console: Console, plans: Sequence[Plan]) -> None:
    """What each dump would take: bytes to fetch, disk, and a rough time."""
    table = Table("site", "quarter", "release", title="The plan; nothing was started")
    for name in ("to fetch", "disk", "about"):
        table.add_column(name, justify="right")
    for item in plans:
        dump = item.resolved
        table.add_row(
            dump.site.key,
            dump.quarter,
            dump.release.release,
            decimal(item.bytes_to_fetch),
            decimal(item.disk_bytes),
            f"{item.seconds:,.0f} s",
        )
    console.print(table)
