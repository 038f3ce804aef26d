"""Dumps that start by themselves, case by case, to the marts: what the sensors ask for without a daemon.

The runs of the lakehouse are played.
"""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime

import dagster as dg
import pytest

from so_lakehouse.dumps.releases import quarter_of
from so_lakehouse.errors import BadInput
from so_lakehouse_tests.defs.automation_world import FOLLOWS, Q3, Q4, at_rest


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


def test_a_backfill_of_old_quarters_stays_in_raw_until_somebody_reads_them_and_changes_no_mart(lakehouse):
    at_rest(lakehouse)
    lakehouse.publish_release("2024-03-31", "2024-03-31", "beer")
    for quarter in (Q3, "2024-01-01"):
        lakehouse.land("beer", quarter)
    assert lakehouse.look("land_dumps") == [("bronze", "beer", Q3)], "one of the two quarters that bronze keeps"
    lakehouse.read("beer", "2024-01-01")
    assert lakehouse.wave() == [("bronze", "beer", Q3), (FOLLOWS, "beer"), ("marts",)]


def test_a_dump_above_the_limit_is_told_with_the_command_that_lands_it(lakehouse, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_MAX_DOWNLOAD", "100")
    assert lakehouse.look() == []
    assert "so-lakehouse run --site beer" in lakehouse.told["land_dumps"]


def test_a_mirror_that_is_away_is_told_and_does_not_keep_landed_dumps_from_being_read(lakehouse, monkeypatch):
    lakehouse.land("beer", Q4)
    monkeypatch.setenv("LAKEHOUSE_MIRROR", "http://127.0.0.1:9/mirror")
    assert lakehouse.look("land_dumps") == [("bronze", "beer", Q4)]


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
