"""How long work tells whoever waits: one call shape, so that pure code needs no terminal and no orchestrator."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called now and then with what is going on, how much is done and (where known) of how much; units are bytes or rows."""

    def __call__(self, what: str, done: int, total: int | None = None) -> None: ...


def silent(what: str, done: int, total: int | None = None) -> None:
    """For callers that do not want to know."""
