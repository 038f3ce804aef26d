"""When a load cannot follow the change feed or need not: a gap, a lie, another table, and versions that move no row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from deltalake import DeltaTable

from so_lakehouse.lake import paths
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import feed, server
from so_lakehouse.warehouse.load import load_site
from so_lakehouse_tests.pipeline.silver_site import day, small_site
from so_lakehouse_tests.pipeline.warehouse_catalogue import assert_equals_silver
from so_lakehouse_tests.pipeline.warehouse_catalogue import run as ask

QUESTION_3 = {"Id": 3, "PostTypeId": 1, "CreationDate": day("2016-02-10"), "Tags": ["ale"], "OwnerUserId": 8}
ANSWER_4 = {"Id": 4, "PostTypeId": 2, "CreationDate": day("2016-04-10"), "ParentId": 3, "OwnerUserId": 7}


def test_a_feed_that_was_vacuumed_away_reloads_that_table(warehouse: Settings, lake: Lake) -> None:
    silver = small_site(lake)
    load_site(lake, warehouse, "beer")
    silver.delete("votes", 1)
    for old in lake.list(f"{paths.silver('votes')}/_change_data", recursive=True):
        lake.delete(old)
    silver.put("users", {"Id": 9, "Reputation": 1})
    silver.pass_checks()
    loaded = load_site(lake, warehouse, "beer")
    assert loaded["votes"].how == "reload"
    assert "change feed of silver/votes from version 1" in loaded["votes"].reason
    assert (loaded["votes"].inserted, loaded["votes"].updated, loaded["votes"].deleted) == (0, 1, 0)
    assert loaded["users"].how == "changes"
    assert_equals_silver(lake, warehouse)


def test_a_table_created_anew_reloads_the_site(warehouse: Settings, lake: Lake) -> None:
    silver = small_site(lake)
    load_site(lake, warehouse, "beer")
    lake.delete(paths.silver("users"))
    silver.put("users", {"Id": 8, "Reputation": 15})
    silver.put("users", {"Id": 10, "Reputation": 1})
    silver.pass_checks()
    users = load_site(lake, warehouse, "beer")["users"]
    assert (users.how, users.inserted, users.updated, users.deleted) == ("reload", 1, 1, 1)
    assert "created anew" in users.reason
    assert_equals_silver(lake, warehouse)


def test_a_feed_that_lies_is_found_out_by_counting_and_reloaded(
    warehouse: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    silver = small_site(lake)
    load_site(lake, warehouse, "beer")
    silver.delete("posts", 4)
    silver.pass_checks()
    real = feed.SilverTable.changes

    def without_deletions(self: feed.SilverTable, projection: Any, site: str, after: int) -> feed.Stream:
        stream = real(self, projection, site, after)
        return feed.Stream(stream.schema, (batch.slice(0, 0) for batch in stream.reader()))

    monkeypatch.setattr(feed.SilverTable, "changes", without_deletions)
    posts = load_site(lake, warehouse, "beer")["posts"]
    assert (posts.how, posts.deleted) == ("reload", 1)
    assert "does not add up" in posts.reason
    assert_equals_silver(lake, warehouse)


def test_a_changed_projection_reloads_the_site(warehouse: Settings, lake: Lake) -> None:
    small_site(lake)
    load_site(lake, warehouse, "beer")
    connection = server.connect(warehouse)
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE lake.load_status SET projection = 'of another release' WHERE table_name = 'badges'")
        cursor.execute("UPDATE lake.badges SET class = NULL")
    connection.close()
    badges = load_site(lake, warehouse, "beer")["badges"]
    assert (badges.how, badges.reason, badges.updated) == ("reload", "the projection changed", 1)
    assert_equals_silver(lake, warehouse)


def test_maintenance_of_silver_moves_the_version_and_no_row(warehouse: Settings, lake: Lake) -> None:
    silver = small_site(lake)
    silver.put("users", {"Id": 9, "Reputation": 1})
    silver.pass_checks()
    load_site(lake, warehouse, "beer")
    users = DeltaTable(lake.uri(paths.silver("users")))
    users.optimize.compact()
    gate = lake.read_json(paths.silver_gate("beer"))
    gate["tables"]["users"]["version"] = users.version()
    lake.write_json(paths.silver_gate("beer"), gate)
    assert load_site(lake, warehouse, "beer")["users"].how == "unchanged"
    status = ask(warehouse, "SELECT lake_version, load_id FROM lake.load_status WHERE table_name = 'users'")
    assert status == [(users.version(), 1)]
    silver.put("users", {"Id": 9, "Reputation": 2})
    silver.pass_checks()
    assert load_site(lake, warehouse, "beer")["users"].how == "changes"


def test_how_far_the_data_reach_follows_even_when_no_row_changed(warehouse: Settings, lake: Lake) -> None:
    silver = small_site(lake)
    load_site(lake, warehouse, "beer")
    cut, yesterday = (datetime(2016, *day, 23, 59, 59, tzinfo=UTC) for day in ((9, 30), (10, 4)))
    reach = "SELECT DISTINCT complete_to, counters_complete_to FROM lake.load_status ORDER BY 1"
    silver.pass_checks(cut_at=cut)
    assert load_site(lake, warehouse, "beer")["posts"].how == "unchanged"
    assert ask(warehouse, reach) == [(cut, cut)]
    silver.pass_checks(cut_at=cut, posts_complete_to=yesterday)
    assert load_site(lake, warehouse, "beer")["posts"].how == "unchanged"
    assert ask(warehouse, reach) == [(cut, cut), (yesterday, cut)]
    silver.pass_checks(cut_at=yesterday)
    load_site(lake, warehouse, "beer")
    assert ask(warehouse, reach) == [(yesterday, yesterday)]


def test_old_rows_are_not_said_to_reach_the_cut_of_a_dump_whose_checks_have_not_run(
    warehouse: Settings, lake: Lake
) -> None:
    silver = small_site(lake)
    september, december = (datetime(2016, month, 30, 23, 59, 59, tzinfo=UTC) for month in (9, 12))
    silver.apply_dump(september)
    silver.pass_checks(cut_at=september)
    silver.put("posts", ANSWER_4 | {"Score": 9})
    silver.apply_dump(december)  # and killed here
    load_site(lake, warehouse, "beer")
    assert ask(warehouse, "SELECT DISTINCT complete_to FROM lake.load_status") == [(september,)]
    silver.pass_checks(cut_at=december)
    load_site(lake, warehouse, "beer")
    assert ask(warehouse, "SELECT DISTINCT complete_to FROM lake.load_status") == [(december,)]
