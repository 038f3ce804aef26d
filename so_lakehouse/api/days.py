"""Days: which may be asked for, and their bounds in seconds. All in UTC.

A day is asked for after it has closed, so that its window is the same whenever it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from so_lakehouse.errors import BadInput
from so_lakehouse.lake import paths
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.settings.reading import is_day

# The API may answer from a cache for a minute.
CLOSING = timedelta(minutes=1)
# So many of the newest closed days are asked for by themselves: a laptop that slept for two weeks loses none.
DAYS_BACK = 14


def bounds(day: str) -> tuple[int, int]:
    """First and last second of a day, since 1970."""
    midnight = int(datetime.combine(date.fromisoformat(day), time(), UTC).timestamp())
    return midnight, midnight + 86_399


def newest_closed(now: datetime) -> str:
    """The newest day that has closed."""
    return (now - CLOSING - timedelta(days=1)).date().isoformat()


def days_since(first: str, now: datetime, settings: Settings) -> Iterator[str]:
    """The closed days from `first` on, oldest first; none before `LAKEHOUSE_API_START`."""
    day = max(date.fromisoformat(first), date.fromisoformat(settings.api_start))
    while day.isoformat() <= newest_closed(now):
        yield day.isoformat()
        day += timedelta(days=1)


def require_day(day: str, now: datetime, settings: Settings) -> None:
    """Raises `BadInput` for what is no day, has not closed, or lies before the first day that is asked for."""
    if not is_day(day):
        raise BadInput(f"{day!r} is no day; write it as 2026-01-05.")
    if day > newest_closed(now):
        raise BadInput(
            f"{day} has not closed yet: it is {now:%Y-%m-%d %H:%M} UTC. The newest day to ask for is "
            f"{newest_closed(now)}."
        )
    if day < settings.api_start:
        raise BadInput(
            f"{day} lies before {settings.api_start}, the first day that is asked of the API (LAKEHOUSE_API_START). "
            "What is older comes from dumps."
        )


def asked_from(lake: Lake) -> str:
    """The first day that may be asked for in this lake; empty before the first ask."""
    try:
        return lake.read_json(paths.raw_api_grid())["start"]
    except FileNotFoundError:
        return ""


def require_same_start(lake: Lake, settings: Settings) -> None:
    """Raises `BadInput` where this lake's days began with another start: its partitions would no longer be these."""
    start = asked_from(lake)
    if not start:
        lake.write_json(paths.raw_api_grid(), {"start": settings.api_start})
    elif start != settings.api_start:
        raise BadInput(
            f"The days of this lake begin at {start}, and LAKEHOUSE_API_START is {settings.api_start}. It must not "
            "change once it is used: set it back."
        )
