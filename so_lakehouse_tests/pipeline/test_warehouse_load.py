"""Loading a site: the projection of silver, by changes where the feed reaches, whole where not, never half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from deltalake import DeltaTable

from so_lakehouse.errors import CheckFailed, Unavailable
from so_lakehouse.lake import paths
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import feed, server
from so_lakehouse.warehouse.load import load_site
from so_lakehouse_tests.pipeline.silver_site import SilverSite, day, small_site
from so_lakehouse_tests.pipeline.warehouse_catalogue import assert_equals_silver, changed_months
from so_lakehouse_tests.pipeline.warehouse_catalogue import run as ask

QUESTION_3 = {"Id": 3, "PostTypeId": 1, "CreationDate": day("2016-02-10"), "Tags": ["ale"], "OwnerUserId": 8}
ANSWER_4 = {"Id": 4, "PostTypeId": 2, "CreationDate": day("2016-04-10"), "ParentId": 3, "OwnerUserId": 7}


def test_the_first_load_brings_the_projection_of_every_table(warehouse: Settings, lake: Lake) -> None:
    small_site(lake)
    loaded = load_site(lake, warehouse, "beer")
    assert {name: (done.how, done.rows) for name, done in loaded.items()} == {
        "posts": ("first", 4),
        "post_tags": ("first", 3),
        "users": ("first", 2),
        "comments": ("first", 1),
        "votes": ("first", 5),
        "badges": ("first", 1),
        "post_links": ("first", 1),
        "tags": ("first", 2),
        "post_history": ("first", 2),
    }
    assert ask(
        warehouse, "SELECT id, parent_id, score, owner_user_id, owner_is_deleted FROM lake.posts ORDER BY id"
    ) == [
        (1, None, 5, 7, False),
        (2, 1, 2, None, True),
        (3, None, None, 8, False),
        (4, 3, None, 7, False),
    ]
    assert ask(warehouse, "SELECT post_id, tag FROM lake.post_tags ORDER BY 1, 2") == [
        (1, "ale"),
        (1, "hops"),
        (3, "ale"),
    ]
    assert_equals_silver(lake, warehouse)


def test_votes_are_counted_by_day_and_only_a_bounty_names_who_offered_it(warehouse: Settings, lake: Lake) -> None:
    small_site(lake)
    load_site(lake, warehouse, "beer")
    rows = ask(
        warehouse,
        "SELECT post_id, vote_type_id, day::text, bounty_user_id, n, bounty_amount FROM lake.votes ORDER BY 1, 2",
    )
    assert rows == [
        (1, 2, "2016-01-11", None, 2, 0),
        (1, 3, "2016-01-11", None, 1, 0),
        (3, 5, "2016-02-12", None, 1, 0),
        (3, 8, "2016-02-12", 8, 1, 50),
        (999, 2, "2016-06-01", None, 1, 0),
    ]


def test_a_second_load_of_the_same_silver_writes_nothing(warehouse: Settings, lake: Lake) -> None:
    small_site(lake)
    first = load_site(lake, warehouse, "beer")
    before = ask(warehouse, "SELECT *, xmin::text FROM lake.load_status ORDER BY table_name")
    again = load_site(lake, warehouse, "beer")
    assert {done.how for done in again.values()} == {"unchanged"}
    assert {n: d.data_version for n, d in again.items()} == {n: d.data_version for n, d in first.items()}
    assert ask(warehouse, "SELECT *, xmin::text FROM lake.load_status ORDER BY table_name") == before
    assert ask(warehouse, "SELECT DISTINCT load_id FROM lake.changed") == [(1,)]


def test_changes_follow_the_feed_and_equal_silver_again(warehouse: Settings, lake: Lake) -> None:
    silver = small_site(lake)
    load_site(lake, warehouse, "beer")
    silver.put(
        "posts", ANSWER_4 | {"Score": 9}, {"Id": 5, "PostTypeId": 1, "CreationDate": day("2016-07-01"), "Tags": []}
    )
    silver.put(
        "posts", {"Id": 1, "PostTypeId": 1, "CreationDate": day("2016-01-10"), "Tags": ["lager"], "OwnerUserId": 7}
    )
    silver.delete("posts", 2)
    silver.put("votes", {"Id": 7, "PostId": 4, "VoteTypeId": 2, "CreationDate": day("2016-05-11")})
    silver.delete("votes", 1, 4)
    silver.put("users", {"Id": 7, "Reputation": 200})
    silver.delete("post_history", 2)
    silver.put("tags", {"Id": 3, "TagName": "lager", "Count": 1})
    silver.pass_checks()
    loaded = load_site(lake, warehouse, "beer")
    numbers = {name: (d.how, d.inserted, d.updated, d.deleted) for name, d in loaded.items() if d.how != "unchanged"}
    assert numbers == {
        "posts": ("changes", 1, 2, 1),
        "post_tags": ("changes", 1, 0, 2),
        "users": ("changes", 0, 1, 0),
        "votes": ("changes", 1, 1, 1),
        "tags": ("changes", 1, 0, 0),
        "post_history": ("changes", 0, 0, 1),
    }
    assert_equals_silver(lake, warehouse)


def test_a_change_of_what_the_warehouse_does_not_keep_changes_no_row(warehouse: Settings, lake: Lake) -> None:
    silver = small_site(lake)
    load_site(lake, warehouse, "beer")
    silver.put("posts", ANSWER_4 | {"Body": "<p>better words</p>"})
    silver.pass_checks()
    posts = load_site(lake, warehouse, "beer")["posts"]
    assert (posts.how, posts.inserted + posts.updated + posts.deleted, posts.load_id) == ("changes", 0, 1)
    assert posts.data_version == "posts-1"
    assert ask(warehouse, "SELECT count(*) FROM lake.changed WHERE load_id > 1") == [(0,)]


@pytest.mark.parametrize(
    ("change", "months"),
    [
        (lambda silver: silver.put("posts", ANSWER_4 | {"Score": 1}), ["2016-02", "2016-04"]),
        (lambda silver: silver.put("posts", QUESTION_3 | {"Tags": ["stout"]}), ["2016-02", "2016-04"]),
        (lambda silver: silver.delete("posts", 4), ["2016-02", "2016-04"]),
        (lambda silver: silver.delete("posts", 3), ["2016-02", "2016-04"]),
        (lambda silver: silver.put("posts", ANSWER_4 | {"ParentId": 1}), ["2016-01", "2016-02", "2016-03", "2016-04"]),
        (
            lambda silver: silver.put("posts", ANSWER_4 | {"CreationDate": day("2016-09-01")}),
            ["2016-02", "2016-04", "2016-09"],
        ),
        (lambda silver: silver.delete("votes", 4), ["2016-02", "2016-04"]),
        (
            lambda silver: silver.put(
                "votes", {"Id": 9, "PostId": 2, "VoteTypeId": 1, "CreationDate": day("2016-05-01")}
            ),
            ["2016-01", "2016-03"],
        ),
        (lambda silver: silver.delete("votes", 6), []),
    ],
    ids=[
        "an edited answer touches its question",
        "new tags touch the question's answers",
        "a deleted answer touches its question and its own month",
        "a deleted question touches its answers",
        "an answer that moves touches both threads",
        "a corrected date touches the old month and the new",
        "a withdrawn vote touches its thread",
        "a vote on an answer touches its question",
        "a vote on a deleted post touches nothing",
    ],
)
def test_changed_months_of_posts(warehouse: Settings, lake: Lake, change: Any, months: list[str]) -> None:
    silver = small_site(lake)
    load_site(lake, warehouse, "beer")
    change(silver)
    silver.pass_checks()
    load_site(lake, warehouse, "beer")
    assert changed_months(warehouse, 2, "posts") == months
    assert_equals_silver(lake, warehouse)


def test_other_tables_name_the_months_of_their_own_rows_deletions_included(warehouse: Settings, lake: Lake) -> None:
    silver = small_site(lake)
    load_site(lake, warehouse, "beer")
    silver.delete("comments", 1)
    silver.put("badges", {"Id": 1, "UserId": 7, "Name": "Teacher", "Date": day("2016-08-11"), "Class": 3})
    silver.delete("votes", 6)
    silver.delete("tags", 2)
    silver.pass_checks()
    load_site(lake, warehouse, "beer")
    assert changed_months(warehouse, 2, "comments") == ["2016-05"]
    assert changed_months(warehouse, 2, "badges") == ["2016-03", "2016-08"]
    assert changed_months(warehouse, 2, "votes") == ["2016-06"]
    assert ask(warehouse, "SELECT month FROM lake.changed WHERE load_id = 2 AND table_name = 'tags'") == [(None,)]


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
    reached = datetime(2016, 9, 30, 23, 59, 59, tzinfo=UTC)
    silver.pass_checks(cut_at=reached)
    assert load_site(lake, warehouse, "beer")["posts"].how == "unchanged"
    assert ask(warehouse, "SELECT DISTINCT complete_to FROM lake.load_status") == [(reached,)]


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


def test_two_sites_live_side_by_side_and_change_apart(warehouse: Settings, lake: Lake) -> None:
    beer, tiny = small_site(lake, "beer"), small_site(lake, "ru.stackoverflow")
    load_site(lake, warehouse, "beer")
    load_site(lake, warehouse, "ru.stackoverflow")
    tiny.delete("posts", 1, 2)
    tiny.delete("tags", 1)
    tiny.pass_checks()
    beer.pass_checks()
    load_site(lake, warehouse, "ru.stackoverflow")
    assert ask(warehouse, "SELECT site, count(*) FROM lake.posts GROUP BY 1 ORDER BY 1") == [
        ("beer", 4),
        ("ru.stackoverflow", 2),
    ]
    assert ask(warehouse, "SELECT site, count(*) FROM lake.tags GROUP BY 1 ORDER BY 1") == [
        ("beer", 2),
        ("ru.stackoverflow", 1),
    ]
    assert_equals_silver(lake, warehouse, "ru.stackoverflow")
    assert load_site(lake, warehouse, "beer")["posts"].updated == 0
    assert_equals_silver(lake, warehouse, "beer")


def test_a_table_that_silver_lacks_is_absent_and_the_others_load(warehouse: Settings, lake: Lake) -> None:
    silver = SilverSite(lake)
    silver.put("posts", QUESTION_3)
    silver.pass_checks()
    loaded = load_site(lake, warehouse, "beer")
    assert {name for name, done in loaded.items() if done.how == "first"} == {"posts", "post_tags"}
    assert loaded["votes"].how == "absent"
    assert "nothing to load: silver/votes of beer" in loaded["votes"].reason


def test_a_failed_check_of_one_table_stops_the_whole_site_and_keeps_what_is_there(
    warehouse: Settings, lake: Lake
) -> None:
    silver = small_site(lake)
    load_site(lake, warehouse, "beer")
    silver.delete("posts", 1)
    silver.put("users", {"Id": 9, "Reputation": 1})
    silver.pass_checks(refused="users")
    with pytest.raises(CheckFailed, match="users: keys_unique"):
        load_site(lake, warehouse, "beer")
    assert ask(warehouse, "SELECT count(*) FROM lake.posts") == [(4,)]


def test_a_version_that_cannot_be_read_any_more_says_what_to_do(warehouse: Settings, lake: Lake) -> None:
    small_site(lake)
    gate = lake.read_json(paths.silver_gate("beer"))
    gate["tables"]["posts"]["version"] = 40
    lake.write_json(paths.silver_gate("beer"), gate)
    with pytest.raises(Unavailable, match=r"silver/posts cannot be read at version 40.*Run silver"):
        load_site(lake, warehouse, "beer")


def test_readers_see_a_load_whole_or_not_at_all(warehouse: Settings, lake: Lake) -> None:
    """Each load gives all posts and users one score; a reader never sees two of them."""
    silver = small_site(lake)
    load_site(lake, warehouse, "beer")
    posts = [QUESTION_3, ANSWER_4, {"Id": 1, "PostTypeId": 1, "CreationDate": day("2016-01-10")}]
    seen: set[tuple[Any, ...]] = set()
    stop = threading.Event()

    def read() -> None:
        connection = server.connect(warehouse)
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not stop.is_set():
                cursor.execute(
                    "SELECT (SELECT array_agg(DISTINCT score) FROM lake.posts WHERE id <> 2),"
                    " array_agg(DISTINCT reputation) FROM lake.users"
                )
                score, reputation = cursor.fetchone() or ([], [])
                seen.add((tuple(score), tuple(reputation)))
        connection.close()

    for number in (10, 11):
        silver.put("posts", *(post | {"Score": number} for post in posts))
        silver.put("users", {"Id": 7, "Reputation": number}, {"Id": 8, "Reputation": number})
        silver.pass_checks()
        if number == 11:
            reader = threading.Thread(target=read)
            reader.start()
        load_site(lake, warehouse, "beer")
    stop.set()
    reader.join()
    assert seen <= {((10,), (10,)), ((11,), (11,))}
    assert ((10,), (10,)) in seen


def test_a_load_killed_before_its_commit_leaves_nothing_and_the_next_one_brings_all(
    warehouse: Settings, lake: Lake
) -> None:
    silver = small_site(lake)
    load_site(lake, warehouse, "beer")
    silver.delete("posts", 4)
    silver.put("votes", {"Id": 7, "PostId": 1, "VoteTypeId": 2, "CreationDate": day("2016-05-11")})
    silver.pass_checks()
    killed = subprocess.run(
        [sys.executable, "-c", _LOAD, str(warehouse.home), warehouse.postgres],
        env=os.environ | {"LAKEHOUSE_FAIL_AT": "warehouse.before_commit"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert ask(warehouse, "SELECT (SELECT count(*) FROM lake.posts), max(load_id) FROM lake.load_status") == [(4, 1)]
    loaded = load_site(lake, warehouse, "beer")
    assert (loaded["posts"].how, loaded["posts"].deleted) == ("changes", 1)
    assert_equals_silver(lake, warehouse)


_LOAD = """
import sys
from pathlib import Path
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse.load import load_site
settings = Settings(home=Path(sys.argv[1]), postgres=sys.argv[2])
load_site(Lake(settings.lake_uri), settings, "beer")
"""


def test_two_loads_of_one_site_at_once_do_the_work_once(warehouse: Settings, lake: Lake) -> None:
    small_site(lake)
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda: results.append(load_site(lake, warehouse, "beer")["posts"].how))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["first", "unchanged"]
    assert_equals_silver(lake, warehouse)


def test_postgres_that_is_gone_says_so(lake: Lake, settings: Settings) -> None:
    small_site(lake)
    with pytest.raises(Unavailable, match="Postgres does not answer"):
        load_site(lake, replace(settings, postgres="postgresql://127.0.0.1:1/warehouse"), "beer")
