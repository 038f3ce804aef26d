"""Up to when silver holds a site: the newest day that came whole, or the newest dump, whichever reaches further."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from so_lakehouse.api.current import of_site, standings
from so_lakehouse.api.days import require_same_start
from so_lakehouse.lake import gates
from so_lakehouse.lake.gates import TableGate
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.settings import Settings
from so_lakehouse_tests.days_in_silver import fetch, take_in, take_in_dump

FOURTH, FIFTH = "2026-01-04", "2026-01-05"


def midnight_after(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC, day=int(day[-2:]) + 1)


def test_a_lake_without_anything_has_no_site(lake):
    assert standings(lake) == []


def test_a_site_reaches_to_the_end_of_its_newest_day_in_silver(lake, settings):
    for day in (FOURTH, FIFTH):
        fetch(lake, "beer", day)
        take_in(lake, settings, "beer", day)
    (beer,) = standings(lake)
    assert (beer.site, beer.whole_to) == ("beer", midnight_after(FIFTH))
    assert beer == of_site(lake, "beer")


def test_a_day_that_waits_for_silver_does_not_count(lake, settings):
    fetch(lake, "beer", FOURTH)
    take_in(lake, settings, "beer", FOURTH)
    fetch(lake, "beer", FIFTH)
    assert of_site(lake, "beer").whole_to == midnight_after(FOURTH)


def test_a_day_of_which_a_second_is_missing_does_not_count(lake, settings):
    fetch(lake, "beer", FIFTH, whole=False)
    take_in(lake, settings, "beer", FIFTH)
    assert of_site(lake, "beer").whole_to is None


def test_a_day_of_which_one_entity_is_missing_does_not_count(lake, settings):
    some = ("questions", "answers", "comments")
    fetch(lake, "beer", FIFTH, entities=some)
    take_in(lake, settings, "beer", FIFTH, entities=some)
    assert of_site(lake, "beer").whole_to is None


def test_a_day_that_was_completed_counts_once_silver_has_the_rest(lake, settings):
    fetch(lake, "beer", FIFTH, whole=False)
    take_in(lake, settings, "beer", FIFTH)
    fetch(lake, "beer", FIFTH)
    assert of_site(lake, "beer").whole_to is None, "silver has the part"
    take_in(lake, settings, "beer", FIFTH)
    assert of_site(lake, "beer").whole_to == midnight_after(FIFTH)


def test_a_later_fetch_of_a_whole_day_that_waits_takes_nothing_back(lake, settings):
    fetch(lake, "beer", FIFTH)
    take_in(lake, settings, "beer", FIFTH)
    fetch(lake, "beer", FIFTH)
    assert of_site(lake, "beer").whole_to == midnight_after(FIFTH)


@pytest.mark.parametrize(("cut", "reaches_to"), [("2025-12-31", "day"), ("2026-01-06", "dump")])
def test_a_dump_counts_where_it_reaches_further(lake, settings, cut, reaches_to):
    fetch(lake, "beer", FIFTH)
    take_in(lake, settings, "beer", FIFTH)
    take_in_dump(lake, settings, "beer", cut)
    end_of_cut = datetime.fromisoformat(f"{cut}T23:59:59.999999+00:00")
    assert of_site(lake, "beer").whole_to == (end_of_cut if reaches_to == "dump" else midnight_after(FIFTH))


@pytest.mark.parametrize(
    ("complete_to", "can_be_asked"), [("2026-01-02", True), ("2025-12-31", True), ("2025-12-30", False)]
)
def test_days_are_missing_from_where_tables_are_whole_to_where_such_days_may_be_asked_for(
    lake, settings, complete_to, can_be_asked
):
    require_same_start(lake, settings)
    fetch(lake, "beer", FIFTH)
    take_in(lake, settings, "beer", FIFTH)
    assert of_site(lake, "beer").without_gap_to is None, "no dump has come"
    whole = datetime.fromisoformat(f"{complete_to}T23:59:59.999999+00:00")
    tables = {entity.table for entity in ENTITIES.values()}
    gates.save(lake, "beer", {table: TableGate(1, "1", (), complete_to=whole) for table in tables})
    gates.save(lake, "beer", {"users": TableGate(1, "1", (), complete_to=whole.replace(day=31, month=12, year=2026))})
    assert of_site(lake, "beer").without_gap_to == (whole if can_be_asked else None)


def test_a_site_that_has_dumps_alone_is_not_asked_for(lake, settings):
    take_in_dump(lake, settings, "ai", "2025-12-31")
    fetch(lake, "beer", FIFTH)
    assert {standing.site: standing.asked_since is not None for standing in standings(lake)} == {
        "ai": False,
        "beer": True,
    }


def test_a_site_that_silver_knows_no_page_of_is_asked_for_since_its_first_fetch(lake):
    for day in (FIFTH, FOURTH):
        fetch(lake, "beer", day)
    assert of_site(lake, "beer").asked_since == datetime(2026, 1, 5, 1, tzinfo=UTC)


def test_a_site_that_the_api_no_longer_knows_is_not_asked_for(lake, settings: Settings):
    from so_lakehouse.dumps.sites import all_sites

    gone = next(site.key for site in all_sites() if not site.api)
    fetch(lake, gone, FIFTH)
    assert of_site(lake, gone).asked_since is None
