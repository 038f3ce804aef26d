"""Commands that work through Dagster: recorded runs, a line as each ends, a table at the end, and the exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.table import Table

from so_lakehouse.cli import report
from so_lakehouse.cli.bars import bar
from so_lakehouse.errors import Unavailable
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import server

if TYPE_CHECKING:
    from so_lakehouse.runner import LayerRun


OUTPUTS = (1, 2)  # the process's, which child processes inherit


def require_services(settings: Settings) -> None:
    """Raises `Unavailable` where Spark cannot be started or a part's Postgres does not answer: before hours of work and
    the API's quota are spent, not after."""
    from so_lakehouse.spark.session import require_spark  # pyspark takes a moment: only when there is work

    require_spark(settings)
    for part in server.Part:
        server.connect(settings, part).close()


def carried_out(
    console: Console,
    settings: Settings,
    work: Callable[..., list[LayerRun]],
    summary: Callable[[Sequence[LayerRun]], Table] = report.summary,
) -> int:
    """Does `work(runner, working, finished)` (see `end_to_end`), prints as it goes and a summary at the end.

    Returns the exit code: 1 where anything failed.
    """
    from so_lakehouse.definitions import defs  # takes seconds: only when there is work
    from so_lakehouse.instance import recording
    from so_lakehouse.runner import Runner

    try:
        settings.run_log.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"Cannot use {settings.home}: {error}. Choose another LAKEHOUSE_HOME.") from error
    with (
        settings.run_log.open("a") as log,
        recording(settings) as instance,
        output_of_programs_in(log, console),
    ):
        runs = work(
            Runner(defs, instance, log),
            lambda title: bar(console, title),
            lambda run: console.print(report.line(run), soft_wrap=True),
        )
    console.print()
    console.print(summary(runs))
    report.reasons(console, runs)
    if all(run.succeeded for run in runs):
        return 0
    console.print(f"What Spark and dbt said meanwhile is in {settings.run_log}", soft_wrap=True, highlight=False)
    return 1


@contextmanager
def output_of_programs_in(log: TextIO, console: Console) -> Iterator[None]:
    """Sends what Java and dbt write to standard output and error to the log: nobody here can act on it.

    The console goes on where it was.
    """
    _flush()
    shown, kept = console.file, [os.dup(number) for number in OUTPUTS]
    with os.fdopen(os.dup(1), "w", encoding=sys.stdout.encoding) as console.file:
        for number in OUTPUTS:
            os.dup2(log.fileno(), number)
        try:
            yield
        finally:
            _flush()
            console.file = shown
            for number, place in zip(OUTPUTS, kept, strict=True):
                os.dup2(place, number)
                os.close(place)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
