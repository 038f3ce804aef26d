"""Adoption: how large a share of the questions of those who could use a tool carry its tag, month by month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import exp


@dataclass(frozen=True)
class Turn:
    """A logistic change: half of it is done in the month of `middle`, 73 % `months` later."""

    middle: date
    months: float

    def done(self, day: date) -> float:
        """The share of the change that is done in the day's month, from 0 to 1."""
        passed = (day.year - self.middle.year) * 12 + day.month - self.middle.month
        return 1 / (1 + exp(-passed / self.months))


@dataclass(frozen=True)
class Curve:
    """From `floor` towards `ceiling` and back: risen by `rise` (None: before anybody asked), fallen by `fall`."""

    ceiling: float
    floor: float = 0.0
    rise: Turn | None = None
    fall: Turn | None = None

    def share(self, day: date) -> float:
        """The chance that a question of somebody who could use the tool carries its tag; the same all month."""
        risen = self.rise.done(day) if self.rise else 1.0
        fallen = self.fall.done(day) if self.fall else 0.0
        return self.floor + (self.ceiling - self.floor) * risen * (1 - fallen)
