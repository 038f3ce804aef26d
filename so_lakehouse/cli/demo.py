"""`so-lakehouse demo`: two simulated sites and two quarters, all the way, and what to look at next."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from so_lakehouse.cli.run import carry_out, wanted
from so_lakehouse.dumps.mirrors import open_mirror
from so_lakehouse.settings import Settings
from so_lakehouse.simulate.dumps import DEMO_QUARTERS, DEMO_SITES, write_mirror

NEXT = """
[bold]SIMULATED data.[/] The marts of two invented sites are in Postgres, the tables they come from in {home}.

  make dev                                         lineage, row counts, checks and partitions, in a browser
  so-lakehouse status                              what every layer holds
  so-lakehouse sql "select * from marts.activity_month order by site, month"
  so-lakehouse sql --lake "select source, partition, rows_in, rows_inserted, rows_updated from silver.ledger"
  so-lakehouse run --site beer                     a real site (from archive.org, or --mirror DIR)

The command is in .venv/bin; `source .venv/bin/activate` puts it on the PATH."""


def main(arguments: argparse.Namespace) -> int:
    console = Console(file=sys.stdout)  # the real one: what runs print is sent elsewhere
    settings = Settings.from_environment()
    folder = settings.home / "demo_mirror"
    if not (folder / "releases.csv").exists():  # written last: another version of the simulator leaves what was landed
        write_mirror(folder, DEMO_SITES, DEMO_QUARTERS)
    mirror = open_mirror(str(folder), settings)
    code = carry_out(console, settings, wanted(mirror, DEMO_SITES, DEMO_QUARTERS), str(folder), accept_shrink=False)
    if code == 0:
        console.print(NEXT.format(home=settings.home), highlight=False, soft_wrap=True)
    return code
