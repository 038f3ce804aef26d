"""Days of the API: closed days that raw lacks a part of, and pages that bronze has not read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from so_lakehouse.api.budget import WINDOWS, Budget
from so_lakehouse.api.days import DAYS_BACK, days_since
from so_lakehouse.api.due import DayState, days_of
from so_lakehouse.api.fetch import api_parameter
from so_lakehouse.api.source import not_served
from so_lakehouse.automation.answer import Answer, Request, Runs, attempt, version_of
from so_lakehouse.clock import Clock
from so_lakehouse.dumps.sites import find
from so_lakehouse.errors import BadInput
from so_lakehouse.lake import paths
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.settings import Settings

# Of this step, so many runs are queued at most. The first look at many sites would queue thousands.
MOST_RUNS = 30


def newest_days(settings: Settings, clock: Clock) -> list[str]:
    """The closed days that are asked for by themselves, the newest first."""
    return list(days_since(settings.api_start, clock.now(), settings))[: -DAYS_BACK - 1 : -1]


def older_days(lake: Lake, newer: Sequence[str], after: str) -> list[str]:
    """The next days with pages, older than those and later than `after`, and then from the oldest on again. A look
    takes some at a time, so that pages that somebody fetched of an old day are read too."""
    days = {folder.rpartition("day=")[2] for entity in ENTITIES for folder in lake.list(paths.raw_api(entity))}
    older = sorted(day for day in days if day not in newer)
    return [*(day for day in older if day > after), *(day for day in older if day <= after)][:DAYS_BACK]


def folders(days: Iterable[str]) -> list[str]:
    """What a look at these days reads of the lake."""
    raw = [f"{paths.raw_api(entity)}/day={day}" for day in days for entity in ENTITIES]
    return [*raw, paths.BRONZE_API_INDEX, paths.SILVER_GATES]


def due(
    lake: Lake,
    sites: Sequence[str],
    newest: Sequence[str],
    older: Sequence[str],
    settings: Settings,
    runs: Runs,
    clock: Clock,
) -> Answer:
    """What to fetch of the `newest` days, and what to read of these and of the `older` ones.

    Days that are here in part come first, then every site's newest, then the others site by site. A day that failed is
    tried again after a while, or when a part of it has come.
    """
    may_ask, notes = _may_ask(sites, settings)
    known = {site: days_of(lake, site, [*newest, *older]) for site in sites}
    lacking = {(site, day) for site in may_ask for day in known[site] if day.day in newest and not day.is_whole}
    if lacking and (pause := Budget.of(settings, clock).pause(WINDOWS)):
        notes.append(f"Days that wait: {len(lacking)}. {pause}")
        lacking.clear()
    number = attempt(clock.now(), settings)
    fetching = [_fetch(site, day, number) for site, day in lacking]
    # What a day that was asked for in vain has of other methods, or of hours before, is read meanwhile.
    to_come = {request.partition for request in fetching if not runs.tried(request.key)}
    unread = [
        (site, day) for site in sites for day in known[site] if not day.is_read and (site, day.day) not in to_come
    ]
    reading = [_read(site, day) for site, day in unread]
    requests = sorted([*fetching, *reading], key=lambda request: request.partition[1], reverse=True)
    begun = {(site, day.day) for site, day in lacking if day.version}

    def place(request: Request) -> tuple[bool, bool, str]:
        site, day = request.partition
        return request.partition not in begun, day != max(newest, default=""), site

    requests.sort(key=place)
    queued = sum("raw api" in run.layers or "bronze api" in run.layers for run in runs.going_on)
    return runs.answer(requests, notes, max(MOST_RUNS - queued, 0))


def _may_ask(sites: Sequence[str], settings: Settings) -> tuple[list[str], list[str]]:
    """The sites whose days are asked for by themselves, and why others are not."""
    if settings.asks_the_public_api and not settings.api_key:
        return [], [
            "Nothing is asked of the API: without LAKEHOUSE_API_KEY its 300 requests a day belong to everybody behind "
            "this machine's address. Set a key, or ask yourself: so-lakehouse run --site … --days-since …"
        ]
    found, notes = [], []
    for site in sites:
        if refusal := not_served(site, settings):
            notes.append(refusal)
            continue
        try:
            api_parameter(site)
        except BadInput as error:
            notes.append(f"{site}: {error}")
            continue
        if settings.asks_the_public_api and not find(site).known:
            notes.append(f"{site}: not a site that the API is known to serve. so-lakehouse run --site {site} asks it.")
            continue
        found.append(site)
    return found, notes


def _fetch(site: str, day: DayState, number: int) -> Request:
    version = version_of(day.version, number)
    return Request(("raw api", "bronze api"), (site, day.day), version, "the day has closed and is not here whole.")


def _read(site: str, day: DayState) -> Request:
    return Request(("bronze api",), (site, day.day), version_of(day.version), "its pages are not read.")
