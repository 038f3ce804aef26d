"""Nothing is seen in the warehouse that does not equal silver: what differs is repaired, or refused and on record."""

from __future__ import annotations

from typing import Any

import pytest

from so_lakehouse.errors import BadInput
from so_lakehouse.lake import paths
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import diff, feed, server
from so_lakehouse.warehouse.load import load_site
from so_lakehouse_tests.pipeline.silver_site import SilverSite, small_site
from so_lakehouse_tests.pipeline.warehouse_catalogue import assert_equals_silver, changed_months, compare_site
from so_lakehouse_tests.pipeline.warehouse_catalogue import run as ask


def tampered(settings: Settings) -> None:
    """Three tables, each changed in a way of its own behind the loader's back."""
    connection = server.connect(settings)
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE lake.posts SET score = 6 WHERE id = 1")
        cursor.execute("UPDATE lake.votes SET n = 3 - n WHERE post_id = 1")  # the sum stays, the rows change places
        cursor.execute("DELETE FROM lake.tags WHERE id = 1")
    connection.close()


def test_a_warehouse_that_differs_from_silver_by_one_value_is_found(warehouse: Settings, lake: Lake) -> None:
    small_site(lake)
    load_site(lake, warehouse, "beer")
    tampered(warehouse)
    compared = compare_site(lake, warehouse, "beer")
    assert {name for name, outcome in compared.items() if not outcome.passed} == {"posts", "votes", "tags"}
    assert "the same number of rows, other values" in compared["votes"].detail
    assert "1 rows, 2 in silver" in compared["tags"].detail


def test_a_load_repairs_what_differs_from_silver_though_nothing_is_new(warehouse: Settings, lake: Lake) -> None:
    small_site(lake)
    load_site(lake, warehouse, "beer")
    tampered(warehouse)
    loaded = load_site(lake, warehouse, "beer")
    assert {name for name, done in loaded.items() if done.how == "reload"} == {"posts", "votes", "tags"}
    assert "somebody changed the warehouse" in loaded["votes"].reason
    assert all(done.check is not None and done.check.passed for done in loaded.values())
    assert_equals_silver(lake, warehouse)
    assert changed_months(warehouse, 2, "posts") == ["2016-01", "2016-03"]


def test_what_would_not_equal_silver_is_never_seen_and_the_refusal_is_on_record(
    warehouse: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    silver = small_site(lake)
    load_site(lake, warehouse, "beer")
    before = ask(warehouse, "SELECT *, xmin::text FROM lake.load_status ORDER BY table_name")
    silver.delete("votes", 1)
    silver.put("users", {"Id": 9, "Reputation": 1})
    silver.pass_checks()
    insert = diff.insert
    monkeypatch.setattr(diff, "insert", lambda projection: insert(projection) + " LIMIT 0")  # a loader that loses rows
    loaded = load_site(lake, warehouse, "beer")
    assert {done.how for done in loaded.values()} == {"refused"}
    assert {name for name, done in loaded.items() if done.check} == {"users", "votes"}
    assert ask(warehouse, "SELECT *, xmin::text FROM lake.load_status ORDER BY table_name") == before
    assert ask(warehouse, "SELECT (SELECT count(*) FROM lake.users), (SELECT sum(n) FROM lake.votes)") == [(2, 6)]
    refused = ask(warehouse, "SELECT table_name, check_name, detail FROM lake.refused ORDER BY 1")
    assert [row[:2] for row in refused] == [("users", "equals_silver"), ("votes", "equals_silver")]
    assert "2 rows, 3 in silver" in refused[0][2]

    monkeypatch.undo()
    load_site(lake, warehouse, "beer")
    assert ask(warehouse, "SELECT count(*) FROM lake.refused") == [(0,)]
    assert_equals_silver(lake, warehouse)


def test_a_first_load_that_would_not_equal_silver_leaves_nothing(
    warehouse: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_site(lake)
    real = feed.SilverTable.rows

    def halved(self: feed.SilverTable, projection: Any, site: str, *seen: Any) -> feed.Stream:
        stream = real(self, projection, site)
        return feed.Stream(stream.schema, (batch.slice(1) for batch in stream.reader())) if seen else stream

    monkeypatch.setattr(feed.SilverTable, "rows", halved)  # what is copied, not what is compared
    loaded = load_site(lake, warehouse, "beer")
    assert {done.how for done in loaded.values()} == {"refused"}
    assert ask(warehouse, "SELECT count(*) FROM pg_class WHERE relnamespace = 'lake_partition'::regnamespace") == [(0,)]


def test_a_site_that_silver_has_not_taken_in_is_refused_with_the_way_out(warehouse: Settings, lake: Lake) -> None:
    with pytest.raises(BadInput, match=r"nothing to load of beer.*run --site beer"):
        load_site(lake, warehouse, "beer")
    SilverSite(lake).put("users", {"Id": 9})
    SilverSite(lake).pass_checks()
    load_site(lake, warehouse, "beer")
    with pytest.raises(BadInput, match="silver has no votes of it"):
        load_site(lake, warehouse, "beer", ["votes"])


def test_a_load_of_some_tables_reads_no_others(warehouse: Settings, lake: Lake) -> None:
    small_site(lake)
    load_site(lake, warehouse, "beer")
    lake.delete(paths.silver("votes"))
    assert load_site(lake, warehouse, "beer", ["tags"])["tags"].check.passed


def test_a_site_that_was_never_loaded_does_not_equal_silver(warehouse: Settings, lake: Lake) -> None:
    small_site(lake, "beer")
    load_site(lake, warehouse, "beer")
    small_site(lake, "ai")
    compared = compare_site(lake, warehouse, "ai")
    assert not any(outcome.passed for outcome in compared.values())
    assert "holds nothing of ai" in compared["posts"].detail


def test_counting_in_slices_gives_the_same_rows(
    warehouse: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "ROWS_PER_SLICE", 2)
    small_site(lake)
    load_site(lake, warehouse, "beer")
    monkeypatch.undo()
    assert_equals_silver(lake, warehouse)
