"""Days of the API that start by themselves, case by case: what the sensors ask for without a daemon.

The runs of the lakehouse are played.
"""

from __future__ import annotations

import dagster as dg

from so_lakehouse.lake import paths
from so_lakehouse_tests.defs.automation_world import FOLLOWS, at_rest


def test_a_day_that_closes_is_fetched_and_goes_all_the_way(lakehouse, monkeypatch):
    at_rest(lakehouse)
    monkeypatch.setenv("LAKEHOUSE_NOW", "2026-01-02T00:00:30")
    assert lakehouse.look() == [], "the API may answer from its cache for a minute"
    monkeypatch.setenv("LAKEHOUSE_NOW", "2026-01-02T00:02:00")
    assert lakehouse.wave() == [
        ("raw api+bronze api", "ai", "2026-01-01"),
        ("raw api+bronze api", "beer", "2026-01-01"),
        (FOLLOWS, "ai"),
        (FOLLOWS, "beer"),
        ("marts",),
    ]


def test_after_two_weeks_asleep_the_newest_day_comes_first_and_no_site_converges_per_day(lakehouse, monkeypatch):
    at_rest(lakehouse)
    monkeypatch.setenv("LAKEHOUSE_NOW", "2026-02-01T06:00:00")
    days = [asked for asked in lakehouse.look("fetch_days") if asked[1] == "beer"]
    assert [day for _, _, day in days] == [f"2026-01-{number}" for number in range(31, 17, -1)]
    asked = lakehouse.wave()
    assert asked[:2] == [("raw api+bronze api", site, "2026-01-31") for site in ("ai", "beer")]
    assert asked[28:] == [
        (FOLLOWS, "ai"),
        (FOLLOWS, "beer"),
        ("marts",),
    ]


def test_a_late_day_and_a_day_of_long_ago_that_somebody_fetched_are_read_and_taken_in(lakehouse, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_NOW", "2026-03-01T06:00:00")
    at_rest(lakehouse)
    lakehouse.fetch("beer", "2026-01-03")
    assert lakehouse.wave() == [
        ("bronze api", "beer", "2026-01-03"),
        (FOLLOWS, "beer"),
        ("marts",),
    ]


def test_a_backfill_of_old_days_is_read_once_and_taken_in_look_by_look_not_day_by_day(lakehouse, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_NOW", "2026-03-01T06:00:00")
    at_rest(lakehouse)
    january = [f"2026-01-{number:02}" for number in range(1, 32)]
    for day in january:
        lakehouse.fetch("beer", day)
    asked = lakehouse.wave()
    assert sorted(one for one in asked if one[0] == "bronze api") == [("bronze api", "beer", day) for day in january]
    assert {one for one in asked if one[0] != "bronze api"} == {(FOLLOWS, "beer"), ("marts",)}
    assert asked.count((FOLLOWS, "beer")) <= 3, "a look takes 14 old days"
    assert asked[-1] == ("marts",)
    assert lakehouse.look() == []


def test_a_day_that_is_here_in_part_is_asked_for_again_and_a_day_without_progress_only_tomorrow(lakehouse, monkeypatch):
    at_rest(lakehouse)
    monkeypatch.setenv("LAKEHOUSE_NOW", "2026-01-02T06:00:00")
    monkeypatch.setenv("LAKEHOUSE_SITES", "beer")
    requests = [request for _, request in lakehouse._requests(("fetch_days",))]
    for request in requests:
        lakehouse.record(request, dg.DagsterRunStatus.FAILURE)
    assert lakehouse.look("fetch_days") == []
    assert "FAILURE" in lakehouse.told["fetch_days"]
    lakehouse.fetch("beer", "2026-01-01", whole=False)
    assert lakehouse.look("fetch_days") == [("raw api+bronze api", "beer", "2026-01-01")]
    monkeypatch.setenv("LAKEHOUSE_NOW", "2026-01-03T06:00:00")
    assert ("raw api+bronze api", "ai", "2026-01-01") in lakehouse.look("fetch_days")


def test_what_came_of_a_day_that_was_asked_for_in_vain_is_read_meanwhile(lakehouse, monkeypatch):
    at_rest(lakehouse)
    monkeypatch.setenv("LAKEHOUSE_NOW", "2026-01-02T06:00:00")
    monkeypatch.setenv("LAKEHOUSE_SITES", "beer")
    lakehouse.fetch("beer", "2026-01-01", whole=False)
    [(asked, request)] = [one for one in lakehouse._requests(("fetch_days",)) if one[0][1] == "beer"]
    assert asked == ("raw api+bronze api", "beer", "2026-01-01")
    lakehouse.record(request, dg.DagsterRunStatus.SUCCESS)
    assert ("bronze api", "beer", "2026-01-01") in lakehouse.look("fetch_days")
    lakehouse.read_pages("beer", "2026-01-01")
    assert [one for one in lakehouse.look("fetch_days") if one[1] == "beer"] == []


def test_days_that_are_here_in_part_come_first_then_the_newest_of_every_site(lakehouse, monkeypatch):
    at_rest(lakehouse)
    monkeypatch.setenv("LAKEHOUSE_NOW", "2026-01-03T06:00:00")
    lakehouse.fetch("beer", "2026-01-01", whole=False)
    asked = [(site, day) for _, site, day in lakehouse.look("fetch_days")]
    assert asked == [("beer", "2026-01-01"), ("ai", "2026-01-02"), ("beer", "2026-01-02"), ("ai", "2026-01-01")]


def test_without_a_key_nothing_is_asked_of_the_public_api_and_fetched_pages_are_still_read(lakehouse, monkeypatch):
    at_rest(lakehouse)
    monkeypatch.setenv("LAKEHOUSE_API", "")
    monkeypatch.setenv("LAKEHOUSE_NOW", "2026-01-03T06:00:00")
    assert lakehouse.look("fetch_days") == []
    assert "LAKEHOUSE_API_KEY" in lakehouse.told["fetch_days"]
    lakehouse.fetch("beer", "2026-01-01", whole=False)
    assert lakehouse.look("fetch_days") == [("bronze api", "beer", "2026-01-01")]


def test_a_page_index_that_a_killed_run_left_behind_is_put_right_by_reading_the_day_again(lakehouse):
    at_rest(lakehouse)
    lakehouse.fetch("beer", "2026-01-01")
    lakehouse.read_pages("beer", "2026-01-01")
    lakehouse.lake.delete(paths.bronze_api_index("beer"))
    assert ("bronze api", "beer", "2026-01-01") in lakehouse.look("fetch_days")
