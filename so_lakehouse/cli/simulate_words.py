"""Words and options of `so-lakehouse simulate`. What the command does is in `simulate.py`."""

from __future__ import annotations

import argparse
from pathlib import Path

from so_lakehouse.simulate.faults import FAULTS, NO_FAULT
from so_lakehouse.simulate.quirks import CHOICES
from so_lakehouse.simulate.topics import TOPICS

DESCRIPTION = """
SIMULATED communities, for trials without a network and for tests. None of their people or posts is real.

People join, write, vote, edit, delete and leave day by day. Each has a career: a role and a stage per year, which move
on at known rates. Tools rise and fall along known curves, and from 2022-11-30 on the people of some sites ask and
answer less. Everything follows from the site, --seed and --users: the same ones give the same bytes, and a further
quarter or day changes nothing that was before it. Beside the dumps, truth.json says what they hold and what changed
from one to the next, and truth/SITE/ what an analysis should find (docs/simulator.md).

  so-lakehouse simulate dumps --out /tmp/simulated      a mirror: one release per quarter, as the publisher packs them
  so-lakehouse simulate serve --mirror /tmp/simulated   the same communities behind the API, living on after the dumps

What the API tells is what a dump of the same moment would tell. It goes wrong on request: simulate serve --help lists
the faults. `so-lakehouse demo` shows all of it, and `so-lakehouse dev` goes on from there.
"""

SERVE = """
Speaks the Stack Exchange API 2.3 on 127.0.0.1 for the communities whose dumps lie in the mirror: rows, paging, filters,
quota and backoff. It prints the settings to export, and serves until Ctrl-C. Its clock runs from --now on; when a day
is over, what happened on it is served. So on the day after a cut it serves what the dump of that cut holds.

While it serves, its page takes commands:

  curl http://127.0.0.1:PORT/simulation                                   how it stands: clock, quota, broken rules
  curl --data now=2026-01-15T06:00:00 http://127.0.0.1:PORT/simulation    another moment; export the LAKEHOUSE_NOW told
  curl --data fault=reset http://127.0.0.1:PORT/simulation                what the next answers suffer:

"""


def add_to(command: argparse.ArgumentParser) -> None:
    """The options of `dumps` and `serve`."""
    command.description = DESCRIPTION
    command.formatter_class = argparse.RawDescriptionHelpFormatter
    actions = command.add_subparsers(dest="action", required=True, metavar="dumps|serve")

    dumps = actions.add_parser(
        "dumps",
        help="write a mirror of dumps",
        description="Writes releases of simulated sites. Sites, users and seed are by default those of the folder's "
        "other dumps, or else the demo's.",
    )
    dumps.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the mirror")
    dumps.add_argument("--sites", nargs="+", metavar="S", help=f"any of {', '.join(TOPICS)}")
    dumps.add_argument("--quarters", nargs="+", metavar="Q", help="first days of quarters; default: the demo's")
    dumps.add_argument("--users", type=int, metavar="N", help="people per site, two years after its launch")
    dumps.add_argument("--seed", type=int, metavar="N", help="the same seed gives the same bytes")
    dumps.add_argument(
        "--large", type=int, metavar="POSTS", help="instead: the first site, streamed, with so many posts; not served"
    )
    dumps.add_argument("--packing", choices=("lzma2", "bzip2"), default="lzma2", help="as of which era; default: lzma2")
    dumps.add_argument(
        "--solid",
        action=argparse.BooleanOptionalAction,
        help="all tables in one stream, or one each; default: as the publisher did, bzip2 solid and lzma2 not",
    )
    dumps.add_argument(
        "--quirk",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another spelling than the publisher's of that quarter, such as tag_notation=|| or encoding=utf-16-le; "
        f"may be given again; names: {', '.join(CHOICES)}",
    )
    dumps.add_argument(
        "--reissued", nargs="+", metavar="Q", help="quarters that are published twice, the second time without quirks"
    )

    faults = [f"  {name:<18}{fault.meaning}" for name, fault in FAULTS.items()]
    serve = actions.add_parser(
        "serve",
        help="serve the API for any day after the dumps",
        description=SERVE + "\n".join([*faults, f"  {NO_FAULT:<18}takes back those that are still to come"]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    serve.add_argument("--mirror", required=True, type=Path, metavar="DIR", help="what simulate dumps has written")
    serve.add_argument("--now", metavar="MOMENT", help="as LAKEHOUSE_NOW; default: 6:00 when a week has closed")
    serve.add_argument("--port", type=int, default=8090, help="default: 8090; 0: any free one")
