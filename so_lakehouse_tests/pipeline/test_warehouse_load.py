"""Loading a site: the projection of silver, by changes where the feed reaches, whole where not, never half."""

from __future__ import annotations

from typing import Any

import pytest

from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse.load import load_site
from so_lakehouse_tests.pipeline.silver_site import day, small_site
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
