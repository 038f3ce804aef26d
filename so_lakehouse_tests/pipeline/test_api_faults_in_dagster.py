"""Every fault of the API, as a run of Dagster: how the run ends, what raw and bronze hold then, what was spent, what
stays due.

A run fetches and reads one day of a simulated community, as the sensor asks for it; the third page of its questions
suffers the fault, where nothing else is said. What one question makes of a fault is told in `test_api_client.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from so_lakehouse.api import client
from so_lakehouse.definitions import defs
from so_lakehouse.runner import Runner
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.simulate.api_server import Fault
from so_lakehouse.simulate.faults import FAULTS
from so_lakehouse_tests.pipeline.days_in_dagster import (
    DAY,
    NEXT,
    SITE,
    Days,
    asking,
    assert_account_is_right,
    assert_tells,
)

THROTTLED_FOR_HOURS = Fault(
    error_id=502, message="too many requests from this IP, more requests available in 67194 seconds"
)


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with dg.DagsterInstance.ephemeral() as instance:
        made = Runner(defs, instance, sys.stdout)
        made.add_site(SITE)
        yield made


@dataclass(frozen=True)
class Calm:
    """The day without a fault: what was asked, and the pages that came."""

    requests: list[str]
    pages: list[tuple[str, dict[str, str], list[Any]]]

    def before_page(self, number: int) -> int:
        """How many requests come before this page of the questions."""
        return [place for place, asked in enumerate(self.requests) if asked.startswith("/2.3/questions?")][number - 1]


@pytest.fixture(scope="module")
def calm(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Calm:
    with asking(runner, tmp_path_factory.mktemp("calm")) as days:
        assert days.run().warnings == ()
        assert days.due() == [NEXT.isoformat()]
        assert_tells(days, DAY)
        assert days.server.violations == []
        return Calm(days.server.requests, days.pages())


@pytest.fixture
def days(runner: Runner, tmp_path: Path) -> Iterator[Days]:
    with asking(runner, tmp_path) as made:
        yield made


@dataclass(frozen=True)
class Passing:
    """A fault that costs so many tries and seconds of waiting; `told` in the log of the run."""

    fault: str
    tries: int
    told: str = ""
    waits: float = 0


PASSING = (
    Passing("gateway", 3, "answered HTTP 502"),
    Passing("throttle-seconds", 1, "more requests available in 9 seconds", waits=9),
    Passing("throttle", 1, "Violation of backoff parameter", waits=30),
    Passing("backoff", 0, waits=10),
    Passing("html", 1, "answered HTTP 200; the reply is not JSON: '<html>"),
    Passing("truncated", 1, "the packed reply ends after"),
    Passing("reset", 1, "cannot be reached"),
    Passing("drip", 0),
    Passing("duplicate", 1, "brought last_activity_date", waits=60),
)


@pytest.mark.parametrize("case", PASSING, ids=lambda case: case.fault)
def test_a_run_gets_over_what_passes_and_holds_what_it_would_have_held(days, calm, caplog, case):
    began = days.clock.now()
    days.server.faults = [Fault()] * calm.before_page(3) + FAULTS[case.fault].faults(days.server)
    done = days.run()
    assert (done.error, done.warnings, days.server.faults) == (None, (), [])
    assert case.told in caplog.text
    assert days.pages() == calm.pages, "no page less, none twice"
    assert_tells(days, DAY)
    assert len(days.server.requests) == len(calm.requests) + case.tries
    assert case.waits <= (days.clock.now() - began).total_seconds() < 900
    assert_account_is_right(days)
    assert days.due() == [NEXT.isoformat()]


def test_an_answer_that_drips_for_longer_than_any_takes_is_asked_for_again(days, calm, caplog, monkeypatch):
    monkeypatch.setattr(client, "ANSWER_SECONDS", 4.0)  # on a busy machine, too
    days.server.faults = [Fault()] * calm.before_page(3) + [Fault(drip=0.05)]
    done = days.run()
    assert (done.error, done.warnings, days.server.faults) == (None, (), [])
    assert "took more than 4 seconds for one answer" in caplog.text
    assert len(days.server.requests) == len(calm.requests) + 1
    assert days.pages() == calm.pages
    assert_account_is_right(days)


def used_up_by_us(days: Days, calm: Calm) -> list[Fault]:
    days.server.quota_max = calm.before_page(7)
    return []


def used_up_by_others(days: Days, calm: Calm) -> list[Fault]:
    return [Fault()] * calm.before_page(7) + FAULTS["no-quota"].faults(days.server)


def throttled_for_hours(days: Days, calm: Calm) -> list[Fault]:
    return [Fault()] * calm.before_page(7) + [THROTTLED_FOR_HOURS]


@pytest.mark.parametrize(
    ("faults", "why", "asks", "unknowing"),
    [
        (used_up_by_us, "The API's quota is used up: 0 of ", 0, []),
        (used_up_by_others, "too many requests from this IP", 1, ["asked with no quota left"]),
        (throttled_for_hours, "more requests available in 67194 seconds", 1, []),
    ],
)
def test_a_quota_that_is_gone_on_page_7_leaves_a_run_that_warns_and_a_day_that_goes_on_from_there(
    days, calm, faults: Callable[[Days, Calm], list[Fault]], why, asks, unknowing
):
    days.server.faults = faults(days, calm)
    done = days.run()
    assert done.succeeded
    assert "raw/api/questions" in done.materialised, "what came is there, in part"
    assert "raw/api/users" not in done.materialised
    raw = [told for told in done.warnings if "day_covered" in told]
    assert [entity for entity in sorted(ENTITIES) if f"{entity} of {SITE}" in " ".join(raw)] == ["questions", "users"]
    assert all("rows by" in told and "Asking may go on at 2026-01-0" in told for told in raw)
    assert why in raw[0]
    asked = calm.before_page(7) + asks
    assert len(days.server.requests) == asked
    kept = days.pages()
    assert [page for page in calm.pages if page in kept] == kept, "six pages of the questions, and all of two others"
    assert sum(path == "/questions" for path, _, _ in kept) == 6
    assert days.due() == [DAY.isoformat(), NEXT.isoformat()]
    days.run()
    assert len(days.server.requests) == asked, "nothing is asked before it may be"
    assert_account_is_right(days, *unknowing)

    days.server.quota_max = 10_000
    days.morning_after(NEXT)
    for day in (DAY, NEXT):
        done = days.run(day)
        assert (done.error, done.warnings) == (None, ())
    assert days.due() == []
    assert all(page in days.pages() for page in kept)
    asked_for = [(path, *sorted(parameters.items())) for path, parameters, _ in days.pages()]
    assert len(set(asked_for)) == len(asked_for), "what came was not asked for again"
    assert_tells(days, DAY, NEXT)
    assert_account_is_right(days, *unknowing)


def test_a_key_that_is_refused_fails_the_run_at_once_with_what_to_do_and_what_came_is_not_asked_for_again(days, calm):
    days.server.faults = [Fault()] * calm.before_page(3)
    days.server.broken = dict.fromkeys(("questions", "users"), *FAULTS["wrong-key"].faults(days.server))
    done = days.run()
    assert "LAKEHOUSE_API_KEY" in done.error
    assert "Traceback" not in done.error
    assert len(days.server.requests) == calm.before_page(3) + 1
    assert sum(path == "/questions" for path, _, _ in days.pages()) == 2
    assert days.due() == [DAY.isoformat(), NEXT.isoformat()]
    assert_account_is_right(days)

    days.server.broken = {}
    assert_the_next_run_completes_the_day(days)
    assert days.pages() == calm.pages


def test_pages_that_never_end_leave_a_run_that_warns_and_what_came_is_kept_and_not_asked_for_again(days, calm):
    days.server.faults = [Fault()] * calm.before_page(3)
    days.server.broken = {"questions": FAULTS["endless"].faults(days.server)[0]}
    done = days.run()
    assert done.error is None
    assert any("says that there is more, and brought nothing" in told for told in done.warnings)
    asked = [request.partition("?")[0].rpartition("/")[2] for request in days.server.requests]
    assert asked.count("questions") <= 2 + 20
    assert sum(path == "/questions" for path, _, _ in days.pages()) >= 2
    assert days.due() == [DAY.isoformat(), NEXT.isoformat()]
    assert_account_is_right(days)

    days.server.broken = {}
    assert_the_next_run_completes_the_day(days)
    assert [page for page in calm.pages if page not in days.pages()] == [], "not one is missing"


def test_a_method_that_is_down_leaves_a_run_that_warns_and_all_others_are_asked_and_read(days, calm):
    days.server.broken = {"comments": Fault(status=503)}
    done = days.run()
    assert done.error is None
    [told] = [told for told in done.warnings if "day_covered" in told]
    assert f"comments of {SITE}" in told
    assert "/comments answered HTTP 503" in told
    assert {path for path, _, _ in days.pages()} == {"/answers", "/questions", "/users"}
    read = days.run(layers="bronze api").materialised
    assert set(read) == {"bronze/api/answers", "bronze/api/questions", "bronze/api/users"}
    assert days.due() == [DAY.isoformat(), NEXT.isoformat()]
    assert_account_is_right(days)

    days.server.broken = {}
    assert_the_next_run_completes_the_day(days)
    assert sorted(days.pages(), key=str) == sorted(calm.pages, key=str)


def test_of_an_api_that_is_down_two_methods_are_asked_and_the_run_fails(days):
    days.server.broken = dict.fromkeys(("answers", "comments", "questions", "users"), Fault(status=503))
    done = days.run()
    for told in ("/answers answered", "/comments answered", "Not asked for after that: questions, users."):
        assert told in done.error
    asked = {request.partition("?")[0] for request in days.server.requests}
    assert asked == {"/2.3/filters/create", "/2.3/answers", "/2.3/comments"}


def assert_the_next_run_completes_the_day(days: Days) -> None:
    days.clock.sleep(60)
    done = days.run()
    assert (done.error, done.warnings) == (None, ())
    assert days.due() == [NEXT.isoformat()]
    assert_tells(days, DAY)
    assert_account_is_right(days)


def a_day_passes(days: Days) -> list[Fault]:
    return FAULTS["changing"].faults(days.server)


def the_clock_jumps_over_midnight(days: Days) -> list[Fault]:
    days.clock.moment = datetime.combine(NEXT, time(23, 59, 58), UTC)
    return [Fault(before=lambda: days.jump(seconds=30))]


@pytest.mark.parametrize("moves", [a_day_passes, the_clock_jumps_over_midnight])
def test_rows_that_move_to_the_next_day_between_two_pages_are_found_there(days, calm, moves):
    faults = moves(days)
    days.server.faults = [Fault()] * calm.before_page(3) + faults
    done = days.run()
    assert (done.error, done.warnings, days.server.faults) == (None, (), [])
    assert days.pages() != calm.pages, "rows have left the day"
    assert days.due() == [NEXT.isoformat()], "which is here whole: the same day before and after midnight"
    days.morning_after(NEXT)
    assert days.run(NEXT).warnings == ()
    assert_tells(days, DAY, NEXT)
    assert_account_is_right(days)


def test_a_clock_that_falls_back_before_midnight_makes_no_day_whole(days, calm):
    days.clock.moment = datetime.combine(NEXT, time(0, 5), UTC)
    days.server.faults = [Fault()] * calm.before_page(3) + [Fault(before=lambda: days.jump(minutes=-10))]
    done = days.run()
    assert "2026-01-02 has not closed yet: it is 2026-01-02 23:5" in done.error
    assert days.due() == [DAY.isoformat(), NEXT.isoformat()], "its rows may not all have been there"
    days.morning_after(DAY)
    done = days.run()
    assert (done.error, done.warnings) == (None, ())
    assert days.due() == [NEXT.isoformat()]
    assert_tells(days, DAY)
    assert_account_is_right(days)


def test_no_fault_of_the_simulation_is_left_out():
    told = {case.fault for case in PASSING} | {"no-quota", "wrong-key", "endless", "changing"}
    assert told == FAULTS.keys() - {"hidden"}, "a row that hides by its id has a test beside sweeps"
