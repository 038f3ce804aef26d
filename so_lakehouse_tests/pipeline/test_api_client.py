"""One question to the API: its key, its filter, its retries, and what an error means."""

from __future__ import annotations

import gzip
import socket
from datetime import timedelta

import pytest

from so_lakehouse.api import reply
from so_lakehouse.api.client import QUESTION_SECONDS
from so_lakehouse.api.error_table import ERRORS, Treatment
from so_lakehouse.api.fields import asked_for
from so_lakehouse.api.filters import filter_of
from so_lakehouse.api.reply import text_of
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.patience import Transient
from so_lakehouse.simulate.api_server import Fault
from so_lakehouse_tests.pipeline.api_world import KEY, MIDNIGHT, ask, question

GATEWAY = Fault(status=502, body=b"<html>Bad Gateway</html>")
BUSY = Fault(error_id=502, message="Violation of backoff parameter")
INTERNAL = Fault(error_id=500, message="boom")


@pytest.fixture
def api(api):
    api.site.put("questions", [question(1, MIDNIGHT)])
    return api


@pytest.mark.parametrize("fault", [GATEWAY, BUSY, INTERNAL, Fault(error_id=503, message="later")])
def test_three_failures_and_then_an_answer_is_an_answer(api, fault):
    api.server.faults = [fault] * 3
    assert [item["question_id"] for item in ask(api).items] == [1]
    assert len(api.asked("questions")) == 4


@pytest.mark.parametrize("number", sorted(ERRORS))
def test_each_error_of_the_api_is_final_or_asked_about_again_as_the_table_says(api, number):
    api.server.faults = [Fault(error_id=number, message="told")]
    if ERRORS[number].treatment is not Treatment.FINAL:
        assert ask(api).items
        assert len(api.server.requests) == 2
        return
    with pytest.raises(Unavailable, match=f"{number} {ERRORS[number].name}: 'told'") as failed:
        ask(api)
    assert ERRORS[number].advice in str(failed.value)
    assert len(api.server.requests) == 1


def test_an_error_that_nobody_knows_is_final(api):
    api.server.faults = [Fault(error_id=499, message="told")]
    with pytest.raises(Unavailable, match="499 unknown error"):
        ask(api)
    assert len(api.server.requests) == 1


def test_what_fails_for_ever_is_given_up(api):
    api.server.faults = [GATEWAY] * 50
    with pytest.raises(Unavailable, match=r"HTTP 502.*Tried 6 times"):
        ask(api)
    assert len(api.server.requests) == 6


def test_a_question_is_given_up_before_its_quarter_of_an_hour_is_over(api):
    told = "too many requests from this IP, more requests available in 200 seconds"
    api.server.faults = [Fault(error_id=502, message=told)] * 50
    began = api.clock.now()
    with pytest.raises(Unavailable, match=r"available in 200 seconds.*Tried for \d+ seconds"):
        ask(api)
    assert len(api.server.requests) == 5
    assert api.clock.now() - began <= timedelta(seconds=QUESTION_SECONDS)


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
