"""How far rows are whole: the cut, and the days after it that were asked for whole, passed their checks, are taken in.

The dump's cut is the end of 2026-01-04; a day is asked for at six in the morning after it, where a test says nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from so_lakehouse.api.fetch import is_whole, whole_at
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.api_raw import WINDOW, Covered, FetchManifest
from so_lakehouse.lake.complete import rows_complete_to
from so_lakehouse.lake.ledger import LedgerRow
from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.schema import table

NOW = datetime(2026, 1, 20, tzinfo=UTC)
MIDNIGHT = 1_767_571_200  # 2026-01-05
BLOCKED = (CheckOutcome("quarantine_small", False, True, "too many"),)


def end_of(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), time.max, UTC)


CUT = end_of("2026-01-04")


def pages(entity: str, *days: str, asked: str = "") -> list[PagesManifest]:
    """Whole days of an entity; `asked`: on which day they were asked for, if not on the next."""
    found = []
    for day in days:
        morning = f"{asked or date.fromisoformat(day) + timedelta(days=1)}T06:00:00+00:00"
        found.append(PagesManifest("beer", day, entity, "v1", 1, 0, morning, whole_at=morning))
    return found


def reached(name: str, *days: PagesManifest, cut: datetime | None = CUT, lacking: str = "") -> datetime | None:
    """Up to when the table is whole, where bronze holds these days and silver has taken in all but `lacking`."""
    held = {(manifest.entity, manifest.day): manifest for manifest in days}
    taken_in = [
        LedgerRow("beer", name, f"api/{manifest.entity}", manifest.day, manifest.data_version, "r", NOW)
        for manifest in days
        if manifest.day != lacking
    ]
    return rows_complete_to(table(name), cut, taken_in, lambda entity, day: held.get((entity, day)))


def test_a_site_without_days_is_whole_to_the_cut_and_one_without_a_dump_to_nowhere() -> None:
    assert reached("comments") == CUT
    assert reached("comments", *pages("comments", "2026-01-05"), cut=None) is None


def test_a_table_that_the_api_does_not_serve_is_whole_to_the_cut() -> None:
    assert reached("votes", *pages("questions", "2026-01-05"), *pages("answers", "2026-01-05")) == CUT


def test_each_day_after_the_cut_carries_it_on() -> None:
    assert reached("comments", *pages("comments", "2026-01-05")) == end_of("2026-01-05")
    assert reached("comments", *pages("comments", "2026-01-05", "2026-01-06")) == end_of("2026-01-06")


def test_a_gap_stops_it() -> None:
    assert reached("comments", *pages("comments", "2026-01-06", "2026-01-07")) == CUT
    assert reached("comments", *pages("comments", "2026-01-05", "2026-01-07")) == end_of("2026-01-05")


@pytest.mark.parametrize("fault", [{"is_whole": False}, {"checks": BLOCKED}, {"data_version": "v2"}])
def test_a_day_that_is_not_whole_or_was_blocked_or_is_not_taken_in_as_it_is_stops_it(fault: dict) -> None:
    first, second = pages("comments", "2026-01-05", "2026-01-06")
    ledger = [LedgerRow("beer", "comments", "api/comments", day, "v1", "r", NOW) for day in (first.day, second.day)]
    held = {first.day: first, second.day: replace(second, **fault)}
    assert rows_complete_to(table("comments"), CUT, ledger, lambda _, day: held.get(day)) == end_of("2026-01-05")


def test_a_day_that_silver_never_took_in_stops_it() -> None:
    days = pages("comments", "2026-01-05", "2026-01-06")
    assert reached("comments", *days, lacking="2026-01-06") == end_of("2026-01-05")


def test_posts_need_both_questions_and_answers() -> None:
    questions = pages("questions", "2026-01-05", "2026-01-06")
    assert reached("posts", *questions) == CUT
    assert reached("posts", *questions, *pages("answers", "2026-01-05")) == end_of("2026-01-05")


def test_a_late_day_fills_a_gap_once_the_days_to_its_asking_are_here() -> None:
    """What was active again before a late asking had left its day: the days up to the asking bring it."""
    days = [*pages("comments", "2026-01-05", "2026-01-07", "2026-01-08")]
    late = pages("comments", "2026-01-06", asked="2026-01-10")
    assert reached("comments", *days, *late) == end_of("2026-01-05")
    assert reached("comments", *days, *late, *pages("comments", "2026-01-09")) == end_of("2026-01-09")


def test_catching_up_is_whole_only_when_it_has_caught_up() -> None:
    asked = [pages("comments", f"2026-01-0{n}", asked="2026-01-10") for n in range(5, 10)]
    caught_up = [day for days in asked for day in days]
    assert [reached("comments", *caught_up[:n]) for n in range(6)] == [CUT] * 5 + [end_of("2026-01-09")]


def test_asking_for_a_whole_day_once_more_takes_nothing_back() -> None:
    (day,) = pages("comments", "2026-01-05")
    assert reached("comments", replace(day, newest_as_of=NOW.isoformat())) == end_of("2026-01-05")
    assert reached("comments", replace(day, newest_as_of=NOW.isoformat(), whole_at="")) == CUT, "it was not noted when"


def test_a_newer_dump_overtakes_days_and_begins_the_count_anew() -> None:
    days = pages("comments", "2026-01-05", "2026-01-06", "2026-01-09")
    assert reached("comments", *days, cut=end_of("2026-01-07")) == end_of("2026-01-07")
    assert reached("comments", *days, cut=end_of("2026-01-08")) == end_of("2026-01-09")


def fetch(asked_at: str, since: int = 0, until: int = 86_399) -> FetchManifest:
    """A fetch of questions of 2026-01-05, of these seconds of it, begun and ended at that moment."""
    covered = (Covered("activity", MIDNIGHT + since, MIDNIGHT + until),)
    return FetchManifest(
        *("beer", "2026-01-05", "questions", WINDOW, asked_at, asked_at, asked_at, "https://api", 1, 1, "file", ""),
        covered,
    )


def test_a_day_that_was_asked_for_before_it_closed_is_not_whole() -> None:
    early, late = fetch("2026-01-05T23:59:59+00:00"), fetch("2026-01-06T00:01:00+00:00")
    assert not is_whole([early], "questions", "2026-01-05")
    assert is_whole([early, late], "questions", "2026-01-05")


def test_a_day_is_whole_from_the_fetch_on_that_brought_its_rest() -> None:
    part, rest = fetch("2026-01-06T06:00:00+00:00", until=999), fetch("2026-01-08T06:00:00+00:00", since=1_000)
    again = fetch("2026-01-09T06:00:00+00:00")
    assert whole_at([part], "questions", "2026-01-05") == ""
    assert whole_at([part, rest, again], "questions", "2026-01-05") == rest.newest_as_of
