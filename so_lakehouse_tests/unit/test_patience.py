"""How long a server that fails is tried: waits by full jitter, what the server asks for, and an end."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from so_lakehouse.errors import Unavailable
from so_lakehouse.patience import Patience, Transient, retry_after


class Hours:
    """A clock that only sleeping and asking move, and what was slept."""

    def __init__(self) -> None:
        self.now, self.waits = 1_000.0, list[float]()

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def patience(self, **changes: float) -> Patience:
        return Patience(sleep=self.sleep, monotonic=lambda: self.now, **changes)  # type: ignore[arg-type]

    def failing(self, takes: float = 0.0, asks_for: float = 0.0) -> Callable[[], None]:
        """A question that takes so many seconds to fail, and asks to be left alone for so many."""

        def ask() -> None:
            self.now += takes
            raise Transient("It is down.", asks_for)

        return ask


@pytest.fixture(autouse=True)
def _chance() -> Iterator[None]:
    """Every test has the same chance, and leaves the next one's alone."""
    state = random.getstate()
    random.seed(20260105)
    yield
    random.setstate(state)


@pytest.mark.parametrize(("failures", "cap"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 5.0), (9, 5.0)])
def test_a_wait_is_anything_from_none_to_a_cap_that_doubles_up_to_the_longest(failures, cap):
    hours = Hours()
    patience = hours.patience(tries=10, first_wait=0.5, longest_wait=5.0)
    for _ in range(2_000):
        patience.wait(failures, Transient("It is down."))
    tenths = [sum(cap * part / 10 <= wait <= cap * (part + 1) / 10 for wait in hours.waits) for part in range(10)]
    assert min(hours.waits) >= 0
    assert max(hours.waits) <= cap
    assert all(120 <= waits <= 280 for waits in tenths), "each tenth of the way is as likely as the others"


def test_those_that_failed_together_do_not_come_back_together():
    runs = [Hours() for _ in range(2)]
    for hours in runs:
        with pytest.raises(Unavailable):
            hours.patience().until_answered(hours.failing())
    first, second = (hours.waits for hours in runs)
    assert len(first) == len(second) == 5
    assert not set(first) & set(second)


def test_the_same_chance_draws_the_same_waits():
    hours = Hours()
    random.seed(7)
    with pytest.raises(Unavailable, match=r"It is down\. Tried 9 times; try again later"):
        hours.patience(tries=9).until_answered(hours.failing())
    chance = random.Random(7)
    assert hours.waits == [chance.uniform(0, cap) for cap in (1, 2, 4, 8, 16, 32, 60, 60)]


@pytest.mark.parametrize("takes", [0.0, 7.0])
def test_the_deadline_ends_the_tries_and_no_wait_goes_beyond_it(takes):
    """The time that the tries take themselves is part of it."""
    tried = set()
    for _ in range(50):
        hours = Hours()
        with pytest.raises(Unavailable, match=r"It is down\. Tried for \d+ seconds; try again later") as ended:
            hours.patience(tries=1_000, deadline=100.0).until_answered(hours.failing(takes))
        assert hours.now - 1_000 <= 100.0 + takes
        assert sum(hours.waits) <= 100.0
        assert isinstance(ended.value.__cause__, Transient)
        tried.add(len(hours.waits))
    assert len(tried) > 1, "how often it is tried is chance, when it ends is not"


def test_a_wait_that_would_end_after_the_deadline_is_not_begun():
    hours = Hours()
    with pytest.raises(Unavailable, match="Tried for 0 seconds"):
        hours.patience(deadline=100.0).until_answered(hours.failing(asks_for=101.0))
    assert hours.waits == []


def test_what_the_server_asks_for_is_the_least_wait_and_more_than_is_borne_is_the_end():
    hours = Hours()
    with pytest.raises(Unavailable):
        hours.patience(tries=4, longest_retry_after=30).until_answered(hours.failing(asks_for=30.0))
    assert len(hours.waits) == 3
    assert min(hours.waits) >= 30
    hours = Hours()
    with pytest.raises(Unavailable, match="It asks to come back in 31 seconds"):
        hours.patience(tries=4, longest_retry_after=30).until_answered(hours.failing(asks_for=31.0))
    assert hours.waits == []


def test_an_answer_ends_the_waiting_and_what_is_not_transient_is_not_tried_again():
    hours, answers = Hours(), iter([Transient("It is down."), Transient("It is down."), "an answer"])

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, Transient):
            raise answer
        return answer

    assert hours.patience().until_answered(ask) == "an answer"
    assert len(hours.waits) == 2

    def refuse() -> None:
        raise Unavailable("It refuses.")

    with pytest.raises(Unavailable, match=r"^It refuses\.$"):
        hours.patience().until_answered(refuse)
    assert len(hours.waits) == 2


def test_who_may_try_once_does_not_wait():
    hours = Hours()
    with pytest.raises(Unavailable, match="Tried once"):
        hours.patience(tries=1).until_answered(hours.failing())
    assert hours.waits == []


def test_a_header_asks_for_seconds_or_for_a_date_and_anything_else_for_nothing():
    assert retry_after(" 120 ") == 120.0
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(minutes=1), usegmt=True)
    assert 55 <= retry_after(in_a_minute) <= 60
    assert retry_after("Fri, 25 Oct 2013 21:21:34 GMT") == 0.0
    assert retry_after("soon") == retry_after("") == 0.0
