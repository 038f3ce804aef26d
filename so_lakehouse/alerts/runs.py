"""Which failed runs still matter: those whose assets no later run has made in the same partition.

Belongs here: the decision, from runs that have ended. Not here: reading them (`run_history.py`), and what a
check refused whose outcome lies in the lake (`checks.py` tells of that).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from so_lakehouse.alerts.incident import Incident, Kind
from so_lakehouse.alerts.places import next_step, site_of

# The outcomes of their checks lie in the lake, where they are judged also without the run.
JUDGED_IN_THE_LAKE = ("bronze/dump", "silver")


@dataclass(frozen=True)
class EndedRun:
    """One run that has ended. `done`: the assets (or the job, where it has none) that it made; `failed`: those that it
    was to make and did not, or that a blocking check refused; empty where it succeeded."""

    run_id: str
    layer: str
    partition: str
    ended: datetime
    done: frozenset[str]
    failed: frozenset[str] = frozenset()
    why: str = ""
    refused: bool = False  # by a check
    refused_before: bool = False  # by a check of the layer before, which is an incident of its own


@dataclass(frozen=True)
class Failure:
    """A failed run, and which of its assets nobody has made since."""

    run_id: str
    layer: str
    partition: str
    ended: datetime
    missing: frozenset[str]
    why: str
    refused: bool

    @property
    def key(self) -> tuple[str, str]:
        return self.layer, self.partition


def still_failed(known: Iterable[Failure], ended: Iterable[EndedRun]) -> list[Failure]:
    """The failures that matter after these runs. Runs that were counted before may come again, if all later ones do."""
    failures = {failure.key: failure for failure in known}
    for run in sorted(ended, key=lambda run: run.ended):
        for key, failure in list(failures.items()):
            if failure.partition == run.partition:
                failures[key] = replace(failure, missing=failure.missing - run.done)
        failures = {key: failure for key, failure in failures.items() if failure.missing}
        if run.failed and not run.refused_before:
            failures[run.layer, run.partition] = _failure(run, failures)
    return list(failures.values())


def _failure(run: EndedRun, known: Mapping[tuple[str, str], Failure]) -> Failure:
    before = known.get((run.layer, run.partition))
    missing = run.failed | (before.missing if before else frozenset())
    return Failure(run.run_id, run.layer, run.partition, run.ended, missing, run.why, run.refused)


def incidents(failures: Iterable[Failure], page: str) -> list[Incident]:
    """Every failure that nothing in the lake tells of. `page`: the address of Dagster's."""
    return [
        Incident(
            Kind.CHECK_FAILED if failure.refused else Kind.RUN_FAILED,
            failure.layer,
            failure.partition,
            failure.why,
            next_step(failure.layer, failure.partition, run_page(page, failure.run_id)),
            site_of(failure.partition),
            tuple(sorted(a.removeprefix(inside) for a in failure.missing if a.startswith(inside))),
            run_page(page, failure.run_id),
        )
        for failure in failures
        for inside in [f"{failure.layer}/"]
        if not (failure.refused and failure.layer in JUDGED_IN_THE_LAKE)
    ]


def run_page(page: str, run_id: str) -> str:
    return f"{page.rstrip('/')}/runs/{run_id}"
