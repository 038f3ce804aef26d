"""`python -m so_lakehouse.simulate`: write a mirror of simulated dumps."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from so_lakehouse.errors import LakehouseError
from so_lakehouse.simulate.archive import LZMA2_PER_TABLE, SOLID_BZIP2
from so_lakehouse.simulate.dumps import DEMO_PEOPLE, DEMO_QUARTERS, DEMO_SITES, write_mirror
from so_lakehouse.simulate.large import write_large_mirror
from so_lakehouse.simulate.topics import TOPICS

_PACKINGS = {"lzma2": LZMA2_PER_TABLE, "bzip2": SOLID_BZIP2}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m so_lakehouse.simulate",
        description="Writes dumps of SIMULATED sites in the publisher's format, one release per quarter.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--out", required=True, type=Path, help="folder of the mirror")
    parser.add_argument("--sites", nargs="+", default=DEMO_SITES, metavar="S", help=f"any of {', '.join(TOPICS)}")
    parser.add_argument("--quarters", nargs="+", default=DEMO_QUARTERS, metavar="Q", help="first days of quarters")
    parser.add_argument("--users", type=int, default=DEMO_PEOPLE, help="people per site, two years after its launch")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes")
    parser.add_argument(
        "--large", type=int, metavar="POSTS", help="instead: the first site, streamed, with so many posts"
    )
    parser.add_argument("--packing", choices=list(_PACKINGS), default="lzma2", help="as of which era")
    return parser.parse_args()


def main() -> None:
    """Writes the mirror and prints what it holds."""
    wanted = _arguments()
    seed, packing = wanted.seed, _PACKINGS[wanted.packing]
    try:
        if wanted.large is None:
            truth = write_mirror(
                wanted.out, wanted.sites, wanted.quarters, seed=seed, people=wanted.users, packing=packing
            )
        else:
            site, fast = wanted.sites[0], replace(packing, level=1)
            truth = write_large_mirror(wanted.out, wanted.large, wanted.quarters, site=site, seed=seed, packing=fast)
    except LakehouseError as error:
        sys.exit(str(error))
    for release, by_site in truth.items():
        for site, tables in by_site.items():
            counts = ", ".join(f"{name} {table['rows_in_file']:,}" for name, table in tables.items())
            print(f"{release} {site}: {counts}")


if __name__ == "__main__":
    main()
