"""How long work tells whoever waits: one call shape, so that pure code needs no terminal and no orchestrator.

The command line listens (`listening`); work that runs inside an orchestrator's step asks for `current()`, so that the
same step is silent in a daemon and draws a bar at a terminal.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Protocol

LOG = logging.getLogger(__name__)
POLL_SECONDS = 0.2


class Progress(Protocol):
    """Called now and then: what is going on, how much is done, and (where known) of how much; bytes or rows."""

    def __call__(self, what: str, done: int, total: int | None = None) -> None: ...


def silent(what: str, done: int, total: int | None = None) -> None:
    """For callers that do not want to know."""


def in_steps(progress: Progress, total: int) -> Callable[[str], None]:
    """Tells one step more of `total` at each call; safe to call from several threads."""
    done = count(1)
    return lambda what: progress(what, next(done), total)


def wait_until_free(hindrance: Callable[[], str | None], progress: Progress) -> None:
    """Waits until nothing hinders: `hindrance()` gives, as words for people, what does, or None.

    It is told at once, and in the log too: where nobody watches progress, a silent wait looks like a hang.
    """
    waited = 0
    while (reason := hindrance()) is not None:
        if not waited:
            LOG.warning(reason)
        progress(reason, waited)
        time.sleep(POLL_SECONDS)
        waited += 1


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
