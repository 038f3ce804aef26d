"""Progress bars at a terminal; nothing where output goes to a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from so_lakehouse.progress import listening


@contextmanager
def bar(console: Console, title: str) -> Iterator[None]:
    """A bar that follows `so_lakehouse.progress` while the block runs; gone when it ends."""
    if not console.is_terminal:
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[detail]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as display:
        task = display.add_task(title, total=None, detail="")

        def follow(what: str, done: int, total: int | None = None) -> None:
            display.update(task, completed=done, total=total, detail=what)

        with listening(follow):
            yield
