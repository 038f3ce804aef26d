"""A day of the API in raw: whole or with what is missing named, never twice, and without the key."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta

import pytest

from so_lakehouse.api import fetch as fetching
from so_lakehouse.api import windows
from so_lakehouse.api.days import newest_closed
from so_lakehouse.api.fetch import fetch_day
from so_lakehouse.clock import Clock
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.lake import paths
from so_lakehouse.lake.api_raw import WINDOW, Covered, PageFile, fetches_of, first_missing, pages_in
from so_lakehouse.lake.storage import Lake
from so_lakehouse.simulate.api_server import Fault
from so_lakehouse_tests.pipeline.api_world import (
    DAY,
    KEY,
    MIDNIGHT,
    World,
    answer,
    comment,
    question,
    user,
)

DAY_END = MIDNIGHT + 86399


@pytest.fixture
def api(api):
    api.site.put("questions", [question(key, MIDNIGHT + key * 60) for key in range(1, 251)])
    api.site.put("answers", [answer(key, MIDNIGHT + key, 1) for key in range(300, 310)])
    api.site.put("comments", [comment(key, MIDNIGHT + key, 1) for key in range(5)])
    api.site.put("users", [user(1, MIDNIGHT), user(2, 1, last_modified_date=MIDNIGHT + 9), user(3, 1)])
    return api


def fetch(api: World, lake: Lake, entity="questions", day=DAY, client=None, **options):
    client = client or api.client()
    return fetch_day(lake, client, "beer", day, entity, api.settings, **options)


def ids(lake: Lake, entity="questions", day=DAY) -> list[int]:
    key = {"questions": "question_id", "users": "user_id"}.get(entity, f"{entity[:-1]}_id")
    fetches = fetches_of(lake, entity, day, "beer")
    return [item[key] for one in fetches for page in pages_in(lake, one) for item in page.items]


def test_a_day_is_kept_as_it_was_received_with_its_request_and_without_the_key(api, lake):
    day = fetch(api, lake)
    assert day.missing == ""
    assert set(ids(lake)) == set(range(1, 251))
    (only,) = day.fetches
    assert only.covered == (Covered("activity", MIDNIGHT, DAY_END),)
    first = next(iter(pages_in(lake, only)))
    assert first.path == "/questions"
    assert first.parameters["min"] == str(MIDNIGHT)
    assert first.parameters["site"] == "alcohol"
    assert first.body.startswith('{"items": [')
    for file in lake.files(""):
        content = lake.read_bytes(file.path)
        assert KEY.encode() not in (gzip.decompress(content) if file.path.endswith(".gz") else content), file.path


def test_a_machine_whose_clock_is_ahead_makes_no_day_whole_before_the_api_has_closed_it(api, lake):
    api.clock.moment = datetime.fromisoformat(f"{DAY}T00:02:00+00:00") + timedelta(days=1)
    ahead = timedelta(minutes=3)
    api.server.now = lambda: (api.clock.now() - ahead).timestamp()
    told = "2026-01-05 has not closed: it is 2026-01-05 23:59:.. there and 2026-01-06 00:02:.. here"
    with pytest.raises(Unavailable, match=told):
        fetch(api, lake)
    assert fetches_of(lake, "questions", DAY, "beer") == []
    api.site.put("questions", [question(900, DAY_END)])
    api.clock.sleep(120)
    assert fetch(api, lake).missing == ""
    assert 900 in ids(lake)


def test_all_entities_of_a_day(api, lake):
    for entity in ("answers", "comments", "users"):
        assert fetch(api, lake, entity).missing == ""
    assert ids(lake, "answers") == list(range(300, 310))
    assert ids(lake, "comments") == list(range(5))
    assert sorted(ids(lake, "users")) == [1, 2], "a new one who changed nothing, and one who did; not a third"


def test_a_day_that_is_here_is_not_asked_for_again_unless_somebody_says_so(api, lake):
    fetch(api, lake)
    before = len(api.server.requests)
    again = fetch(api, lake)
    assert (again.new, len(api.server.requests)) == ((), before)
    api.site.put("questions", [question(7, DAY_END + 99, score=5)])
    later = fetch(api, lake, again=True)
    assert len(later.fetches) == 2
    assert ids(lake).count(7) == 1, "it has left the day; the first fetch still has it"
    assert later.data_version != again.data_version


def test_what_the_quota_did_not_reach_is_missing_and_taken_up_from_there(api, lake):
    api.server.quota_max = 3  # one of them makes the filter
    client = api.client(api_reserve=0)
    part = fetch(api, lake, client=client)
    assert "rows by activity are missing from 03:" in part.missing
    assert "0 of 3 requests left" in part.missing
    other = fetch(api, lake, "answers", client=client)
    assert (other.fetches, "00:00:00" in other.missing) == ((), True)
    api.clock.sleep(24 * 3600)
    rest = fetch(api, lake, client=api.client(api_reserve=0))
    assert rest.missing == ""
    asked = api.asked("questions")
    assert int(asked[2]["min"]) > MIDNIGHT + 3 * 3600, "it goes on where it ended"
    assert set(ids(lake)) == set(range(1, 251))


def test_what_came_before_the_api_broke_down_is_kept_and_not_asked_for_again(api, lake):
    api.server.faults = [Fault(), Fault(), *[Fault(status=503)] * 6]
    with pytest.raises(Unavailable, match="HTTP 503"):
        fetch(api, lake)
    kept = ids(lake)
    assert len(kept) == 100
    assert fetch(api, lake).missing == ""
    assert set(ids(lake)) == set(range(1, 251))
    assert len(ids(lake)) - 250 <= 3, "overlapping seconds only"


def test_a_fetch_that_is_killed_keeps_what_came_before(api, lake, monkeypatch):
    monkeypatch.setattr(windows, "PAGE_ROWS", 10)
    monkeypatch.setattr(fetching, "PAGES_AT_ONCE", 4)
    client, left = api.client(), iter(range(11))
    answered = client.ask

    def ask(*question):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return answered(*question)

    monkeypatch.setattr(client, "ask", ask)
    with pytest.raises(KeyboardInterrupt):
        fetch(api, lake, client=client)
    assert [one.pages for one in fetches_of(lake, "questions", DAY, "beer")] == [4, 4]
    before = len(api.server.requests)
    assert fetch(api, lake).missing == ""
    assert set(ids(lake)) == set(range(1, 251))
    every = [tuple(sorted(asked.items())) for asked in api.asked("questions")]
    assert len(every) - len(set(every)) == 11 - 1 - 8, "a filter was asked for, too; the last two pages come again"
    assert before + 20 <= len(api.server.requests) <= before + 24


THROTTLED = "too many requests from this IP, more requests available in 9 seconds"
FAULTS = {
    "502 three times": [Fault(status=502)] * 3,
    "throttle with seconds": [Fault(error_id=502, message=THROTTLED)],
    "throttle without": [Fault(error_id=502, message="Violation of backoff parameter")],
    "backoff": [Fault(backoff=30)],
    "a page of HTML": [Fault(status=200)],
    "truncated gzip": [Fault(cut=9)],
    "reset in mid-body": [Fault(reset_after=90)],
    "slow drip": [Fault(drip=0.0001)],
    "a duplicate page": [Fault(repeated=True)],
    "all at once": [Fault(repeated=True), Fault(status=502), Fault(cut=9), Fault(reset_after=9), Fault(backoff=3)],
}
HARMLESS = {"backoff", "slow drip"}


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_goes_wrong_on_a_page_the_day_is_whole_and_no_row_more_than_its_second_twice(api, lake, name):
    client = api.client()
    client._transport._seconds = 30
    api.server.faults = [Fault(), Fault(), *FAULTS[name]]  # the filter, page 1, then trouble
    assert fetch(api, lake, client=client).missing == ""
    assert sorted(set(ids(lake))) == list(range(1, 251))
    assert len(ids(lake)) == 252, "the last row of page 1 begins page 2, and so on"
    tries = 0 if name in HARMLESS else len(FAULTS[name]) - ("all" in name)
    assert len(api.server.requests) == 4 + tries, "the filter, three pages, and each fault asked for again"


def test_an_api_that_never_ends_is_given_up_with_what_came_and_the_rest_is_whole_the_next_time(api, lake):
    api.server.faults = [Fault(), *[Fault(says_more=True)] * 1000]
    with pytest.raises(Unavailable, match="says that there is more"):
        fetch(api, lake)
    assert len(api.server.requests) < 30, "not as long as the API likes"
    assert len(set(ids(lake))) >= 200, "what came is kept"
    api.server.faults = []
    assert fetch(api, lake).missing == ""
    assert set(ids(lake)) == set(range(1, 251))


def test_a_wrong_key_leaves_nothing_behind(api, lake):
    with pytest.raises(Unavailable, match="key"):
        fetch(api, lake, client=api.client(api_key="wrong"))
    assert fetches_of(lake, "questions", DAY, "beer") == []


def test_a_fetch_that_died_before_its_manifest_does_not_count(api, lake):
    (only,) = fetch(api, lake).fetches
    lake.delete(paths.raw_api_manifest("questions", DAY, "beer", only.fetched))
    assert fetches_of(lake, "questions", DAY, "beer") == []
    assert fetch(api, lake).missing == ""


def test_two_fetches_of_one_moment_do_not_share_a_folder(api, lake):
    for _ in range(2):
        pages = PageFile()
        pages.add({"path": "/questions", "parameters": {}}, api.clock.now(), 200, {}, '{"items": []}')
        pages.save(lake, "", "beer", DAY, "questions", WINDOW)
    assert len(fetches_of(lake, "questions", DAY, "beer")) == 2


def test_a_day_that_has_not_closed_is_refused_and_midnight_in_mid_fetch_changes_nothing(api, lake):
    api.clock.moment = datetime.fromisoformat("2026-01-05T23:59:58+00:00")
    with pytest.raises(BadInput, match=r"2026-01-05 has not closed yet.*2026-01-04"):
        fetch(api, lake)
    api.site.put("questions", [question(900, MIDNIGHT - 50)])

    def midnight() -> None:
        api.clock.moment += timedelta(seconds=30)
        api.site.put("questions", [question(901, DAY_END + 5)])

    api.server.faults = [Fault(), Fault(before=midnight)]
    assert fetch(api, lake, day="2026-01-04").missing == ""
    assert ids(lake, day="2026-01-04") == [900]
    assert fetches_of(lake, "questions", DAY, "beer") == []


def test_days_before_the_start_come_from_dumps_and_the_start_does_not_move(api, lake):
    with pytest.raises(BadInput, match="2026-01-01, the first day"):
        fetch(api, lake, day="2025-12-31")
    fetch(api, lake)
    moved = api.settings.__class__(home=api.settings.home, api=api.settings.api, api_start="2026-01-03")
    with pytest.raises(BadInput, match="begin at 2026-01-01"):
        fetch_day(lake, api.client(), "beer", DAY, "questions", moved)


def test_a_site_that_the_api_does_not_know_and_another_name_of_one_are_refused(api, lake):
    with pytest.raises(BadInput, match="another name of the site 'beer'"):
        fetch_day(lake, api.client(), "alcohol", DAY, "questions", api.settings)
    with pytest.raises(Unavailable, match="No site found for name `ai`"):
        fetch_day(lake, api.client(), "ai", DAY, "questions", api.settings)


@pytest.mark.parametrize(
    ("stretches", "missing"),
    [
        ([], 0),
        ([(0, 9)], None),
        ([(0, 4)], 5),
        ([(5, 9)], 0),
        ([(0, 4), (5, 9)], None),
        ([(5, 9), (0, 6)], None),
        ([(0, 2), (4, 9)], 3),
    ],
)
def test_what_several_fetches_cover_together(api, lake, stretches, missing):
    api.site.rows["questions"].clear()
    (made,) = fetch(api, lake).fetches
    found = [made.__class__(**made.__dict__ | {"covered": (Covered("activity", *span),)}) for span in stretches]
    assert first_missing(found, "activity", 0, 9) == missing


def test_the_clock_begins_where_the_setting_says():
    clock = Clock("2017-03-05T00:00:30")
    assert newest_closed(clock.now()) == "2017-03-03", "the 4th closes a minute later"
    assert clock.now() - datetime.fromisoformat("2017-03-05T00:00:30+00:00") < timedelta(seconds=5)
    with pytest.raises(BadInput, match="LAKEHOUSE_NOW"):
        Clock("yesterday")
