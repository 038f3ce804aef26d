"""`python -m so_lakehouse.simulate`: write a mirror of simulated dumps."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from so_lakehouse.errors import LakehouseError
from so_lakehouse.simulate.archive import LZMA2_PER_TABLE, SOLID_BZIP2
from so_lakehouse.simulate.dumps import DEMO_PEOPLE, DEMO_QUARTERS, DEMO_SITES, write_mirror
from so_lakehouse.simulate.topics import TOPICS

_PACKINGS = {"lzma2": LZMA2_PER_TABLE, "bzip2": SOLID_BZIP2}


@click.command()
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the mirror.")
@click.option("--sites", default=",".join(DEMO_SITES), show_default=True, help=f"Any of {', '.join(TOPICS)}.")
@click.option("--quarters", default=",".join(DEMO_QUARTERS), show_default=True, help="First days of quarters.")
@click.option("--users", default=DEMO_PEOPLE, show_default=True, help="People per site, two years after its launch.")
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same bytes.")
@click.option(
    "--packing", default="lzma2", show_default=True, type=click.Choice(list(_PACKINGS)), help="As of which era."
)
def main(out: Path, sites: str, quarters: str, users: int, seed: int, packing: str) -> None:
    """Writes dumps of SIMULATED sites in the publisher's format: one release per quarter, and what is true of them."""
    try:
        truth = write_mirror(
            out, sites.split(","), quarters.split(","), seed=seed, people=users, packing=_PACKINGS[packing]
        )
    except LakehouseError as error:
        sys.exit(str(error))
    for release, by_site in truth.items():
        for site, tables in by_site.items():
            counts = ", ".join(f"{name} {table['rows_in_file']:,}" for name, table in tables.items())
            click.echo(f"{release} {site}: {counts}")


if __name__ == "__main__":
    main()
