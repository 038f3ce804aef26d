"""What may be asked of the API, and when: backoff, throttles, pace, quota and shares, also after a restart."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from threading import Thread

import pytest

from so_lakehouse.api.budget import REASK, REQUESTS_PER_SECOND, SWEEP, WINDOWS, Budget, NotNow
from so_lakehouse.api.reply import Reply
from so_lakehouse.clock import Clock
from so_lakehouse.errors import Unavailable
from so_lakehouse.simulate.api_server import Fault
from so_lakehouse_tests.pipeline.api_world import KEY, MIDNIGHT, World, ask, question


@pytest.fixture
def api(api):
    api.site.put("questions", [question(1, MIDNIGHT)])
    return api


def ask_pages(api: World, client, purpose=WINDOWS, **parameters) -> None:
    for page in range(1, 30):
        ask(api, client, purpose, page=page, **parameters)


def test_backoff_holds_its_method_with_a_margin_and_over_a_restart(api):
    api.server.faults = [Fault(backoff=10)]
    began = api.clock.now()
    ask(api)
    ask(api, page=1)
    assert api.clock.now() - began >= timedelta(seconds=12)


def test_a_shorter_backoff_ends_no_longer_one(api):
    """Two questions of one method were on their way."""
    budget = Budget.of(api.settings, api.clock)
    for seconds in (30, 5):
        budget.settle("questions", Reply(backoff=seconds))
    began = api.clock.now()
    budget.admit("questions", "/questions", WINDOWS)
    assert api.clock.now() - began >= timedelta(seconds=32)


def test_backoff_of_one_method_leaves_the_others_alone(api):
    api.server.faults = [Fault(backoff=100)]
    client, began = api.client(), api.clock.now()
    ask(api, client)
    client.ask("answers", "/answers", {"site": "alcohol"}, WINDOWS)
    assert api.clock.now() - began < timedelta(seconds=2)


def test_a_backoff_is_not_longer_because_the_clock_was_set_back(api):
    api.server.faults = [Fault(backoff=10)]
    ask(api)
    api.clock.moment -= timedelta(hours=20)
    api.server._not_before.clear()
    before = api.clock.now()
    ask(api, page=1)
    assert api.clock.now() - before < timedelta(seconds=15)


def test_a_throttle_that_names_few_seconds_is_waited_out(api):
    api.server.faults = [
        Fault(error_id=502, message="too many requests from this IP, more requests available in 40 seconds")
    ]
    began = api.clock.now()
    assert ask(api).items
    assert timedelta(seconds=40) <= api.clock.now() - began < timedelta(seconds=110)


def test_a_throttle_that_names_hours_stops_every_run_until_then(api):
    text = "too many requests from this IP, more requests available in 67194 seconds"
    api.server.faults = [Fault(error_id=502, message=text)]
    with pytest.raises(NotNow, match="67194") as stopped:
        ask(api)
    until = api.clock.now() + timedelta(seconds=67194)
    assert stopped.value.until == until
    budget = Budget.of(api.settings, api.clock)
    for known in (budget.pause(WINDOWS), budget.used_up()):  # who starts runs, and who tells people
        assert "is not to be asked" in str(known)
        assert known.until == until + timedelta(seconds=2)
    with pytest.raises(NotNow):
        ask(api)
    assert len(api.server.requests) == 1, "the second run asks nothing"
    api.clock.sleep(67197)
    assert ask(api).items


def test_the_same_question_waits_a_minute_for_itself(api):
    began = api.clock.now()
    ask(api)
    ask(api)
    assert api.clock.now() - began >= timedelta(seconds=60)


def test_requests_keep_their_distance(api):
    began = api.clock.now()
    client = api.client()
    for page in range(1, 12):
        ask(api, client, page=page)
    assert api.clock.now() - began >= timedelta(seconds=10 / 20)


def test_asking_stops_at_the_reserve_and_goes_on_when_the_day_of_the_quota_is_over(api):
    api.server.quota_max = 20
    client = api.client(api_reserve=20)
    with pytest.raises(NotNow, match="4 of 20 requests left; 20 % are left to others"):
        ask_pages(api, client)
    assert api.server.used(KEY) == 16
    with pytest.raises(NotNow):
        ask(api, api.client(api_reserve=20), page=99)
    assert api.server.used(KEY) == 16, "a new process knows it too"
    api.clock.sleep(24 * 3600)
    assert ask(api, api.client(api_reserve=20)).items


def test_a_purpose_stops_at_its_share_and_leaves_the_others_theirs(api):
    api.server.quota_max = 100
    client = api.client(api_sweep=10, api_reask=3)
    for purpose, share in ((SWEEP, 10), (REASK, 3)):
        before = len(api.server.requests)
        with pytest.raises(NotNow, match=f"share of the quota for {purpose}"):
            ask_pages(api, client, purpose, min=share)
        assert len(api.server.requests) - before == share
    assert ask(api, client, min=7).items is not None


def test_the_key_is_not_in_the_file_of_the_budget(api):
    ask(api)
    assert KEY.encode() not in api.settings.api_budget.read_bytes()


def test_a_budget_that_is_no_database_is_named(api):
    api.settings.api_budget.write_text("not a database, but long enough to be taken for one by its size" * 20)
    with pytest.raises(Unavailable, match=r"api\.sqlite"):
        ask(api)


def test_two_runs_share_one_file_and_count_together(api):
    for page, client in enumerate((api.client(), api.client()), 1):
        ask(api, client, page=page)
    with closing(sqlite3.connect(api.settings.api_budget)) as db:
        assert db.execute("select purpose, requests from spent").fetchall() == [("windows", 2)]


def test_runs_side_by_side_share_one_pace_and_never_one_place(api):
    """On the machine's own clock: each run has its connection to the file of the budget."""
    moments: list[float] = []

    def admitted(run: int) -> None:
        budget = Budget.of(api.settings, Clock())
        for number in range(6):
            budget.admit("questions", f"{run} {number}", WINDOWS)
            moments.append(time.monotonic())

    runs = [Thread(target=admitted, args=(run,)) for run in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    with closing(sqlite3.connect(api.settings.api_budget)) as db:
        assert db.execute("select requests from spent").fetchall() == [(18,)]
    assert max(moments) - min(moments) >= 0.9 * 17 / REQUESTS_PER_SECOND
