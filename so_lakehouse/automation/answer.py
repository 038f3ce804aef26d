"""What a step answers, and what it is told of runs: the words that the four steps share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from so_lakehouse.settings import Settings

# While one of these goes on or waits, a site's evidence is not whole yet, or its locks are taken.
READING = frozenset({"raw", "raw api", "bronze", "bronze api"})
FOLLOWING = frozenset({"reconciliation", "silver", "warehouse"})
MAINTENANCE = "maintenance"


@dataclass(frozen=True)
class Request:
    """A run that is due: these layers (as `runner.py` names them) of one partition, and why, for people.

    `version` names the state of things that makes it due: the same one is asked for once.
    """

    layers: tuple[str, ...]
    partition: tuple[str, ...]  # (site, quarter), (site, day), (site,) or nothing
    version: str
    reason: str

    @property
    def site(self) -> str | None:
        return self.partition[0] if self.partition else None

    @property
    def key(self) -> str:
        return "/".join((*self.layers, *self.partition, self.version))

    def __str__(self) -> str:
        return f"{' '.join(reversed(self.partition)) or 'all sites'}: {self.reason}"


@dataclass(frozen=True)
class Answer:
    """Runs to start, and what was not started and why, as sentences."""

    requests: tuple[Request, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """A run that waits in the queue or goes on: the layers that it writes to, and its partition, the same way round as
    a request's."""

    layers: frozenset[str]
    partition: tuple[str, ...]


@dataclass(frozen=True)
class Runs:
    """What the orchestrator knows. `tried` tells of a request's key what became of the run that was started for it;
    empty where there was none."""

    going_on: tuple[Run, ...] = ()
    tried: Callable[[str], str] = lambda key: ""
    seconds_quiet: float = float("inf")  # since the last run ended that feeds the marts

    def of_site(self, site: str, layers: Collection[str]) -> bool:
        """Whether anything goes on or waits that writes to these layers of a site."""
        return any(run.partition[:1] == (site,) and not run.layers.isdisjoint(layers) for run in self.going_on)

    def of_partition(self, partition: tuple[str, ...]) -> bool:
        return any(run.partition == partition for run in self.going_on)

    def answer(self, due: Iterable[Request], notes: Iterable[str] = (), most: int | None = None) -> Answer:
        """The requests of these that go on nowhere and were not tried yet, at most so many; the others as notes."""
        fresh: list[Request] = []
        told, waiting = list(notes), 0
        for request in due:
            if request.partition and self.of_partition(request.partition):
                told.append(f"{request} It goes on or waits in the queue.")
            elif most is not None and len(fresh) >= most:
                waiting += 1
            elif what := self.tried(request.key):
                told.append(f"{request} Started before ({what}); again when something has changed, or by hand.")
            else:
                fresh.append(request)
        if waiting:
            told.append(f"{waiting} more wait until fewer runs are queued.")
        return Answer(tuple(fresh), tuple(told))


def version_of(*facts: Any) -> str:
    """A short name of these facts (what JSON can hold)."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def attempt(now: datetime, settings: Settings) -> int:
    """Another number each `LAKEHOUSE_RETRY_SECONDS`: part of the version of what is asked of the world outside."""
    return int(now.timestamp()) // settings.retry_seconds
