"""The time that days close by: the machine's, or one that begins at `LAKEHOUSE_NOW` and runs on from there.

`2026-01-01T23:58:00` begins anew in each process. `2026-01-01T23:58:00@2026-11-30T09:00:00` was that moment when the
machine's clock stood at the second one, so that one simulated day passes in all processes alike.

Belongs here: now, waiting, and reading moments. Only what depends on the date of a simulated or real API asks this
clock.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from so_lakehouse.errors import BadInput


class Clock:
    """`start`: as `LAKEHOUSE_NOW` (moments are ISO, UTC where they say nothing else); empty: the machine's."""

    def __init__(self, start: str = "") -> None:
        self._ahead = timedelta(0)
        if start:
            moment, _, since = start.partition("@")
            self._ahead = _moment(moment) - (_moment(since) if since else datetime.now(UTC))

    def now(self) -> datetime:
        """UTC, aware."""
        return datetime.now(UTC) + self._ahead

    def sleep(self, seconds: float) -> None:
        time.sleep(max(seconds, 0.0))

    def monotonic(self) -> float:
        """Seconds that no change of the machine's date moves."""
        return time.monotonic()


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"LAKEHOUSE_NOW is {text!r}; write a moment as 2026-01-05T06:00:00.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def saved_moment(text: str | None) -> datetime | None:
    """A moment as files keep it, ISO; None where none was saved."""
    return datetime.fromisoformat(text) if text else None
