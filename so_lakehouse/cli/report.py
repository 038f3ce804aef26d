"""How finished runs look at a terminal: a line as each ends, a table at the end, and every failure with its reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table
from rich.text import Text

from so_lakehouse.runner import LayerRun

MOST_NAMES = 3  # more are a number
ROWS = ("dagster/partition_row_count", "dagster/row_count")


def line(run: LayerRun) -> Text:
    """One finished run: layer, partition, seconds, what was noteworthy."""
    mark = ("done    ", "green") if run.succeeded else ("failed  ", "bold red")
    return Text.assemble(mark, f"{run.layer:<15}{run.partition or '':<34}{run.seconds:7.1f} s  ", (_note(run), "dim"))


def summary(runs: Sequence[LayerRun]) -> Table:
    """Rows, quarantined rows and seconds per layer and partition."""
    table = Table(title="What was done")
    table.add_column("layer", no_wrap=True)
    table.add_column("partition", overflow="fold")
    for name in ("rows", "quarantined", "seconds"):
        table.add_column(name, justify="right")
    for run in runs:
        rows = f"{_rows(run):,}" if not run.layer.startswith("raw") else ""
        quarantined = f"{run.total('quarantined'):,}" if run.layer in ("bronze", "bronze api", "silver") else ""
        if not run.succeeded:
            rows, quarantined = "failed", ""
        table.add_row(run.layer, run.partition or "all sites", rows, quarantined, f"{run.seconds:.1f}")
    return table


def days_together(runs: Sequence[LayerRun]) -> list[LayerRun]:
    """The runs, those of a site's days as one per layer, where the first of them stood."""
    together: dict[tuple[str, str], list[LayerRun]] = {}
    for number, run in enumerate(runs):
        site = (run.partition or "").rpartition("|")[2]
        together.setdefault((run.layer, site if run.layer.endswith(" api") else str(number)), []).append(run)
    return [_one(found) for found in together.values()]


def _one(runs: Sequence[LayerRun]) -> LayerRun:
    first = runs[0]
    if len(runs) == 1:
        return first
    return replace(
        first,
        partition=f"{len(runs)} days|{(first.partition or '').rpartition('|')[2]}",
        seconds=sum(run.seconds for run in runs),
        materialised={f"{run.partition} {name}": facts for run in runs for name, facts in run.materialised.items()},
        failed_checks=tuple(check for run in runs for check in run.failed_checks),
        error=next((run.error for run in runs if run.error), None),
    )


def reasons(console: Console, runs: Sequence[LayerRun]) -> None:
    """Warnings first, then what failed: which check, where, why and what to do."""
    for run in runs:
        for warning in run.warnings:
            console.print(Text.assemble(("warning ", "yellow"), warning), soft_wrap=True)
    for run in runs:
        for reason in [*run.failed_checks, *filter(None, [run.error])]:
            where = f"{run.layer} {run.partition or ''}".strip()
            console.print(Text.assemble(("failed  ", "bold red"), f"{where}: {reason}"), soft_wrap=True)


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, as exact as an estimate is."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:,.1f} min" if seconds < 6_000 else f"{seconds / 3_600:,.1f} h"


def _rows(run: LayerRun) -> int:
    """Of the marts' run those of the marts: it builds what they rest on, too."""
    inside = "marts/" if run.layer == "marts" else ""
    counted = {asset: facts for asset, facts in run.materialised.items() if asset.startswith(inside)}
    return sum(replace(run, materialised=counted).total(name) for name in ROWS)


def _note(run: LayerRun) -> str:
    """What a run says of itself; the same sentence of several tables once, with their names where others differ."""
    told: defaultdict[str, list[str]] = defaultdict(list)
    for asset, metadata in run.materialised.items():
        if metadata.get("note"):
            told[str(metadata["note"])].append(asset.rpartition("/")[2])
    if len(told) == 1:
        return next(iter(told))
    return "; ".join(f"{_named(tables)}: {note}" for note, tables in told.items())


def _named(tables: Sequence[str]) -> str:
    return ", ".join(tables) if len(tables) <= MOST_NAMES else f"{len(tables)} tables"
