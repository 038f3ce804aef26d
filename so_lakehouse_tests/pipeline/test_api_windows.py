"""A window of time is walked whole: nothing lost and nothing endless, whatever moves or fails meanwhile."""

from __future__ import annotations

import pytest

from so_lakehouse.api.budget import WINDOWS, NotNow
from so_lakehouse.api.windows import Walk, walk
from so_lakehouse.errors import Unavailable
from so_lakehouse.simulate.api_server import Fault
from so_lakehouse_tests.pipeline.api_world import MIDNIGHT, World, comment, question

DAY_END = MIDNIGHT + 86399
ACTIVITY = Walk("activity", "last_activity_date")


def steps(api: World, client=None):
    client = client or api.client()

    def ask(parameters, check):
        given = {"site": "alcohol", **parameters}
        return client.ask("questions", "/questions", given, WINDOWS, check)

    return walk(ask, ACTIVITY, "question_id", MIDNIGHT, DAY_END)


def ids(found) -> list[int]:
    return [item["question_id"] for step in found for item in step.page.items]


def fill(api: World, count: int, apart: int = 60) -> set[int]:
    api.site.put("questions", [question(key, MIDNIGHT + key * apart) for key in range(count)])
    api.site.put("questions", [question(9001, MIDNIGHT - 1), question(9002, DAY_END + 1)])
    return set(range(count))


@pytest.mark.parametrize("count", [0, 1, 100, 101, 350])
def test_every_row_of_the_day_comes_and_no_other(api, count):
    expected = fill(api, count)
    found = list(steps(api))
    assert set(ids(found)) == expected
    assert found[-1].covered_to == DAY_END + 1
    assert len(ids(found)) - count <= len(found), "only the second at which a page begins comes twice"


def test_a_day_of_more_than_25_pages_is_walked_whole_without_a_key(api):
    """Page 26 of one question needs one."""
    expected = fill(api, 2_601, apart=33)
    assert set(ids(steps(api, api.client(api_key="")))) == expected
    assert len(api.server.requests) > 25
    assert not any("'page'" in asked for asked in api.server.requests)


def test_both_ends_of_the_day_belong_to_it(api):
    api.site.put("questions", [question(1, MIDNIGHT), question(2, DAY_END)])
    assert ids(steps(api)) == [1, 2]


@pytest.mark.parametrize("crowd", [100, 230])
def test_a_second_with_more_rows_than_a_page_is_paged_inside(api, crowd):
    fill(api, 150)
    api.site.put("questions", [question(1000 + number, MIDNIGHT + 4000) for number in range(crowd)])
    assert set(ids(steps(api))) == {*range(150), *range(1000, 1000 + crowd)}


def test_a_row_that_leaves_a_crowded_second_hides_no_other(api):
    api.site.put("questions", [question(key, MIDNIGHT + 5) for key in range(350)])

    def leaves() -> None:
        api.site.put("questions", [question(3, DAY_END + 500)])

    api.server.faults = [Fault(), Fault(), Fault(before=leaves)]
    assert set(ids(steps(api))) == set(range(350)), "page 2 of that second begins one row later"


def test_rows_that_become_active_meanwhile_leave_the_day_and_hide_no_other(api):
    fill(api, 350)

    def moves() -> None:
        api.site.put("questions", [question(key, DAY_END + 900 + key) for key in (5, 120, 121, 300)])

    api.server.faults = [Fault(), Fault(before=moves)]
    found = set(ids(steps(api)))
    assert set(range(350)) - {120, 121, 300} <= found, "those three had left before they were asked for"


def test_progress_is_told_page_by_page_and_never_too_far(api):
    fill(api, 250)
    for step in steps(api):
        here = {item["question_id"] for item in step.page.items}
        assert all(MIDNIGHT + key * 60 >= step.covered_to for key in set(range(250)) - set(range(max(here) + 1)))


def test_a_page_that_comes_twice_is_asked_for_again(api):
    expected = fill(api, 250)
    api.server.faults = [Fault(), Fault(repeated=True)]
    assert set(ids(steps(api))) == expected


def test_a_page_of_another_method_is_no_answer_although_its_dates_lie_in_the_window(api):
    expected, client = fill(api, 50), api.client()
    api.site.put("comments", [comment(7, MIDNIGHT + 9, 6)])
    client.ask("comments", "/comments", {"site": "alcohol"}, WINDOWS)
    api.server.faults = [Fault(repeated=True)]
    assert set(ids(steps(api, client))) == expected


def test_an_empty_page_that_comes_once_more_covers_no_day(api):
    """It brings no rows by which to tell that it answers another question."""
    expected = fill(api, 50)
    api.client().ask("comments", "/comments", {"site": "alcohol"}, WINDOWS)
    api.server.faults = [Fault(repeated=True)] * 2
    began = api.clock.now()
    assert set(ids(steps(api))) == expected, "although another run has asked the other question"
    assert (api.clock.now() - began).total_seconds() >= 120, "the same question is answered from a cache for a minute"
    assert api.server.violations == []


def test_two_pages_that_are_both_empty_are_two_answers(api):
    client = api.client()
    for method in ("comments", "answers", "questions"):
        assert client.ask(method, f"/{method}", {"site": "alcohol"}, WINDOWS).items == []
    assert api.clock.waits == [] or max(api.clock.waits) < 1


def test_has_more_that_never_ends_is_given_up(api):
    fill(api, 3)
    api.server.faults = [Fault(says_more=True)] * 1000
    with pytest.raises(Unavailable, match="says that there is more, and brought nothing"):
        list(steps(api))
    assert len(api.server.requests) < 12


def test_pages_of_one_second_that_never_end_are_given_up(api, monkeypatch):
    api.site.put("questions", [question(key, MIDNIGHT) for key in range(100)])
    whole = api.site.answer
    monkeypatch.setattr(
        api.site, "answer", lambda *asked: (whole(asked[0], asked[1], {**asked[2], "page": "1"}, True)[0], True)
    )
    with pytest.raises(Unavailable, match="never ends: page 4"):
        list(steps(api))


def test_rows_outside_the_window_are_no_answer(api, monkeypatch):
    whole = api.site.answer
    api.site.put("questions", [question(1, MIDNIGHT - 5)])
    monkeypatch.setattr(
        api.site, "answer", lambda entity, named, query, key: whole(entity, named, {"sort": "activity"}, key)
    )
    with pytest.raises(Unavailable, match="outside"):
        list(steps(api))


def test_the_quota_gone_on_page_7_leaves_the_six_before_and_says_how_far_they_reach(api):
    fill(api, 1000)
    api.server.quota_max = 6
    found, client = [], api.client(api_reserve=0)
    walking = steps(api, client)
    with pytest.raises(NotNow, match="0 of 6 requests left"):
        found.extend(walking)
    assert len(found) == 6
    assert found[-1].covered_to == MIDNIGHT + max(ids(found)) * 60
    assert set(ids(found)) == set(range(max(ids(found)) + 1))
