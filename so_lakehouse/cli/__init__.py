"""The command line: which commands there are, their options, and how an error ends one.

Belongs here: words and options. Each command is a module of this package with a `main(arguments) -> exit code`; it is
imported only when called, because Dagster and dbt take seconds to import.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from importlib.metadata import version

from rich.console import Console
from rich.text import Text

from so_lakehouse.cli import simulate_words
from so_lakehouse.errors import LakehouseError


def parser() -> argparse.ArgumentParser:
    """All commands and options; `command` names the module that carries one out."""
    top = argparse.ArgumentParser(
        prog="so-lakehouse",
        description="A lakehouse for the Stack Exchange network: dumps to Delta tables to Postgres marts.",
    )
    top.add_argument("--version", action="version", version=f"so-lakehouse {version('so-lakehouse')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="command")

    run = commands.add_parser("run", help="take sites from their dumps, or days of the API, to the marts")
    run.add_argument("--site", nargs="+", action="extend", required=True, metavar="S", help="sites, such as beer")
    run.add_argument(
        "--quarter",
        nargs="+",
        action="extend",
        metavar="Q",
        help="quarters (2016-10-01, 2016Q4) or releases (2016-12); default: the newest release that has the site",
    )
    run.add_argument(
        "--day", nargs="+", action="extend", metavar="D", help="closed days (2026-01-05) of the API instead of a dump"
    )
    run.add_argument("--days-since", metavar="D", help="every closed day from this one on that is not here whole")
    run.add_argument("--again", action="store_true", help="with --day: ask for the whole day anew; it adds to the day")
    run.add_argument("--mirror", metavar="DIR|URL", help="where dumps lie; default LAKEHOUSE_MIRROR, then archive.org")
    run.add_argument("--plan", action="store_true", help="say what it would take, and start nothing")
    run.add_argument(
        "--accept-shrink", action="store_true", help="let a dump delete more than 10 %% and 100 rows of a table"
    )

    rebuild = commands.add_parser("rebuild", help="make silver of sites anew from bronze, and what follows from it")
    rebuild.add_argument("--site", nargs="+", action="extend", required=True, metavar="S", help="sites, such as beer")
    rebuild.add_argument("--table", nargs="+", action="extend", metavar="T", help="silver tables; default: all")
    rebuild.add_argument(
        "--accept-shrink", action="store_true", help="let it delete more than 10 %% and 100 rows of a table"
    )

    prune = commands.add_parser("prune", help="maintenance: what nothing needs any more goes, silver's files in order")
    prune.add_argument("--site", nargs="+", action="extend", required=True, metavar="S", help="sites, such as beer")
    prune.add_argument(
        "--retention-hours",
        type=int,
        metavar="N",
        help="how long silver's earlier versions stay; default LAKEHOUSE_RETENTION_HOURS; 0: what was deleted goes now",
    )
    prune.add_argument("--plan", action="store_true", help="say what would go, and start nothing")

    commands.add_parser("catalog", help="tell the metastore now which tables of silver the lake holds, and which not")

    sql = commands.add_parser("sql", help="ask the warehouse and the marts, or with --lake the lake")
    sql.add_argument("query", metavar="QUERY", help='such as "select * from marts.activity_month"; - reads stdin')
    sql.add_argument("--lake", action="store_true", help="ask silver, bronze, reconciliation and quarantine (no JVM)")
    sql.add_argument("--format", choices=("table", "csv", "json"), default="table", help="default: table")

    commands.add_parser("status", help="what every layer holds of every site")
    commands.add_parser("doctor", help="whether this machine has what is needed")
    stack = commands.add_parser("stack", help="the services of a team's lakehouse: object store, Postgres, Spark, …")
    stack.add_argument(
        "action",
        choices=("up", "down", "status", "secrets", "prepare", "serve", "health"),
        help="up, down, status: as processes of this machine; the others are for containers (docs/operations.md)",
    )
    stack.add_argument("service", nargs="*", metavar="SERVICE", help="only these; default: all")
    commands.add_parser(
        "demo", help="three simulated sites: three quarters, the days since, from the .7z to tested marts"
    )
    simulate_words.add_to(commands.add_parser("simulate", help="simulated communities: their dumps, and the API after"))
    dev = commands.add_parser("dev", help="Dagster's web page on this lakehouse")
    dev.add_argument("--port", type=int, default=3000, help="default: 3000")
    return top


def main() -> None:
    """Entry point. Errors meant for people end with their message and exit code 1; others keep their traceback."""
    arguments = parser().parse_args()
    try:
        sys.exit(importlib.import_module(f"so_lakehouse.cli.{arguments.command}").main(arguments))
    except LakehouseError as error:
        Console(stderr=True).print(
            Text("Error: ", style="bold red") + Text(str(error), style="default"), soft_wrap=True
        )
        sys.exit(1)
    except BrokenPipeError:  # whoever read our output (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        print(
            "Stopped. Nothing half-done was published; the same command goes on where this one ended.", file=sys.stderr
        )
        sys.exit(128 + signal.SIGINT)  # as a shell tells it
