"""What is wrong now: every source of incidents is asked, and one that does not answer hides none of the others'.

A further source is one function that returns incidents and one line in `sources`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from so_lakehouse.alerts import checks
from so_lakehouse.alerts.incident import Incident, Kind
from so_lakehouse.alerts.runs import Failure, incidents, run_page
from so_lakehouse.api.budget import WINDOWS, Budget
from so_lakehouse.api.current import Standing, standings
from so_lakehouse.api.source import late_after
from so_lakehouse.clock import Clock
from so_lakehouse.lake.reconciliation import of_all_sites
from so_lakehouse.lake.storage import Lake
from so_lakehouse.quality import freshness
from so_lakehouse.quality.reconciliation import is_error
from so_lakehouse.settings import Settings


@dataclass(frozen=True)
class Source:
    """`look` returns the incidents of these kinds; what it raises is told, and ends none of them."""

    kinds: tuple[Kind, ...]
    look: Callable[[], Sequence[Incident]]


@dataclass(frozen=True)
class Seen:
    """What was found, which kinds could not be looked for, and why not."""

    found: tuple[Incident, ...]
    not_looked_for: frozenset[Kind]
    troubles: tuple[Exception, ...]


def sources(settings: Settings, clock: Clock, failures: Sequence[Failure]) -> dict[str, Source]:
    """All that is watched, by name. `failures`: the failed runs that still matter."""
    page, lake = settings.dagster_page, partial(Lake.of, settings)  # a lake that is away must not hide a failed run
    runs = {failure.key: run_page(page, failure.run_id) for failure in failures}
    pages = [failure for failure in failures if failure.refused and failure.layer == checks.PAGES]
    others = [failure for failure in failures if failure not in pages]
    return {
        "runs": Source((Kind.RUN_FAILED, Kind.CHECK_FAILED), lambda: incidents(others, page)),
        "pages": Source((Kind.CHECK_FAILED,), lambda: incidents(_held(lake(), pages), page)),
        "checks": Source((Kind.CHECK_FAILED,), lambda: checks.failed_checks(lake(), runs)),
        "freshness": Source((Kind.SITE_LATE,), lambda: late_sites(standings(lake()), clock.now(), settings)),
        "reconciliation": Source((Kind.RECONCILIATION_BROKEN,), lambda: broken_predictions(lake())),
        "quota": Source((Kind.QUOTA_GONE,), lambda: quota_gone(Budget.of(settings, clock), settings)),
    }


def look(watched: Mapping[str, Source]) -> Seen:
    """Asks every source. Whatever one raises is handed back, for the caller to raise once people have been told."""
    found: list[Incident] = []
    unseen: set[Kind] = set()
    troubles: list[Exception] = []
    for source in watched.values():
        try:
            found += source.look()
        except Exception as error:  # noqa: BLE001 - the caller raises it; a defect must not silence the rest
            unseen.update(source.kinds)
            troubles.append(error)
    return Seen(tuple(found), frozenset(unseen), tuple(troubles))


def _held(lake: Lake, refused: Sequence[Failure]) -> list[Failure]:
    """Those of pages that bronze still holds so: maintenance removes what a later dump has overtaken."""
    return [failure for failure in refused if checks.pages_refused(lake, failure.partition)]


def late_sites(known: Sequence[Standing], now: datetime, settings: Settings) -> list[Incident]:
    """Sites whose check `site_current` fails."""
    judged = [(standing, freshness.outcome(standing, now, late_after(standing.site, settings))) for standing in known]
    return [
        Incident(
            Kind.SITE_LATE, "silver", standing.site, said.detail, _catch_up(standing, now, settings), standing.site
        )
        for standing, said in judged
        if not said.passed
    ]


def _catch_up(standing: Standing, now: datetime, settings: Settings) -> str:
    missing_from = freshness.gap(standing, now)
    if missing_from is None and standing.whole_to:
        missing_from = (standing.whole_to + timedelta(microseconds=1)).date()
    first = max(missing_from.isoformat() if missing_from else "", settings.api_start)
    return f"so-lakehouse run --site {standing.site} --days-since {first}"


def quota_gone(budget: Budget, settings: Settings) -> list[Incident]:
    """That the API may not be asked any more before its quota's next day."""
    used_up = budget.pause(WINDOWS)
    if used_up is None:
        return []
    then = "Nothing needs to be done: days that wait are asked for when the quota's next day begins."
    if not settings.api_key:
        then += " With a key there are 10,000 requests a day instead of 300: set LAKEHOUSE_API_KEY."
    return [Incident(Kind.QUOTA_GONE, "raw/api", "", str(used_up), then)]


def broken_predictions(lake: Lake) -> list[Incident]:
    """Sites whose newest dump was not what pages had predicted, although every day had been asked for."""
    newest = {found.site: found for found in of_all_sites(lake)}
    return [
        Incident(
            Kind.RECONCILIATION_BROKEN,
            "reconciliation/dumps",
            site,
            f"{outcome.name}: {outcome.detail}",
            "Look at the marts reconciliation and reconciliation_column; docs/reconciliation.md says what each number "
            "means. Nothing is stopped: silver holds the dump.",
            site,
        )
        for site, found in newest.items()
        for outcome in found.checks
        if is_error(outcome)
    ]
