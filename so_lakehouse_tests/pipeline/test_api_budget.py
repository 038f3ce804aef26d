"""What may be asked of the API, and when: backoff, throttles, pace, quota and shares, also after a restart."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest

from so_lakehouse.api.budget import REASK, REQUESTS_PER_SECOND, SWEEP, WINDOWS, Budget, NotNow
from so_lakehouse.api.client import THROTTLED_SECONDS
from so_lakehouse.api.reply import Reply
from so_lakehouse.clock import Clock
from so_lakehouse.errors import Unavailable
from so_lakehouse.settings import PROJECT_ROOT, Settings
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


def test_a_throttle_that_names_no_time_has_its_method_left_alone_by_every_run(api):
    api.server.faults = [Fault(error_id=502, message="Violation of backoff parameter")]
    began, other = api.clock.now(), api.client()
    assert ask(api).items
    assert api.clock.now() - began >= timedelta(seconds=THROTTLED_SECONDS)
    assert len(api.server.requests) == 2
    Budget.of(api.settings, api.clock).hold("questions", THROTTLED_SECONDS)
    began = api.clock.now()
    other.ask("answers", "/answers", {"site": "alcohol"}, WINDOWS)
    assert api.clock.now() - began < timedelta(seconds=2), "other methods are not meant"
    ask(api, other, page=1)
    assert api.clock.now() - began >= timedelta(seconds=THROTTLED_SECONDS)


def test_a_throttle_that_names_hours_stops_every_run_until_then(api):
    text = "too many requests from this IP, more requests available in 67194 seconds"
    api.server.faults = [Fault(error_id=502, message=text)]
    with pytest.raises(NotNow, match="67194") as stopped:
        ask(api)
    until = api.clock.now() + timedelta(seconds=67194)
    assert stopped.value.until == until
    budget = Budget.of(api.settings, api.clock)
    known = budget.pause(WINDOWS)  # for who starts runs, and who tells people
    assert "is not to be asked" in str(known)
    assert known.until == until + timedelta(seconds=2)
    for changes in ({}, {"api_key": ""}, {"api_key": "another"}):  # the machine is meant, whatever its keys
        with pytest.raises(NotNow):
            ask(api, api.client(**changes))
    assert len(api.server.requests) == 1, "the runs after it ask nothing"
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


def test_two_keys_of_one_machine_share_its_pace_and_not_their_quota(api):
    budgets = [Budget.of(replace(api.settings, api_key=key), api.clock) for key in ("one", "another")]
    began = api.clock.now()
    for number in range(10):
        budgets[number % 2].admit("questions", f"{number}", WINDOWS)
    assert api.clock.now() - began >= timedelta(seconds=9 / REQUESTS_PER_SECOND)
    budgets[0].settle("questions", Reply(quota_remaining=0, quota_max=300))
    assert budgets[0].pause(WINDOWS)
    assert budgets[1].pause(WINDOWS) is None


# A run of a lakehouse of its own, which is counted as if it asked the public API; nothing is sent.
A_RUN = """
from so_lakehouse.api.budget import WINDOWS, Budget
from so_lakehouse.clock import Clock
from so_lakehouse.settings import Settings
settings = Settings.from_environment()
budget = Budget.of(settings, Clock())
for number in range(5):
    budget.admit("questions", f"{settings.home} {number}", WINDOWS)
"""


def test_lakehouses_of_one_user_in_processes_of_their_own_share_the_public_apis_quota(tmp_path):
    shared = {"PYTHONPATH": str(PROJECT_ROOT), "HOME": str(tmp_path / "user")}
    homes = [shared | {"LAKEHOUSE_HOME": str(tmp_path / name)} for name in ("first", "second", "third")]
    runs = [subprocess.Popen([sys.executable, "-c", A_RUN], env=environment) for environment in homes[:2]]
    assert [run.wait(60) for run in runs] == [0, 0]
    first, third = (Settings.from_environment(homes[place]) for place in (0, 2))
    with closing(sqlite3.connect(third.api_budget)) as db:
        assert db.execute("select purpose, requests from spent").fetchall() == [("windows", 10)]
    Budget.of(first, Clock()).settle("questions", Reply(quota_remaining=9, quota_max=300))
    assert "9 of 300 requests left" in str(Budget.of(third, Clock()).pause(WINDOWS))
    simulated = Settings.from_environment(homes[2] | {"LAKEHOUSE_API": "http://127.0.0.1:8000/2.3"})
    assert Budget.of(simulated, Clock()).pause(WINDOWS) is None
    assert not any(Path(environment["LAKEHOUSE_HOME"]).exists() for environment in homes)


def test_runs_that_make_the_file_at_once_wait_for_each_other(settings):
    begin, ended = Barrier(4), []

    def first_run(place: Path) -> None:
        budget = Budget.of(replace(settings, home=place), Clock())
        begin.wait()
        budget.answered("a question", "its answer")
        ended.append(place)

    for number in range(60):
        runs = [Thread(target=first_run, args=(settings.home / f"{number}",)) for _ in range(4)]
        for run in runs:
            run.start()
        for run in runs:
            run.join()
    assert len(ended) == 60 * 4
