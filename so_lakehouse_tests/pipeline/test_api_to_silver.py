"""What a server that speaks the API says of a day, in silver: over a dump, twice, and with nothing in it, and how far
the tables are whole then."""

from __future__ import annotations

from so_lakehouse.api.bronze import read_pages
from so_lakehouse.api.fetch import fetch_day
from so_lakehouse.lake import gates
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.read import silver_rows
from so_lakehouse_tests.pipeline.api_world import DAY, MIDNIGHT, OWNER, answer, comment, question, user
from so_lakehouse_tests.pipeline.evidence import write_dump

TABLES = ["posts", "comments", "users"]
DAY_BEFORE = "2026-01-04"


def take_in(spark, api, lake, tables, again=False):
    for entity in ENTITIES:
        fetch_day(lake, api.client(), "beer", DAY, entity, api.settings, again)
        read_pages(lake, "beer", DAY, entity, api.settings)
    return converge(spark, lake, "beer", tables, api.settings)


def rows(spark, lake, table):
    return {row["Id"]: row.asDict() for row in silver_rows(spark, lake, table, "beer").collect()}


def reach(lake):
    """The last days to which rows and counters of each table are whole."""
    return {
        name: (gate.complete_to.date().isoformat(), gate.cut_at.date().isoformat())
        for name, gate in gates.load(lake, "beer").items()
    }


def test_a_day_of_pages_is_in_silver_after_its_dump(spark, api, lake):
    write_dump(
        lake,
        DAY_BEFORE,
        {
            "posts": [{"Id": 1, "Score": 1, "FavoriteCount": 4}, {"Id": 2, "PostTypeId": 2, "ParentId": 1}],
            "users": [{"Id": 4, "Reputation": 1}],
            "comments": [{"Id": 5, "PostId": 1}],
        },
    )
    api.site.put("questions", [question(1, MIDNIGHT, score=9), question(3, MIDNIGHT + 5)])
    api.site.put("questions", [question(key, MIDNIGHT + 60 * key) for key in range(100, 260)])
    api.site.put("answers", [answer(6, MIDNIGHT + 9, 3)])
    api.site.put("comments", [comment(7, MIDNIGHT + 9, 6)])
    api.site.put("users", [user(4, 1, reputation=77, last_modified_date=MIDNIGHT + 2), user(8, MIDNIGHT + 3)])
    done = take_in(spark, api, lake, TABLES)
    posts = rows(spark, lake, "posts")
    assert set(posts) == {1, 2, 3, 6, *range(100, 260)}
    assert (posts[1]["Score"], posts[1]["FavoriteCount"]) == (9, 4)
    assert (posts[3]["Title"], posts[3]["Tags"]) == ('What is "3" & why?', ["stout", "c++"])
    assert (posts[6]["PostTypeId"], posts[6]["ParentId"], posts[6]["OwnerUserId"]) == (2, 3, OWNER["user_id"])
    assert rows(spark, lake, "comments")[7]["Text"] == "see `x`"
    assert {key: row["Reputation"] for key, row in rows(spark, lake, "users").items()} == {4: 77, 8: 1}
    (ledger,) = [row for row in done["posts"].applied if row.source == "api/questions"]
    assert ledger.rows_inserted == 162
    assert ledger.rows_in == 162 + ledger.rows_superseded + ledger.rows_deduplicated, "overlapping seconds"
    assert reach(lake) == dict.fromkeys(TABLES, (DAY, DAY_BEFORE))

    api.clock.sleep(7200)
    api.site.put("questions", [question(3, MIDNIGHT + 5, score=2), question(1, MIDNIGHT + 86_400 * 2, score=99)])
    take_in(spark, api, lake, ["posts"], again=True)
    posts = rows(spark, lake, "posts")
    assert set(posts) == {1, 2, 3, 6, *range(100, 260)}, "nothing is lost and nothing is there twice"
    assert (posts[1]["Score"], posts[3]["Score"]) == (9, 2), "1 has left the day; its first fetch still counts"


def test_a_day_without_a_row_changes_nothing(spark, api, lake):
    write_dump(lake, DAY_BEFORE, {"posts": [{"Id": 1, "Score": 1}]})
    done = take_in(spark, api, lake, ["posts"])
    assert reach(lake) == {"posts": (DAY, DAY_BEFORE)}, "that nothing happened on it is known"
    assert rows(spark, lake, "posts").keys() == {1}
    assert all(check.passed for check in done["posts"].checks if check.blocking)
