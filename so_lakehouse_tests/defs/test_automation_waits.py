"""What does not start, or not yet: a check has stopped it, somebody else does it, or marts wait for the end of a wave.

The sensors without a daemon; the runs of the lakehouse are played.
"""

from __future__ import annotations

import dagster as dg

from so_lakehouse.lake import gates
from so_lakehouse.runner import PROCESS_TAG, RUN_TAG, _process
from so_lakehouse_tests.defs.automation_world import FOLLOWS, Q4, at_rest


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


def test_a_failed_check_of_pages_stops_its_site_and_no_other(lakehouse, monkeypatch):
    at_rest(lakehouse)
    monkeypatch.setenv("LAKEHOUSE_NOW", "2026-01-02T06:00:00")
    lakehouse.failing = {"beer"}
    assert lakehouse.wave() == [
        ("raw api+bronze api", "ai", "2026-01-01"),
        ("raw api+bronze api", "beer", "2026-01-01"),
        (FOLLOWS, "ai"),
        ("marts",),
    ]
    assert lakehouse.look() == [], "not asked for again while it is the same"
    lakehouse.failing = set()
    lakehouse.read_pages("beer", "2026-01-01")  # as a mended reader would
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
