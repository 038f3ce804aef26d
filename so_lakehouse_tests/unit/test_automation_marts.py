"""When the marts are built: once per wave of loads, and not for ever later."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from so_lakehouse.automation.answer import Run, Runs
from so_lakehouse.automation.marts import due
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse.standing import Standing

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SETTINGS = Settings()
LOADED = {"beer": {"posts": ("posts@1", "projection")}}
CHANGED = Standing(LOADED, "loads project", is_published=False, changed_at=NOW - timedelta(minutes=10))
READING = Run(frozenset({"raw", "bronze"}), ("ai", "2025-10-01"))


def asked(standing: Standing | None, runs: Runs) -> bool:
    return bool(due(standing, SETTINGS, runs, NOW).requests)


@pytest.mark.parametrize("standing", [None, replace(CHANGED, loads={}), replace(CHANGED, is_published=True)])
def test_without_a_change_there_is_nothing_to_build(standing):
    assert due(standing, SETTINGS, Runs(), NOW).requests == ()


@pytest.mark.parametrize(
    ("runs", "is_asked"),
    [
        (Runs(), True),
        (Runs((READING,)), False),
        (Runs(seconds_quiet=299), False),
        (Runs(seconds_quiet=300), True),
        (Runs((Run(frozenset({"maintenance"}), ("beer",)),)), True),
        (Runs((Run(frozenset({"marts"}), ()),)), False),
    ],
)
def test_they_wait_until_what_feeds_them_has_been_quiet_for_five_minutes(runs, is_asked):
    assert asked(CHANGED, runs) == is_asked


def test_an_hour_after_the_first_change_they_wait_no_longer():
    busy = Runs((READING,), seconds_quiet=0)
    assert not asked(replace(CHANGED, changed_at=NOW - timedelta(minutes=59)), busy)
    assert asked(replace(CHANGED, changed_at=NOW - timedelta(minutes=60)), busy)


def test_another_project_alone_is_a_change_that_waits_for_quiet():
    assert asked(replace(CHANGED, changed_at=None), Runs())
    assert not asked(replace(CHANGED, changed_at=None), Runs((READING,)))


def test_a_build_that_failed_is_not_begun_again_before_something_has_changed():
    tried = Runs(tried=lambda key: "run 1, FAILURE" if key.endswith("loads project") else "")
    assert not asked(CHANGED, tried)
    assert asked(replace(CHANGED, made_of="loads other-project"), tried)
