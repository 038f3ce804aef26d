"""The clock that closes days: set to a moment, for one process or for all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from so_lakehouse.clock import Clock
from so_lakehouse.errors import BadInput

A_SECOND = timedelta(seconds=1)


def test_a_moment_begins_when_the_clock_is_made():
    assert abs(Clock("2026-01-01T23:58:00").now() - datetime(2026, 1, 1, 23, 58, tzinfo=UTC)) < A_SECOND


def test_a_moment_as_of_the_machines_clock_is_the_same_for_whoever_looks_later():
    ten_minutes_ago = datetime.now(UTC) - timedelta(minutes=10)
    now = Clock(f"2026-01-01T23:58:00@{ten_minutes_ago.isoformat()}").now()
    assert abs(now - datetime(2026, 1, 2, 0, 8, tzinfo=UTC)) < A_SECOND


@pytest.mark.parametrize("text", ["yesterday", "2026-01-01@yesterday"])
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(BadInput, match="LAKEHOUSE_NOW is 'yesterday'"):
        Clock(text)
