"""How long work tells whoever waits: one call shape, so that pure code needs no terminal and no orchestrator.

The command line listens (`listening`); work that runs inside an orchestrator's step asks for `current()`, so that the
same step is silent in a daemon and draws a bar at a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Progress(Protocol):
    """Called now and then: what is going on, how much is done, and (where known) of how much; bytes or rows."""

    def __call__(self, what: str, done: int, total: int | None = None) -> None: ...


def silent(what: str, done: int, total: int | None = None) -> None:
    """For callers that do not want to know."""


_listener: ContextVar[Progress] = ContextVar("progress", default=silent)


def current() -> Progress:
    """Whoever listens in this context; `silent` where nobody does."""
    return _listener.get()


@contextmanager
def listening(progress: Progress) -> Iterator[None]:
    """Within this block, `current()` is `progress`."""
    token = _listener.set(progress)
    try:
        yield
    finally:
        _listener.reset(token)
