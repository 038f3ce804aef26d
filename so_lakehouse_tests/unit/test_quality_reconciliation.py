"""What a reconciliation's checks say of its numbers: when they fail, how badly, and with which words."""

from __future__ import annotations

import pytest

from so_lakehouse.quality.reconciliation import DECLARATIONS, is_error, outcomes


def judged(present: int, missing: int = 0, extra: int = 0, days: tuple[str, ...] = (), others: tuple[str, ...] = ()):
    posts = {"rows_present": present, "rows_missing": missing, "rows_extra": extra}
    found = outcomes("beer", "2016-10-01", {"posts": posts}, {"posts": days, "users": others})
    assert [outcome.name for outcome in found] == [declared.name for declared in DECLARATIONS]
    assert not any(outcome.blocking for outcome in found), "the dump is right, whatever was predicted"
    return found


def test_ninety_nine_of_a_hundred_are_enough_on_either_side():
    posts, whole = judged(99, missing=1, extra=1)
    assert (posts.passed, whole.passed) == (True, True)
    assert (posts.metadata["share_present"], posts.metadata["share_predicted"]) == (0.99, 0.99)


@pytest.mark.parametrize("numbers", [{"missing": 2}, {"extra": 2}])
def test_fewer_on_one_side_are_an_error_where_every_day_was_asked_for(numbers):
    posts, _ = judged(98, **numbers)
    assert not posts.passed
    assert is_error(posts)
    assert "98.00%" in posts.detail
    assert "Every day had been asked for" in posts.detail


def test_missing_days_make_it_a_warning_that_names_them_and_never_a_pass():
    days = tuple(f"2016-11-{day:02}" for day in range(1, 6))
    posts, whole = judged(98, extra=2, days=days)
    assert (posts.passed, whole.passed) == (False, False)
    assert not is_error(posts)
    assert "2016-11-01, 2016-11-02, 2016-11-03 and 2 more" in posts.detail


def test_missing_days_of_other_tables_do_not_explain_missing_posts():
    posts, whole = judged(98, missing=2, others=("2016-11-01",))
    assert is_error(posts)
    assert not whole.passed
    assert whole.metadata == {"days_missing": 1}


def test_posts_that_agree_pass_although_days_are_missing_and_the_days_are_told():
    posts, whole = judged(100, days=("2016-11-01",))
    assert posts.passed
    assert not whole.passed
    assert not is_error(whole)
    assert "2016-11-01" in whole.detail


def test_where_the_dumps_do_not_both_tell_posts_nothing_passes_in_silence():
    posts, _ = outcomes("beer", "2016-10-01", {}, {})
    assert not posts.passed
    assert not is_error(posts)


def test_of_no_posts_all_are_there():
    assert judged(0)[0].passed
