"""What a person gets of each kind of incident, read at the other end of a webhook: once, and once when it is over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from so_lakehouse.alerts.runs import EndedRun
from so_lakehouse.api.budget import WINDOWS, Budget
from so_lakehouse.api.reply import Reply
from so_lakehouse.clock import Clock
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse_tests.days_in_silver import fetch, take_in
from so_lakehouse_tests.pipeline.alert_team import NOON, QUIET_MINUTES, Team, team_at

NOTHING = "0 incidents are open; 0 messages were sent, 0 wait."


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    with team_at(tmp_path) as made:
        yield made


def test_a_failed_run_is_one_message_whose_bytes_say_what_where_why_and_the_next_step(team):
    team.fail()
    for minutes in range(3):
        team.look(minutes)
    (body,) = team.receiver.bodies
    told = json.loads(body)
    assert (told["title"], told["type"]) == ("so_lakehouse: run failed · warehouse · beer", "failure")
    assert told["message"] == (
        "What: run failed\n"
        "Where: warehouse beer; site beer; tables posts; run http://127.0.0.1:3000/runs/run beer 0\n"
        "Why: The disk is full. Free some.\n"
        "Next: so-lakehouse run --site beer"
    )


def test_a_blocking_check_that_failed_in_the_lake_is_told_and_over_when_the_dump_was_read_anew(team):
    team.refuse()
    for minutes in range(3):
        team.look(minutes)
    team.refuse(passed=True)
    for minutes in (3, 4, 3 + QUIET_MINUTES, 30):
        team.look(minutes)
    first, last = team.receiver.messages
    assert first["title"] == "so_lakehouse: blocking check failed · bronze/dump · 2016-10-01|beer"
    assert "Why: rows_conserved: posts of beer: 2 rows are missing. Report it.\n" in first["message"]
    assert last["title"] == "so_lakehouse: over: blocking check failed · bronze/dump · 2016-10-01|beer"
    assert last["type"] == "success"
    assert "When: from 2026-01-06 12:00 to 2026-01-06 12:03 UTC" in last["message"]
    assert team.look(40) == NOTHING


def test_pages_that_were_refused_are_told_until_bronze_holds_them_otherwise(team):
    def pages(passed: bool) -> None:
        check = CheckOutcome("items_conserved", passed, True, "told")
        PagesManifest("beer", "2026-01-05", "users", "v", 1, 0, "2026-01-06T00:05:00+00:00", checks=(check,)).save(
            team.lake
        )

    pages(False)
    failed, why = frozenset({"bronze/api/users"}), "bronze/api/users · items_conserved: 3 items are missing."
    team.runs = [EndedRun("1a", "bronze/api", "2026-01-05|beer", NOON, frozenset(), failed, why, refused=True)]
    team.look()
    (told,) = team.receiver.messages
    assert told["title"] == "so_lakehouse: blocking check failed · bronze/api · 2026-01-05|beer"
    assert f"tables users; run http://127.0.0.1:3000/runs/1a\nWhy: {why}\n" in told["message"]
    team.look(30)
    assert len(team.receiver.bodies) == 1
    pages(True)
    for minutes in (31, 31 + QUIET_MINUTES):
        team.look(minutes)
    assert team.receiver.titles[1:] == ["so_lakehouse: over: blocking check failed · bronze/api · 2026-01-05|beer"]


def test_a_site_that_is_late_is_told_and_over_when_the_day_is_in_silver(team):
    for day in ("2026-01-03", "2026-01-04"):
        fetch(team.lake, "beer", day)
        take_in(team.lake, team.settings, "beer", day)
    fetch(team.lake, "beer", "2026-01-05")
    on_time, late = (replace(team.settings, now=f"2026-01-06T{hour}:00:00") for hour in ("01", "03"))
    team.settings = on_time
    team.look()
    assert team.receiver.bodies == []
    team.settings = late
    team.look(1)
    team.look(2)
    take_in(team.lake, team.settings, "beer", "2026-01-05")
    team.look(3)
    team.look(3 + QUIET_MINUTES)
    first, last = team.receiver.messages
    assert first["title"] == "so_lakehouse: site late · silver · beer"
    assert "Next: so-lakehouse run --site beer --days-since 2026-01-05" in first["message"]
    assert last["title"] == "so_lakehouse: over: site late · silver · beer"


def test_a_quota_that_is_used_up_is_told_and_over_when_its_next_day_begins(team):
    budget = Budget.of(team.settings, Clock())
    budget.settle("questions", Reply(quota_remaining=9, quota_max=300))
    team.look()
    team.look(1)
    budget.settle("questions", Reply(quota_remaining=299, quota_max=300))
    team.look(2)
    team.look(2 + QUIET_MINUTES)
    first, last = team.receiver.messages
    assert first["title"] == "so_lakehouse: API quota gone · raw/api"
    assert "Why: The API's quota is used up: 9 of 300 requests left; 5 % are left to others" in first["message"]
    assert "set LAKEHOUSE_API_KEY" in first["message"]
    assert last["title"] == "so_lakehouse: over: API quota gone · raw/api"


def test_looking_makes_no_budget_and_a_quota_that_nobody_told_is_not_used_up(team):
    team.look()
    assert not team.settings.api_budget.exists()
    budget = Budget.of(team.settings, Clock())
    assert budget.pause(WINDOWS) is None
    budget.admit("questions", "q", WINDOWS)
    assert budget.pause(WINDOWS) is None


def test_a_throttle_of_minutes_is_no_quota_that_is_gone(team):
    Budget.of(team.settings, Clock()).hold_all(200)
    team.look()
    team.look(1)
    assert team.receiver.messages == []


def test_two_sites_are_two_messages_and_one_of_them_ends(team):
    team.fail("ai")
    team.fail("beer")
    team.look()
    team.runs.append(EndedRun("mends", "warehouse", "ai", NOON, frozenset({"warehouse/posts"})))
    for minutes in (1, 1 + QUIET_MINUTES, 30):
        team.look(minutes)
    first = [f"so_lakehouse: run failed · warehouse · {site}" for site in ("ai", "beer")]
    assert team.receiver.titles == [*first, "so_lakehouse: over: run failed · warehouse · ai"]


def test_a_prediction_that_was_wrong_is_told_and_over_when_the_next_dump_is_as_predicted(team):
    team.reconcile("2016-10-01", present=97)
    for minutes in range(3):
        team.look(minutes)
    team.reconcile("2017-01-01", present=100)
    for minutes in (3, 3 + QUIET_MINUTES, 30):
        team.look(minutes)
    first, last = team.receiver.messages
    assert first["title"] == "so_lakehouse: reconciliation broken · reconciliation/dumps · beer"
    assert "Why: posts_present: beer" in first["message"]
    assert "97.00% of 100 predicted posts" in first["message"]
    assert "Next: Look at the marts reconciliation" in first["message"]
    assert last["title"] == "so_lakehouse: over: reconciliation broken · reconciliation/dumps · beer"
