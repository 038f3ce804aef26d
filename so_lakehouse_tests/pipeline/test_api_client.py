"""One question to the API: its key, its retries, what it waits for, and what it may spend."""

from __future__ import annotations

import gzip
import socket
import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from threading import Thread

import pytest

from so_lakehouse.api import reply
from so_lakehouse.api.budget import REASK, REQUESTS_PER_SECOND, SWEEP, WINDOWS, Budget, NotNow
from so_lakehouse.api.fields import asked_for
from so_lakehouse.api.filters import filter_of
from so_lakehouse.api.reply import text_of
from so_lakehouse.clock import Clock
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.patience import Transient
from so_lakehouse.simulate.api_server import Fault
from so_lakehouse_tests.pipeline.api_world import KEY, MIDNIGHT, World, question

GATEWAY = Fault(status=502, body=b"<html>Bad Gateway</html>")
BUSY = Fault(error_id=502, message="Violation of backoff parameter")
INTERNAL = Fault(error_id=500, message="boom")


@pytest.fixture
def api(api):
    api.site.put("questions", [question(1, MIDNIGHT)])
    return api


def ask(api: World, client=None, purpose=WINDOWS, **parameters):
    given = {"site": "alcohol", "sort": "creation"} | parameters
    return (client or api.client()).ask("questions", "/questions", given, purpose)


def ask_pages(api: World, client, purpose=WINDOWS, **parameters) -> None:
    for page in range(1, 30):
        ask(api, client, purpose, page=page, **parameters)


@pytest.mark.parametrize("fault", [GATEWAY, BUSY, INTERNAL, Fault(error_id=503, message="later")])
def test_three_failures_and_then_an_answer_is_an_answer(api, fault):
    api.server.faults = [fault] * 3
    assert [item["question_id"] for item in ask(api).items] == [1]
    assert len(api.asked("questions")) == 4


def test_what_fails_for_ever_is_given_up(api):
    api.server.faults = [GATEWAY] * 50
    with pytest.raises(Unavailable, match=r"HTTP 502.*Tried 6 times"):
        ask(api)
    assert len(api.server.requests) == 6


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(status=200), "HTTP 200; the reply is not JSON: '<html>"),
        (Fault(status=200, body=b"[]"), "none of this API"),
        (Fault(cut=7), "the packed reply ends after"),
        (Fault(reset_after=20), "cannot be reached"),
        (Fault(drip=0.002, headers={"X-Slow": "1"}), ""),
    ],
    ids=["a page of HTML", "another JSON", "cut off gzip", "reset in mid-body", "slow"],
)
def test_a_broken_answer_is_asked_for_again_and_never_taken_in_half(api, fault, told, caplog):
    api.server.faults = [fault]
    page = ask(api)
    assert [item["question_id"] for item in page.items] == [1]
    assert told in caplog.text
    assert len(api.server.requests) == (2 if told else 1)


def test_a_server_that_drips_is_left_when_its_time_is_over(api):
    api.server.faults = [Fault(drip=0.05)] * 9
    client = api.client()
    client._transport._seconds = 0.15
    with pytest.raises(Unavailable, match="more than 0 seconds for one answer"):
        ask(api, client)


def test_an_error_that_comes_unpacked_is_read_too(api):
    api.server.faults = [Fault(error_id=400, message="pagesize", plain=True)]
    with pytest.raises(Unavailable, match="400 bad_parameter: 'pagesize'"):
        ask(api)
    assert text_of(gzip.compress(b"{}")) == text_of(b"{}") == "{}"


def test_a_packed_answer_that_unpacks_to_too_much_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(reply, "MAX_BODY_BYTES", 1 << 20)
    with pytest.raises(Transient, match="more than 1,048,576 bytes"):
        text_of(gzip.compress(bytes(2 << 20)))


def test_a_wrong_key_is_final_and_is_not_shown(api, caplog):
    with pytest.raises(Unavailable, match="LAKEHOUSE_API_KEY") as failed:
        ask(api, api.client(api_key="not-a-key"))
    assert len(api.server.requests) == 1
    assert "not-a-key" not in f"{failed.value} {caplog.text} {api.client(api_key='not-a-key').budget}"
    assert "not-a-key" not in repr(api.settings.__class__(api_key="not-a-key"))


def test_the_key_is_a_header_or_where_the_setting_says_so_in_the_query(api):
    ask(api)
    ask(api, api.client(api_auth="query"), page=1)
    assert api.server.used(KEY) == 2
    assert KEY not in " ".join(api.server.requests)


def test_the_key_in_a_query_is_in_no_error_when_nobody_answers(api):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/2.3"
    with pytest.raises(Unavailable) as failed:
        ask(api, api.client(api=address, api_auth="query"))
    link: BaseException | None = failed.value
    while link is not None:
        assert KEY not in str(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def test_backoff_holds_its_method_with_a_margin_and_over_a_restart(api):
    api.server.faults = [Fault(backoff=10)]
    began = api.clock.now()
    ask(api)
    ask(api, page=1)
    assert api.clock.now() - began >= timedelta(seconds=12)


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
    assert stopped.value.until == api.clock.now() + timedelta(seconds=67194)
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


def test_the_filter_is_made_once_and_kept(api):
    first = filter_of(api.client())
    assert filter_of(api.client()) == first
    assert len(api.asked("filters/create")) == 1
    (made,) = api.asked("filters/create")
    assert made["unsafe"] == "true"
    assert made["base"] == "none"
    assert set(made["include"].split(";")) == set(asked_for())
    page = ask(api, filter=first)
    assert page.items[0]["body"] == "<p>a &lt; b</p>"
    assert "is_answered" not in page.items[0], "not asked for"


def test_a_filter_that_nobody_made_is_refused(api):
    with pytest.raises(Unavailable, match="'filter'"):
        ask(api, filter="!made-up")


def test_a_filter_that_leaves_out_what_was_asked_for_is_refused(api, monkeypatch):
    made = {"filter": "!x", "filter_type": "unsafe", "included_fields": list(asked_for()[:-1])}
    monkeypatch.setattr(api.server, "_make_filter", lambda query: made)
    with pytest.raises(Unavailable, match=r"without user\.user_type"):
        filter_of(api.client())


def test_an_address_that_is_none_is_refused(api):
    with pytest.raises(BadInput, match="LAKEHOUSE_API"):
        ask(api, api.client(api="nonsense"))


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
