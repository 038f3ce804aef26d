"""Which dumps and pages belong together, and when they are to be compared: from manifests alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from so_lakehouse.lake import paths, reconcilable, reconciliation
from so_lakehouse.lake.api_raw import FetchManifest
from so_lakehouse.lake.reconcilable import due, is_due
from so_lakehouse.lake.reconciliation import Reconciliation
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.schema_api import ENTITIES, entities_of
from so_lakehouse_tests.pipeline.evidence import at, write_dump, write_pages

BEFORE, NEXT = "2016-09-28", "2016-10-03"
QUARTER = "2016-10-01"
DAYS = ("2016-09-29", "2016-09-30", "2016-10-01", "2016-10-02", "2016-10-03")


def dump(lake: Lake, cut: str, version: str = "", **tables: list) -> None:
    every = {"posts": [{"Id": 1}], "users": [{"Id": 1}], "comments": [{"Id": 1}]}
    write_dump(lake, cut, every | tables, version=version)


def page(lake: Lake, entity: str, day: str, fetched: str, **told) -> None:
    write_pages(lake, entity, day, [(fetched, {"Id": 1})], **told)


def every_day(lake: Lake, *days: str) -> None:
    """Each day whole, asked for on the next morning."""
    for day in days or DAYS:
        for entity in ENTITIES:
            page(lake, entity, day, f"{day[:8]}{int(day[8:]) + 1:02}T06:00:00" if day != DAYS[1] else "2016-10-01")


@pytest.fixture
def two_dumps(lake: Lake) -> Lake:
    dump(lake, BEFORE)
    dump(lake, NEXT)
    return lake


def compare(lake: Lake) -> None:
    """As the comparison notes what it did."""
    for found in due(lake, "beer"):
        files = reconciliation.files_of(found.quarter, "beer", found.data_version)
        done = Reconciliation("beer", found.quarter, "2016-10", reconcilable.RULES, found.inputs, files, {})
        done.save(lake, {results.name: [] for results in reconciliation.ALL})


def pair_of(lake: Lake, table: str) -> reconcilable.Pair:
    (found,) = due(lake, "beer")
    return next(pair for pair in found.pairs if pair.table.name == table)


def test_without_pages_between_two_dumps_there_is_nothing_to_reconcile(two_dumps: Lake) -> None:
    assert not is_due(two_dumps, "beer")


def test_pages_from_before_the_first_dump_or_about_days_after_the_second_make_nothing_to_reconcile(two_dumps):
    page(two_dumps, "questions", "2016-09-20", "2016-09-21")
    page(two_dumps, "questions", "2016-10-04", "2016-10-05")
    page(two_dumps, "questions", NEXT, "2016-10-04T06:00:00")  # of the cut's own day, fetched after it
    assert not is_due(two_dumps, "beer")


def test_a_dump_alone_has_nothing_before_it(lake: Lake) -> None:
    dump(lake, NEXT)
    every_day(lake)
    assert not is_due(lake, "beer")


def test_a_dump_is_reconciled_with_the_newest_before_it_and_the_pages_since(two_dumps: Lake) -> None:
    dump(two_dumps, "2016-06-05")
    page(two_dumps, "questions", "2016-06-20", "2016-06-21")
    page(two_dumps, "questions", "2016-09-28", "2016-09-29")
    page(two_dumps, "answers", "2016-10-02", "2016-10-03")
    posts = next(pair for pair in due(two_dumps, "beer")[-1].pairs if pair.table.name == "posts")
    assert (posts.previous.cut_date, posts.next.cut_date) == (BEFORE, NEXT)
    assert [manifest.day for manifest in posts.pages] == ["2016-09-28", "2016-10-02"]
    assert posts.until == at("2016-10-04T23:59:59.999999")
    assert posts.days == DAYS


def test_all_tables_that_pages_tell_are_compared_as_soon_as_some_page_is_there(two_dumps: Lake) -> None:
    page(two_dumps, "questions", DAYS[0], "2016-09-30")
    (found,) = due(two_dumps, "beer")
    assert {pair.table.name for pair in found.pairs} == {name for name, table in TABLES.items() if entities_of(table)}
    assert pair_of(two_dumps, "users").missing_days == DAYS, "a table without a page has missed every day"


def test_a_day_counts_as_whole_where_all_its_entities_are_by_a_day_after_the_cut(two_dumps: Lake) -> None:
    every_day(two_dumps)
    assert pair_of(two_dumps, "posts").missing_days == ()
    page(two_dumps, "answers", DAYS[0], "2016-09-30", is_whole=False)
    page(two_dumps, "questions", DAYS[1], "2016-10-01", failed=True)
    page(two_dumps, "questions", DAYS[2], "2016-10-05")  # whole, but only later
    page(two_dumps, "answers", DAYS[3], "2016-10-05", whole_at="2016-10-03T06:00:00")  # and asked once more later
    assert pair_of(two_dumps, "posts").missing_days == DAYS[:3]
    assert pair_of(two_dumps, "comments").missing_days == ()


def test_what_has_been_compared_is_due_no_more(two_dumps: Lake) -> None:
    every_day(two_dumps)
    compare(two_dumps)
    assert not is_due(two_dumps, "beer")


def test_a_page_that_lands_late_and_a_reissued_dump_make_it_due_again(two_dumps: Lake) -> None:
    every_day(two_dumps)
    compare(two_dumps)
    page(two_dumps, "users", DAYS[0], "2016-10-04T05:00:00", version="2")
    assert is_due(two_dumps, "beer")
    compare(two_dumps)
    dump(two_dumps, NEXT, posts=[{"Id": 1}, {"Id": 2}])
    assert is_due(two_dumps, "beer")


def test_other_rules_make_it_due_again(two_dumps: Lake, monkeypatch) -> None:
    every_day(two_dumps)
    compare(two_dumps)
    monkeypatch.setattr(reconcilable, "RULES", reconcilable.RULES + 1)
    assert is_due(two_dumps, "beer")


def test_once_maintenance_has_taken_pages_what_was_compared_stays(two_dumps: Lake) -> None:
    every_day(two_dumps)
    compare(two_dumps)
    two_dumps.delete(paths.bronze_api("questions", DAYS[0], "beer"))
    dump(two_dumps, NEXT, version="reissued")
    assert not is_due(two_dumps, "beer"), "less evidence would make a worse prediction"


def test_where_raw_has_a_day_that_bronze_lacks_nothing_is_compared(two_dumps: Lake) -> None:
    every_day(two_dumps)
    two_dumps.delete(paths.bronze_api("questions", DAYS[0], "beer"))
    assert is_due(two_dumps, "beer"), "a day that nobody asked for is a missing one"
    moment = "2016-09-30T06:00:00+00:00"
    facts = ("window", "20160930T060000.000000Z", moment, moment, "https://api", 1, 1, "pages", "sha")
    FetchManifest("beer", DAYS[0], "questions", *facts).save(two_dumps)
    assert not is_due(two_dumps, "beer")


def test_a_dump_that_does_not_pass_is_not_reconciled(lake: Lake) -> None:
    dump(lake, BEFORE)
    write_dump(lake, NEXT, {"posts": [{"Id": 1}]}, failed=["posts"])
    every_day(lake)
    assert not is_due(lake, "beer")


def test_another_version_takes_the_place_of_the_one_before(two_dumps: Lake) -> None:
    every_day(two_dumps)
    compare(two_dumps)
    first = Reconciliation.load(two_dumps, QUARTER, "beer")
    page(two_dumps, "users", DAYS[0], "2016-10-04T05:00:00", version="2")
    compare(two_dumps)
    (found,) = reconciliation.of_all_sites(two_dumps)
    assert found.data_version != first.data_version
    assert found == replace(found, files=reconciliation.files_of(QUARTER, "beer", found.data_version))
    held = [path for path in two_dumps.list(paths.reconciliation(QUARTER, "beer")) if path.endswith(".parquet")]
    assert sorted(held) == sorted(found.files.values())
