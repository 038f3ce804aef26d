"""`so-lakehouse stack`: the services of a team's lakehouse, started, stopped and looked at."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from so_lakehouse.settings import Settings
from so_lakehouse.stack import containers, native, secrets
from so_lakehouse.stack.native import ServiceStatus


def main(arguments: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    return ACTIONS[arguments.action](settings, arguments.service)


def _up(settings: Settings, names: Sequence[str]) -> int:
    console = Console()
    with console.status("starting"):
        found = native.up(settings, lambda service, what: console.print(f"{service} {what}"), names)
    _print(console, found)
    console.print(f"To use it: source {settings.stack_folder / 'environment'}", soft_wrap=True, highlight=False)
    return 0


def _down(settings: Settings, names: Sequence[str]) -> int:
    console = Console()
    if not native.down(settings, lambda service, what: console.print(f"{service} {what}"), names):
        console.print("Nothing of the stack runs.")
    return 0


def _status(settings: Settings, names: Sequence[str]) -> int:
    found = native.status(settings, names)
    _print(Console(), found)
    return 0 if all(service.healthy for service in found) else 1


def _print(console: Console, found: Sequence[ServiceStatus]) -> None:
    table = Table("service", "state", "process", "addresses")
    for service in found:
        state = "ready" if service.healthy else "not ready" if service.process_id else "stopped"
        table.add_row(service.name, state, str(service.process_id or ""), " ".join(service.addresses))
    console.print(table)
    console.print(f"Logs: {Path(found[0].log).parent}", soft_wrap=True, highlight=False)


def _secrets(settings: Settings, names: Sequence[str]) -> int:
    """New ones, for an `.env` file; a native stack makes and keeps its own."""
    print(secrets.in_lines({secrets.variable(name): secrets.made() for name in secrets.SECRETS}), end="")
    return 0


ACTIONS = {
    "up": _up,
    "down": _down,
    "status": _status,
    "secrets": _secrets,
    "prepare": containers.prepare,
    "serve": containers.serve,
    "health": containers.health,
}
