"""`so-lakehouse rebuild`: silver tables of sites made anew from bronze, and what follows from them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console

from so_lakehouse import schema
from so_lakehouse.cli.recorded import carried_out, require_services
from so_lakehouse.errors import BadInput
from so_lakehouse.lake import ledger
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings


def main(arguments: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    sites, tables = list(dict.fromkeys(arguments.site)), _known_tables(arguments.table or ())
    _require_silver(Lake.of(settings), sites)
    from so_lakehouse.end_to_end import rebuilt_to_marts  # takes seconds: only when there is work

    require_services(settings)
    return carried_out(
        Console(file=sys.stdout),
        settings,
        lambda runner, working, finished: rebuilt_to_marts(
            runner, sites, tables, arguments.accept_shrink, working, finished
        ),
    )


def _known_tables(names: Sequence[str]) -> list[str]:
    unknown = [name for name in names if name not in schema.TABLES]
    if unknown:
        raise BadInput(f"There is no table {', '.join(unknown)}. The tables are {', '.join(schema.TABLES)}.")
    return list(names)


def _require_silver(lake: Lake, sites: Sequence[str]) -> None:
    """Raises `BadInput` for a site of which silver has nothing that could be rebuilt."""
    for site in sites:
        known = ledger.load(lake, site, schema.TABLES)
        if not any(known.of(table) for table in schema.TABLES):
            raise BadInput(
                f"Silver holds nothing of {site!r}. Take it in first: so-lakehouse run --site {site}; "
                "so-lakehouse status shows the sites that are here."
            )
