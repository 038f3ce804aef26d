"""Progress bars at a terminal; where output goes to a file, only what makes the work wait."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from so_lakehouse.progress import listening


@contextmanager
def bar(console: Console, title: str) -> Iterator[None]:
    """A bar that follows `so_lakehouse.progress` while the block runs; gone when it ends."""
    if not console.is_terminal:
        with _warnings_on(console):
            yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[detail]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as display:
        task = display.add_task(title, total=None, detail="")

        def follow(what: str, done: int, total: int | None = None) -> None:
            display.update(task, completed=done, total=total, detail=what)

        with listening(follow):
            yield


@contextmanager
def _warnings_on(console: Console) -> Iterator[None]:
    """Prints what our own code warns of while the block runs, such as another run that holds a table's lock."""
    logger, handler = logging.getLogger("so_lakehouse"), logging.Handler(logging.WARNING)
    handler.emit = lambda record: console.print(record.getMessage(), soft_wrap=True)  # type: ignore[method-assign]
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
