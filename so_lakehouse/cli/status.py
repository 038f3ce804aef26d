"""`so-lakehouse status`: sites x layers, with the newest partition, rows, age, failed checks and warnings."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table
from rich.text import Text

from so_lakehouse.settings import Settings
from so_lakehouse.status import status


def main(arguments: argparse.Namespace) -> int:
    console = Console()
    settings = Settings.from_environment()
    found = status(settings)
    if not found:
        console.print(f"Nothing in {settings.home} yet. Start with:", soft_wrap=True)
        console.print("so-lakehouse run --site beer --plan")
        return 0
    table = Table()
    table.add_column("site", overflow="fold")
    table.add_column("layer", no_wrap=True)
    table.add_column("newest", overflow="fold")
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("failed checks", style="bold red", overflow="fold")
    table.add_column("warn", style="yellow", justify="right")
    for layer in found:
        table.add_row(
            Text(layer.site),
            layer.layer,
            layer.newest,
            "" if layer.rows is None else f"{layer.rows:,}",
            _age(layer.age_hours),
            ", ".join(layer.failed_checks),
            f"{layer.warnings:,}" if layer.warnings else "",
        )
    console.print(table)
    return 0


def _age(hours: float | None) -> str:
    if hours is None:
        return ""
    if hours < 2:
        return f"{hours * 60:.0f} min"
    return f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} days"
