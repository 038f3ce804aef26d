"""The engagement shock: from one day on people ask, answer and comment less, by a known share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Shock:
    """`drops` are shares of the rate that go, by kind of event (`community.Event.name`); what it does not name stays.

    Within `ramp_days` from `start` on a drop grows evenly to its size; with none it is whole on its first day.
    """

    start: date
    drops: Mapping[str, float]
    ramp_days: int = 0

    def factor(self, kind: str, day: date) -> float:
        """By what a day's rate of such events is multiplied."""
        since = (day - self.start).days
        if since < 0:
            return 1.0
        reached = 1.0 if since >= self.ramp_days else (since + 1) / (self.ramp_days + 1)
        return 1 - reached * self.drops.get(kind, 0.0)
