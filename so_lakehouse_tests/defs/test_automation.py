"""What starts by itself, case by case: the four sensors on a lakehouse whose runs are played, without a daemon."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime

import dagster as dg
import pytest

from so_lakehouse.dumps.releases import quarter_of
from so_lakehouse.errors import BadInput
from so_lakehouse.lake import gates, paths
from so_lakehouse.runner import PROCESS_TAG, RUN_TAG, _process
from so_lakehouse_tests.defs.automation_world import World, world

Q3, Q4 = "2025-07-01", "2025-10-01"
NEWEST_DAY = "2025-12-31"


@pytest.fixture
def lakehouse(warehouse, monkeypatch):
    """Two releases are out, and everything that starts by itself has come to rest; no day has closed yet."""
    with world(warehouse, monkeypatch) as made:
        made.publish_release("2025-09-30", "2025-09-30", "ai", "beer")
        made.publish_release("2025-12-31", "2025-12-31", "ai", "beer")
        yield made


def at_rest(lakehouse: World) -> World:
    lakehouse.wave()
    lakehouse.ask_mirror_again()
    return lakehouse


FOLLOWS = "reconciliation+silver+warehouse"


def test_the_first_look_lands_the_newest_release_only_and_everything_follows_once(lakehouse):
    assert lakehouse.wave() == [
        ("raw+bronze", "ai", Q4),
        ("raw+bronze", "beer", Q4),
        (FOLLOWS, "ai"),
        (FOLLOWS, "beer"),
        ("marts",),
    ]


def test_nothing_new_asks_for_nothing(lakehouse):
    at_rest(lakehouse)
    assert lakehouse.look() == []
    assert set(lakehouse.told) == {"land_dumps", "fetch_days", "converge_sites", "build_marts"}
    assert set(lakehouse.told.values()) == {"Nothing is due."}


def test_a_dump_that_lands_by_hand_is_read_and_goes_all_the_way(lakehouse, monkeypatch):
    at_rest(lakehouse)
    lakehouse.publish_release("2026-02-01", "2026-02-01", "ai", "beer")
    lakehouse.cursors["land_dumps"] = "2100-01-01T00:00:00+00:00"  # the mirror is not asked
    lakehouse.land("beer", "2026-01-01")
    assert lakehouse.wave() == [
        ("bronze", "beer", "2026-01-01"),
        (FOLLOWS, "beer"),
        ("marts",),
    ]


def test_a_revised_dump_goes_the_whole_way_once(lakehouse):
    at_rest(lakehouse)
    lakehouse.publish_release("2025-12-31_rev2", "2025-12-31", "beer", revision=2)
    assert lakehouse.wave() == [("raw+bronze", "beer", Q4), (FOLLOWS, "beer"), ("marts",)]


def test_a_release_that_was_replaced_without_a_revision_is_told_once_by_a_run_that_lands_nothing(lakehouse):
    at_rest(lakehouse)
    lakehouse.publish_release("2025-12-31", "2025-12-31", "beer", size=500)
    request = lakehouse.request("land_dumps")
    assert request.partition_key == f"{Q4}|beer"
    why = request.tags["so_lakehouse/why"]
    assert "has other bytes than were landed of beer, release 2025-12-31: size" in why
    with pytest.raises(BadInput, match=re.escape(why)):
        lakehouse.land("beer", Q4)
    lakehouse.record(request, dg.DagsterRunStatus.FAILURE)
    for _ in range(2):
        lakehouse.ask_mirror_again()
        assert lakehouse.look() == []
    (folder,) = re.findall(r"remove (\S+) and run it again", why)
    shutil.rmtree(folder)
    lakehouse.ask_mirror_again()
    assert lakehouse.wave() == [("raw+bronze", "beer", Q4), (FOLLOWS, "beer"), ("marts",)], "taken when it may be"


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


def test_days_that_are_here_in_part_come_first_then_the_newest_of_every_site(lakehouse, monkeypatch):
    at_rest(lakehouse)
    monkeypatch.setenv("LAKEHOUSE_NOW", "2026-01-03T06:00:00")
    lakehouse.fetch("beer", "2026-01-01", whole=False)
    asked = [(site, day) for _, site, day in lakehouse.look("fetch_days")]
    assert asked == [("beer", "2026-01-01"), ("ai", "2026-01-02"), ("beer", "2026-01-02"), ("ai", "2026-01-01")]


def test_a_dump_of_the_open_quarter_lands_like_any_other(lakehouse, monkeypatch):
    at_rest(lakehouse)
    today = datetime.now(UTC).date()
    lakehouse.publish_release("in-the-middle", today.isoformat(), "ai")
    assert lakehouse.wave() == [
        ("raw+bronze", "ai", quarter_of(today)),
        (FOLLOWS, "ai"),
        ("marts",),
    ]


def test_a_new_site_in_the_settings_joins_and_so_does_one_that_a_run_has_named(lakehouse, monkeypatch):
    at_rest(lakehouse)
    lakehouse.publish_release("2025-12-31x", "2025-12-31", "coffee", "anime")
    monkeypatch.setenv("LAKEHOUSE_SITES", "ai beer https://coffee.stackexchange.com")
    lakehouse.instance.add_dynamic_partitions("site", ["anime"])
    asked = lakehouse.wave()
    assert asked[:2] == [("raw+bronze", "anime", Q4), ("raw+bronze", "coffee", Q4)]
    assert (FOLLOWS, "coffee") in asked
    assert "coffee" in lakehouse.instance.get_dynamic_partitions("site")


def test_a_failed_check_of_bronze_stops_its_site_and_no_other(lakehouse):
    lakehouse.failing = {"beer"}
    assert lakehouse.wave() == [
        ("raw+bronze", "ai", Q4),
        ("raw+bronze", "beer", Q4),
        (FOLLOWS, "ai"),
        ("marts",),
    ]
    assert lakehouse.look() == [], "not asked for again while it is the same"
    lakehouse.failing = set()
    lakehouse.read("beer", Q4)  # as a mended reader would
    assert lakehouse.wave() == [(FOLLOWS, "beer"), ("marts",)]


def test_a_failed_check_of_silver_stops_its_site_and_no_other_and_is_told(lakehouse):
    lakehouse.silver_refuses = {"beer"}
    asked = lakehouse.wave()
    assert asked[2:] == [
        (FOLLOWS, "ai"),
        (FOLLOWS, "beer"),
        ("marts",),
    ]
    assert lakehouse.look() == []
    assert "beer did not pass" in lakehouse.told["converge_sites"]


def test_a_converge_that_was_stopped_is_asked_for_once_per_evidence(lakehouse):
    lakehouse.land("beer", Q4)
    lakehouse.read("beer", Q4)
    request = lakehouse.request("converge_sites")
    lakehouse.record(request, dg.DagsterRunStatus.FAILURE)
    gates.refuse(lakehouse.lake, "beer", "posts would shrink: --accept-shrink")
    assert lakehouse.look("converge_sites") == []
    assert "posts would shrink" in lakehouse.told["converge_sites"]
    lakehouse.fetch("beer", "2026-01-01")
    lakehouse.read_pages("beer", "2026-01-01")
    assert lakehouse.look("converge_sites") == [(FOLLOWS, "beer")]


def test_a_backfill_of_old_quarters_stays_in_raw_until_somebody_reads_them_and_changes_no_mart(lakehouse):
    at_rest(lakehouse)
    lakehouse.publish_release("2024-03-31", "2024-03-31", "beer")
    for quarter in (Q3, "2024-01-01"):
        lakehouse.land("beer", quarter)
    assert lakehouse.look("land_dumps") == [("bronze", "beer", Q3)], "one of the two quarters that bronze keeps"
    lakehouse.read("beer", "2024-01-01")
    assert lakehouse.wave() == [("bronze", "beer", Q3), (FOLLOWS, "beer"), ("marts",)]


def test_nothing_of_a_site_is_started_twice_while_a_run_of_it_goes_on_or_waits(lakehouse):
    requests = [request for _, request in lakehouse._requests(("land_dumps",))]
    lakehouse.record(requests[1], dg.DagsterRunStatus.NOT_STARTED)
    lakehouse.ask_mirror_again()
    assert lakehouse.look("land_dumps") == [("raw+bronze", "ai", Q4)]
    lakehouse.land("beer", Q4)
    lakehouse.read("beer", Q4)
    assert lakehouse.look("converge_sites") == []
    assert "beer: waits for a run" in lakehouse.told["converge_sites"]


def test_what_a_command_is_about_to_do_is_left_to_it(lakehouse):
    lakehouse.land("beer", Q4)
    lakehouse.read("beer", Q4)
    request = lakehouse.request("converge_sites")
    tags = request.tags | RUN_TAG | {PROCESS_TAG: _process()}
    lakehouse.record(request._replace(tags=tags, run_key="by hand"))
    assert lakehouse.look("converge_sites") == []


def test_a_command_that_was_killed_keeps_nothing_waiting(lakehouse):
    lakehouse.land("beer", Q4)
    lakehouse.read("beer", Q4)
    request = lakehouse.request("converge_sites")
    dead = _process().replace(_process().split()[1], "1.0")
    tags = request.tags | RUN_TAG | {PROCESS_TAG: dead}
    lakehouse.record(request._replace(tags=tags, run_key="by hand"), dg.DagsterRunStatus.STARTED)
    assert lakehouse.look("converge_sites") == [(FOLLOWS, "beer")]


def test_a_dump_above_the_limit_is_told_with_the_command_that_lands_it(lakehouse, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_MAX_DOWNLOAD", "100")
    assert lakehouse.look() == []
    assert "so-lakehouse run --site beer" in lakehouse.told["land_dumps"]


def test_a_mirror_that_is_away_is_told_and_does_not_keep_landed_dumps_from_being_read(lakehouse, monkeypatch):
    lakehouse.land("beer", Q4)
    monkeypatch.setenv("LAKEHOUSE_MIRROR", "http://127.0.0.1:9/mirror")
    assert lakehouse.look("land_dumps") == [("bronze", "beer", Q4)]


def test_without_a_key_nothing_is_asked_of_the_public_api_and_fetched_pages_are_still_read(lakehouse, monkeypatch):
    at_rest(lakehouse)
    monkeypatch.setenv("LAKEHOUSE_API", "")
    monkeypatch.setenv("LAKEHOUSE_NOW", "2026-01-03T06:00:00")
    assert lakehouse.look("fetch_days") == []
    assert "LAKEHOUSE_API_KEY" in lakehouse.told["fetch_days"]
    lakehouse.fetch("beer", "2026-01-01", whole=False)
    assert lakehouse.look("fetch_days") == [("bronze api", "beer", "2026-01-01")]


def test_a_simulation_is_asked_for_its_own_sites_and_real_ones_are_left_alone_and_told(lakehouse, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_SIMULATED", "true")
    monkeypatch.setenv("LAKEHOUSE_SITES", "beer simulated-brewing")
    monkeypatch.setenv("LAKEHOUSE_NOW", "2026-01-02T06:00:00")
    lakehouse.publish_release("2026-03-31", "2026-03-31", "beer", "simulated-brewing")
    assert lakehouse.look() == [
        ("raw+bronze", "simulated-brewing", "2026-01-01"),
        ("raw api+bronze api", "simulated-brewing", "2026-01-01"),
    ]
    monkeypatch.setenv("LAKEHOUSE_SITES", "beer")
    lakehouse.instance.delete_dynamic_partition("site", "simulated-brewing")
    lakehouse.ask_mirror_again()
    assert lakehouse.look() == []
    for sensor in ("land_dumps", "fetch_days"):
        assert "beer is a real site" in lakehouse.told[sensor]


def test_marts_wait_until_what_feeds_them_has_come_to_rest_but_not_for_ever(lakehouse, monkeypatch):
    at_rest(lakehouse)
    lakehouse.publish_release("2026-02-01", "2026-02-01", "ai", "beer")
    requests = dict(lakehouse._requests(("land_dumps",)))
    going_on = lakehouse.record(requests["raw+bronze", "ai", "2026-01-01"], dg.DagsterRunStatus.STARTED)
    for play in (lakehouse.land, lakehouse.read):
        play("beer", "2026-01-01")
    lakehouse.converge("beer")
    lakehouse.load("beer")
    assert lakehouse.look("build_marts") == []
    assert "wait for 1 runs" in lakehouse.told["build_marts"]
    monkeypatch.setenv("LAKEHOUSE_WAVE_SECONDS", "0")
    assert lakehouse.look("build_marts") == [("marts",)]
    monkeypatch.setenv("LAKEHOUSE_WAVE_SECONDS", "3600")
    monkeypatch.setenv("LAKEHOUSE_QUIET_SECONDS", "300")
    lakehouse.instance.report_run_failed(going_on, "it broke")
    assert lakehouse.look("build_marts") == []
    assert "s since a run that feeds them ended" in lakehouse.told["build_marts"]
    monkeypatch.setenv("LAKEHOUSE_QUIET_SECONDS", "0")
    assert lakehouse.look("build_marts") == [("marts",)]


def test_a_page_index_that_a_killed_run_left_behind_is_put_right_by_reading_the_day_again(lakehouse):
    at_rest(lakehouse)
    lakehouse.fetch("beer", "2026-01-01")
    lakehouse.read_pages("beer", "2026-01-01")
    lakehouse.lake.delete(paths.bronze_api_index("beer"))
    assert ("bronze api", "beer", "2026-01-01") in lakehouse.look("fetch_days")
