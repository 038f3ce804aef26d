"""People hear of an incident once, and once more when it is over, whatever it does in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from so_lakehouse.alerts.changes import QUIET, Changes, Known, compare
from so_lakehouse.alerts.incident import MOST_SINGLE_MESSAGES, Incident, Kind, Message, gathered, opened, over

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def late(site: str, why: str = "silver reaches to yesterday.") -> Incident:
    return Incident(Kind.SITE_LATE, "silver", site, why, f"so-lakehouse run --site {site}", site)


class People:
    """Looks once a minute and writes down what it is told."""

    def __init__(self) -> None:
        self.known: dict[str, Known] = {}
        self.now = NOON
        self.heard: list[str] = []

    def look(self, *found: Incident, not_looked_for: frozenset[Kind] = frozenset()) -> Changes:
        news = compare(self.known, found, not_looked_for, self.now)
        self.known = news.known
        self.heard += [f"over {entry.incident.site}" for entry in news.ended]
        self.heard += [entry.incident.site for entry in news.begun]
        self.now += MINUTE
        return news


def test_an_incident_that_lasts_is_told_once():
    people = People()
    for _ in range(100):
        people.look(late("beer"))
    assert people.heard == ["beer"]


def test_other_words_for_the_same_incident_are_no_news():
    people = People()
    for hours in range(27, 40):
        people.look(late("beer", f"{hours} hours ago"))
    assert people.heard == ["beer"]


def test_two_sites_are_two_incidents_and_end_by_themselves():
    people = People()
    people.look(late("ai"), late("beer"))
    for _ in range(12):
        people.look(late("beer"))
    assert people.heard == ["ai", "beer", "over ai"]
    assert people.known.keys() == {late("beer").key}


def test_over_is_told_once_after_it_has_stayed_away_and_says_since_when():
    people = People()
    people.look(late("beer"))
    gone = people.now
    told = [people.look() for _ in range(30)]
    assert people.heard == ["beer", "over beer"]
    (ended,) = [entry for news in told for entry in news.ended]
    assert (ended.since, ended.gone) == (NOON, gone)


def test_it_is_not_over_before_it_has_stayed_away_for_the_quiet_time():
    known = {late("beer").key: Known(late("beer"), NOON, gone=NOON)}
    assert compare(known, [], (), NOON + QUIET - timedelta(seconds=1)).ended == ()
    assert len(compare(known, [], (), NOON + QUIET).ended) == 1


def test_one_that_flaps_is_told_once_and_once_when_it_has_calmed_down():
    people = People()
    for _ in range(50):
        people.look(late("beer"))
        people.look()
    assert people.heard == ["beer"]
    for _ in range(15):
        people.look()
    assert people.heard == ["beer", "over beer"]


def test_one_that_comes_back_after_it_was_over_is_a_new_one():
    people = People()
    people.look(late("beer"))
    for _ in range(15):
        people.look()
    people.look(late("beer"))
    assert people.heard == ["beer", "over beer", "beer"]


def test_nothing_ends_of_a_kind_that_could_not_be_looked_for():
    people = People()
    people.look(late("beer"))
    for _ in range(60):
        people.look(not_looked_for=frozenset({Kind.SITE_LATE}))
    assert people.heard == ["beer"]
    people.look(late("beer"))
    assert people.heard == ["beer"]


def test_a_clock_that_was_set_back_ends_nothing_early():
    people = People()
    people.look(late("beer"))
    people.look()
    people.now -= timedelta(hours=3)
    assert people.look().ended == ()


def test_a_message_says_what_where_why_and_the_next_step():
    failed = Incident(
        Kind.CHECK_FAILED,
        "bronze/dump",
        "2016-10-01|beer",
        "rows_conserved: two rows are missing.",
        "so-lakehouse run --site beer --quarter 2016-10-01",
        "beer",
        ("comments", "posts"),
        "http://127.0.0.1:3000/runs/1a2b",
    )
    assert opened(failed) == Message(
        "so_lakehouse: blocking check failed · bronze/dump · 2016-10-01|beer",
        "What: blocking check failed\n"
        "Where: bronze/dump 2016-10-01|beer; site beer; tables comments, posts; run http://127.0.0.1:3000/runs/1a2b\n"
        "Why: rows_conserved: two rows are missing.\n"
        "Next: so-lakehouse run --site beer --quarter 2016-10-01",
    )
    assert over(failed, NOON, NOON + timedelta(hours=26)) == Message(
        "so_lakehouse: over: blocking check failed · bronze/dump · 2016-10-01|beer",
        "What: over: blocking check failed\n"
        "Where: bronze/dump 2016-10-01|beer; site beer; tables comments, posts; run http://127.0.0.1:3000/runs/1a2b\n"
        "When: from 2026-01-06 12:00 to 2026-01-07 14:00 UTC",
        good_news=True,
    )


def test_many_incidents_at_once_are_one_message_that_names_them_all():
    few = [opened(late(f"site{number}")) for number in range(MOST_SINGLE_MESSAGES)]
    assert gathered(few) == few
    many = [*few, opened(late("beer"))]
    (one,) = gathered(many)
    assert one.title == f"so_lakehouse: {len(many)} incidents"
    assert all(message.body in one.body for message in many)
    assert not one.good_news


def test_a_why_that_never_ends_is_cut():
    assert len(opened(late("beer", "x" * 100_000)).body) < 2_000
