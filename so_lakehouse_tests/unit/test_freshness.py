"""A site is late to the second: where days of it are asked for, and 26 hours after the newest that silver holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from so_lakehouse.alerts.incident import Kind
from so_lakehouse.alerts.watch import late_sites
from so_lakehouse.api.current import Standing
from so_lakehouse.clock import Clock
from so_lakehouse.quality.freshness import outcome
from so_lakehouse.settings import Settings

# The newest day is 2026-01-05: it ended at midnight, and the next one must be here by two o'clock of the day after it.
END = datetime(2026, 1, 6, tzinfo=UTC)
BEER = Standing("beer", whole_to=END, asked_since=END - timedelta(days=30))
SECOND = timedelta(seconds=1)
LIMIT = END + timedelta(hours=26)


@pytest.mark.parametrize(("now", "passed"), [(LIMIT, True), (LIMIT + SECOND, False), (LIMIT - SECOND, True)])
def test_the_edge_is_26_hours_after_the_end_of_the_newest_day(now, passed):
    assert outcome(BEER, now, 26).passed is passed


@pytest.mark.parametrize(("start", "late"), [("2026-01-07T01:59:00", []), ("2026-01-07T02:00:01", ["beer"])])
def test_the_clock_is_a_setting(start, late):
    settings = Settings(now=start)
    assert [incident.site for incident in late_sites([BEER], Clock(settings.now).now(), settings)] == late


def test_the_limit_is_a_setting_and_none_is_never():
    now = END + timedelta(hours=50)
    assert outcome(BEER, now, 50).passed
    assert not outcome(BEER, now, 49).passed
    assert outcome(BEER, now, 0).passed


def test_a_site_of_which_no_days_are_asked_is_never_late():
    said = outcome(replace(BEER, asked_since=None), END + timedelta(days=400), 26)
    assert said.passed
    assert "no days of it are asked for" in said.detail


def test_a_site_that_is_asked_for_the_first_time_has_as_long_as_any_day():
    begun = END + timedelta(days=90)
    site = Standing("beer", whole_to=END, asked_since=begun)
    assert outcome(site, begun + timedelta(hours=26), 26).passed
    assert not outcome(site, begun + timedelta(hours=26) + SECOND, 26).passed


def test_a_site_that_never_came_to_silver_is_late_too():
    site = Standing("beer", whole_to=None, asked_since=END)
    said = outcome(site, END + timedelta(hours=27), 26)
    assert not said.passed
    assert "reaches to nowhere" in said.detail


@pytest.mark.parametrize(("days", "passed"), [(0, True), (14, True), (16, False), (90, False)])
def test_a_day_that_is_missing_and_too_old_to_be_asked_for_by_itself_is_told(days, passed):
    """A younger one comes with the next look."""
    site = replace(BEER, without_gap_to=END - timedelta(days=days, microseconds=1))
    said = outcome(site, END + timedelta(hours=3), 26)
    assert said.passed is passed
    if not passed:
        missing = (END - timedelta(days=days)).date().isoformat()
        assert f"{missing} is missing" in said.detail
        (incident,) = late_sites([site], END + timedelta(hours=3), Settings(api_start="2025-01-01"))
        assert incident.next_step == f"so-lakehouse run --site beer --days-since {missing}"


def test_who_is_late_is_told_with_reason_and_the_command_that_asks_for_what_is_missing():
    others = [Standing("ai", END + timedelta(days=1), END), replace(BEER, site="dba", asked_since=None)]
    (incident,) = late_sites([BEER, *others], LIMIT + SECOND, Settings())
    assert (incident.kind, incident.layer, incident.partition) == (Kind.SITE_LATE, "silver", "beer")
    assert incident.why == outcome(BEER, LIMIT + SECOND, 26).detail
    assert "2026-01-06 00:00 UTC, which is 26 hours ago" in incident.why
    assert incident.next_step == "so-lakehouse run --site beer --days-since 2026-01-06"


def test_after_a_dump_the_day_after_its_cut_is_asked_for_first_but_none_before_the_first_day_of_all():
    cut = Standing("beer", datetime(2026, 3, 31, 23, 59, 59, 999_999, UTC), END)
    old = Standing("dba", datetime(2025, 3, 31, 23, 59, 59, 999_999, UTC), END)
    steps = [incident.next_step for incident in late_sites([cut, old], LIMIT + timedelta(days=200), Settings())]
    assert [step.rpartition(" ")[2] for step in steps] == ["2026-04-01", "2026-01-01"]
