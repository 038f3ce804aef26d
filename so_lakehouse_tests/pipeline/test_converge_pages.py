"""What pages of the API make of silver: two clocks per row, sweeps, tombstones, and what goes along with a post."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from so_lakehouse import failpoints
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.ledger import open_delta
from so_lakehouse.lake.query import query_lake
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.read import silver_rows
from so_lakehouse_tests.pipeline.evidence import CREATED, tombstones, write_dump, write_pages

SEPTEMBER, DECEMBER = "2016-09-11", "2016-12-11"
SECONDS = CREATED.replace(microsecond=0)


@pytest.fixture
def silver(spark, lake, settings):
    """Converges, and shows rows of a table by key."""

    class Silver:
        def converge(self, *tables):
            return converge(spark, lake, "beer", list(tables or ("posts",)), settings)

        def rows(self, table="posts"):
            return {row["Id"]: row.asDict() for row in silver_rows(spark, lake, table, "beer").collect()}

        def micros(self, key, column):
            rows = silver_rows(spark, lake, "posts", "beer").where(f"Id = {key}")
            return rows.selectExpr(f"date_format({column}, 'yyyy-MM-dd HH:mm:ss.SSS')").collect()[0][0]

    return Silver()


def counts(row):
    names = ("in", "inserted", "updated", "unchanged", "superseded", "suppressed", "deduplicated", "deleted")
    return {name: getattr(row, f"rows_{name}") for name in names if getattr(row, f"rows_{name}")}


def applied(result, source):
    return {row.partition: counts(row) for row in result.applied if row.source == source}


def test_a_page_changes_what_it_tells_and_leaves_the_rest_to_the_dump(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1, "Score": 1, "FavoriteCount": 4}]})
    silver.converge()
    write_pages(lake, "questions", "2016-10-01", [("2016-10-02", {"Id": 1, "Score": 5, "CreationDate": SECONDS})])
    result = silver.converge()["posts"]
    row = silver.rows()[1]
    assert (row["Score"], row["FavoriteCount"]) == (5, 4)
    assert silver.micros(1, "CreationDate").endswith(".123"), "the dump tells the fraction of the same second"
    assert silver.micros(1, "_as_of") == "2016-10-02 00:00:00.000"
    assert applied(result, "api/questions") == {"2016-10-01": {"in": 1, "updated": 1}}


def test_an_unchanged_row_advances_its_clock(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1, "Score": 1}]})
    silver.converge()
    write_pages(lake, "questions", "2016-10-01", [("2016-10-02", {"Id": 1, "Score": 1, "CreationDate": SECONDS})])
    result = silver.converge()["posts"]
    assert applied(result, "api/questions") == {"2016-10-01": {"in": 1, "unchanged": 1}}
    assert silver.micros(1, "_as_of") == "2016-10-02 00:00:00.000"


def test_a_late_day_does_not_undo_a_newer_one(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": []})
    write_pages(lake, "questions", "2016-10-03", [("2016-10-04", {"Id": 1, "Score": 3})])
    silver.converge()
    write_pages(lake, "questions", "2016-10-02", [("2016-10-03", {"Id": 1, "Score": 2}), ("2016-10-03", {"Id": 2})])
    result = silver.converge()["posts"]
    assert applied(result, "api/questions") == {"2016-10-02": {"in": 2, "inserted": 1, "superseded": 1}}
    assert silver.rows()[1]["Score"] == 3


def test_a_page_not_later_than_the_cut_is_superseded(lake, silver):
    write_dump(lake, DECEMBER, {"posts": [{"Id": 1, "Score": 12}]})
    silver.converge()
    write_pages(lake, "questions", "2016-10-01", [("2016-10-02", {"Id": 1, "Score": 10})])
    result = silver.converge()["posts"]
    assert not result.applied
    assert "superseded" in result.ignored[-1].reason
    assert silver.rows()[1]["Score"] == 12


def test_a_dump_that_lands_weeks_after_its_cut_gives_way_to_pages_since(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1, "Score": 1}, {"Id": 2}]})
    silver.converge()
    write_pages(lake, "questions", "2016-12-20", [("2016-12-21", {"Id": 1, "Score": 21}), ("2016-12-21", {"Id": 3})])
    silver.converge()
    write_dump(lake, DECEMBER, {"posts": [{"Id": 1, "Score": 12, "FavoriteCount": 2}]})
    result = silver.converge()["posts"]
    rows = silver.rows()
    assert (rows[1]["Score"], rows[1]["FavoriteCount"]) == (21, 2)
    assert set(rows) == {1, 3}, "3 was seen after the cut, 2 was not"
    assert applied(result, "dump") == {"2016-10-01": {"in": 1, "updated": 1, "deleted": 1}}


def test_a_sweep_deletes_and_only_newer_evidence_brings_back(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}, {"Id": 2}]})
    silver.converge()
    write_pages(lake, "questions", "2016-10-05", absent=[("2016-10-06", 1)])
    swept = silver.converge()["posts"]
    assert applied(swept, "api/questions") == {"2016-10-05": {"deleted": 1}}
    assert set(silver.rows()) == {2}

    write_pages(lake, "questions", "2016-10-03", [("2016-10-04", {"Id": 1})])
    late = silver.converge()["posts"]
    assert applied(late, "api/questions") == {"2016-10-03": {"in": 1, "suppressed": 1}}
    assert set(silver.rows()) == {2}

    write_pages(lake, "questions", "2016-10-07", [("2016-10-08", {"Id": 1})])
    silver.converge()
    assert set(silver.rows()) == {1, 2}
    assert tombstones(lake) == []


def test_a_sweep_outlives_a_dump_with_an_earlier_cut(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}]})
    write_pages(lake, "questions", "2016-12-20", absent=[("2016-12-21", 1)])
    silver.converge()
    write_dump(lake, DECEMBER, {"posts": [{"Id": 1}, {"Id": 2}]})
    result = silver.converge()["posts"]
    assert applied(result, "dump") == {"2016-10-01": {"in": 2, "inserted": 1, "suppressed": 1}}
    assert [(t.id, t.reason) for t in tombstones(lake)] == [(1, "not returned by API")]


def test_pages_can_come_before_any_dump(lake, silver):
    write_pages(lake, "questions", "2016-10-01", [("2016-10-02", {"Id": 1, "Score": 5})])
    silver.converge()
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1, "Score": 1, "FavoriteCount": 9}]})
    silver.converge()
    row = silver.rows()[1]
    assert (row["Score"], row["FavoriteCount"]) == (5, 9)


def test_comments_and_history_go_along_with_a_swept_post(lake, silver):
    everything = ("posts", "comments", "post_history")
    write_dump(
        lake,
        SEPTEMBER,
        {
            "posts": [{"Id": 1}, {"Id": 2}],
            "comments": [{"Id": 10, "PostId": 1}, {"Id": 11, "PostId": 2}, {"Id": 12, "PostId": 99}],
            "post_history": [{"Id": 20, "PostId": 1}],
        },
    )
    silver.converge(*everything)
    assert set(silver.rows("comments")) == {10, 11, 12}, "what the same dump holds stays, post or no post"
    write_pages(lake, "questions", "2016-10-05", absent=[("2016-10-06", 1)])
    write_pages(lake, "comments", "2016-10-07", [("2016-10-08", {"Id": 13, "PostId": 1})])
    result = silver.converge(*everything)
    assert set(silver.rows("comments")) == {11, 12, 13}, "13 is newer evidence than the sweep"
    assert set(silver.rows("post_history")) == set()
    assert applied(result["comments"], "posts") == {"deletions": {"deleted": 1}}


def test_a_posts_dump_newer_than_the_comments_takes_their_comments_along(lake, silver):
    write_dump(
        lake,
        SEPTEMBER,
        {"posts": [{"Id": 1}, {"Id": 2}], "comments": [{"Id": 10, "PostId": 1}, {"Id": 11, "PostId": 2}]},
    )
    silver.converge("posts", "comments")
    write_dump(lake, DECEMBER, {"posts": [{"Id": 2}]})
    silver.converge("posts", "comments")
    assert set(silver.rows("comments")) == {11}


def test_a_rule_breaker_in_a_page_is_quarantined(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}]})
    write_pages(
        lake, "questions", "2016-10-01", [("2016-10-02", {"Id": 2, "CreationDate": None}), ("2016-10-02", {"Id": 3})]
    )
    result = silver.converge()["posts"]
    row = next(row for row in result.applied if row.source == "api/questions")
    assert (row.rows_in, row.rows_quarantined, row.rows_inserted) == (2, 1, 1)
    assert set(silver.rows()) == {1, 3}


def test_the_same_row_twice_in_a_page_counts_once(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": []})
    twice = ("2016-10-02", {"Id": 1, "Score": 1})
    write_pages(lake, "questions", "2016-10-01", [twice, twice, ("2016-10-03", {"Id": 1, "Score": 2})])
    result = silver.converge()["posts"]
    assert applied(result, "api/questions") == {
        "2016-10-01": {"in": 3, "inserted": 1, "superseded": 1, "deduplicated": 1}
    }
    assert silver.rows()[1]["Score"] == 2


@pytest.mark.parametrize("unread", [(), (99,)], ids=["closed dump", "open dump"])
def test_of_pages_of_one_instant_the_same_one_counts_in_any_order(spark, lake, settings, unread):
    """By what they say: of key 1 the newer activity, of 2 the higher score, of 3 the longer title, of 4 presence."""
    instant, active = "2016-10-02", SECONDS.replace(minute=30)
    pages = {
        "2016-10-01": (
            [
                {"Id": 1, "Score": 9, "LastActivityDate": SECONDS},
                {"Id": 2, "Score": 3},
                {"Id": 3, "Title": "ale"},
            ],
            [4],
        ),
        "2016-09-30": (
            [
                {"Id": 1, "Score": 1, "LastActivityDate": active},
                {"Id": 2, "Score": 2, "FavoriteCount": 9},
                {"Id": 3, "Title": "ales"},
                {"Id": 4, "Score": 8},
            ],
            [1, 2],
        ),
    }
    first, second = pages
    told = {"LastActivityDate": active.replace(microsecond=456000), "FavoriteCount": 4}
    found = {}
    for site, arrivals in {"ai": [[first], [second]], "beer": [[second], [first]], "wine": [[first, second]]}.items():
        write_dump(
            lake, SEPTEMBER, {"posts": [{"Id": key} | told for key in (1, 2)]}, site=site, unread={"posts": unread}
        )
        for days in arrivals:
            for day in days:
                said, absent = pages[day]
                moments = [(instant, {"CreationDate": SECONDS} | row) for row in said]
                write_pages(lake, "questions", day, moments, [(instant, key) for key in absent], site=site)
            converge(spark, lake, site, ["posts"], settings)
        rows = silver_rows(spark, lake, "posts", site).drop("site").orderBy("Id").collect()
        found[site] = [row.asDict() for row in rows]
        assert tombstones(lake, site) == []
    assert found["ai"] == found["beer"] == found["wine"]
    values = {row["Id"]: (row["Score"], row["FavoriteCount"], row["Title"]) for row in found["ai"]}
    assert values == {1: (1, 4, None), 2: (3, 4, None), 3: (None, None, "ales"), 4: (8, None, None)}


def test_what_a_day_no_longer_holds_leaves_its_quarantine(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}]})
    write_pages(lake, "questions", "2016-10-01", [("2016-10-02", {"Id": 2, "CreationDate": None})])
    silver.converge()
    assert query_lake(lake, "select id from quarantine.rows").to_pylist() == [{"id": 2}]
    write_pages(lake, "questions", "2016-10-01", [("2016-10-02", {"Id": 2})], version="2")
    silver.converge()
    assert query_lake(lake, "select id from quarantine.rows").to_pylist() == []


def test_one_row_in_two_files_at_one_place_is_one_row(lake, silver):
    told = [("2016-10-02", {"Id": key}) for key in range(1, 21)]
    write_pages(lake, "questions", "2016-10-01", told, version="1")
    first = PagesManifest.load(lake, "questions", "2016-10-01", "beer")
    write_pages(lake, "questions", "2016-10-01", told, version="2")
    second = PagesManifest.load(lake, "questions", "2016-10-01", "beer")
    replace(second, rows=40, files=(*first.files, *second.files)).save(lake)
    result = silver.converge()["posts"]
    assert set(silver.rows()) == set(range(1, 21))
    row = result.applied[0]
    assert (row.rows_inserted, row.rows_deduplicated + row.rows_superseded) == (20, 20)


def test_a_days_changes_open_only_the_files_that_may_hold_their_keys(lake, silver, monkeypatch):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": key} for key in range(1, 6)]})
    silver.converge()
    old = data_files(lake)
    write_dump(lake, DECEMBER, {"posts": [{"Id": key} for key in (*range(1, 6), *range(1001, 1006))]})
    silver.converge()
    new = data_files(lake) - old
    assert len(new) == 1, "the rows of another file"
    away = {file: file.with_name("away") for file in new}

    def put_back(name):
        if name == "silver.posts_written":
            for file, hidden in away.items():
                hidden.rename(file)

    for file, hidden in away.items():
        file.rename(hidden)
    monkeypatch.setattr(failpoints, "reach", put_back)
    write_pages(lake, "questions", "2016-12-19", [("2016-12-20", {"Id": 3, "Score": 7})])
    assert silver.converge()["posts"].applied[0].rows_updated == 1
    assert silver.rows()[3]["Score"] == 7


def data_files(lake):
    return {Path(file.removeprefix("file://")) for file in open_delta(lake, "posts").file_uris()}
