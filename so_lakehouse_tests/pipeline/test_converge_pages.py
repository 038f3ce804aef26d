"""What pages of the API make of silver: two clocks per row, sweeps, tombstones, and what goes along with a post."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from so_lakehouse import failpoints
from so_lakehouse.lake import tiny
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.ledger import open_delta
from so_lakehouse.lake.query import query_lake
from so_lakehouse.spark import read
from so_lakehouse_tests.pipeline.evidence import CREATED, at, write_dump, write_pages
from so_lakehouse_tests.pipeline.site_history import SiteHistory

SEPTEMBER, DECEMBER = "2016-09-11", "2016-12-11"
SECONDS = CREATED.replace(microsecond=0)
TWENTY = range(201, 221)


@pytest.fixture
def silver(spark, tmp_path):
    return SiteHistory(spark, tmp_path)


@pytest.fixture(scope="module")
def days(spark, tmp_path_factory):
    """Pages before any dump, September's dump, days of pages in two turns, one more, December's dump, and a late day.

    Each test has days and tens of keys of its own: its days' rows of the ledger are its own as well.
    """
    site, steps = SiteHistory(spark, tmp_path_factory.mktemp("days")), {}

    def day(of, said=(), absent=(), version="1", failed=False):
        write_pages(site.lake, "questions", of, said, absent, version=version, failed=failed)

    day("2016-10-01", [("2016-10-02", {"Id": 1, "Score": 5})])
    steps["pages"] = site.converge()

    scores = {11: 1, 21: 1, 51: None, 52: None, 61: None, 71: 1, 72: None}
    posts = [{"Id": 1, "Score": 1, "FavoriteCount": 9}, *({"Id": key, "Score": score} for key, score in scores.items())]
    posts = [row | ({"FavoriteCount": 4} if row["Id"] == 11 else {}) for row in posts]
    write_dump(site.lake, SEPTEMBER, {"posts": posts})
    steps["dump"] = site.converge()

    same_second = {"CreationDate": SECONDS}
    day("2016-10-11", [("2016-10-12", {"Id": 11, "Score": 5} | same_second)])
    day("2016-10-12", [("2016-10-13", {"Id": 21, "Score": 1} | same_second)])
    day("2016-10-14", [("2016-10-15", {"Id": 31, "Score": 3})])
    day("2016-10-15", [("2016-10-16", {"Id": 41, "CreationDate": None}), ("2016-10-16", {"Id": 42})])
    day("2016-10-16", [("2016-10-17", {"Id": 43, "CreationDate": None})])
    day("2016-10-21", absent=[("2016-10-22", 51)])
    day("2016-12-21", absent=[("2016-12-22", 61)])
    day("2016-12-20", [("2016-12-21", {"Id": 71, "Score": 21}), ("2016-12-21", {"Id": 73})])
    twice = ("2016-10-24", {"Id": 81, "Score": 1})
    day("2016-10-23", [twice, twice, ("2016-10-25", {"Id": 81, "Score": 2})])
    day("2016-10-25", [("2016-10-26", {"Id": 91})], failed=True)
    for version in ("1", "2"):
        day("2016-10-27", [("2016-10-28", {"Id": key}) for key in TWENTY], version=version)
        if version == "1":
            first = PagesManifest.load(site.lake, "questions", "2016-10-27", "beer")
    second = PagesManifest.load(site.lake, "questions", "2016-10-27", "beer")
    replace(second, rows=40, files=(*first.files, *second.files)).save(site.lake)
    steps["first turn"], steps["refused at first"] = site.converge(), refused_keys(site)

    day("2016-10-13", [("2016-10-14", {"Id": 31, "Score": 2}), ("2016-10-14", {"Id": 32})])
    day("2016-10-16", [("2016-10-17", {"Id": 43})], version="2")
    day("2016-10-19", [("2016-10-20", {"Id": 51})])
    day("2016-10-25", [("2016-10-26", {"Id": 91})], version="2")
    steps["second turn"], steps["refused then"] = site.converge(), refused_keys(site)

    day("2016-10-22", [("2016-10-23", {"Id": 51})])
    steps["returned"] = site.converge()

    told = [{"Id": 61}, {"Id": 62}, {"Id": 71, "Score": 12, "FavoriteCount": 2}]
    write_dump(site.lake, DECEMBER, {"posts": told})
    steps["december"] = site.converge()

    day("2016-10-29", [("2016-10-30", {"Id": 71, "Score": 10})])
    steps["late day"] = site.converge()
    return steps


def refused_keys(site):
    return query_lake(site.lake, "select id from quarantine.rows order by id").column("id").to_pylist()


def test_pages_can_come_before_any_dump(days):
    row = days["dump"].posts[1]
    assert days["pages"].column("Score") == {1: 5}
    assert (row["Score"], row["FavoriteCount"]) == (5, 9)


def test_a_page_changes_what_it_tells_and_leaves_the_rest_to_the_dump(days):
    row = days["first turn"].posts[11]
    assert (row["Score"], row["FavoriteCount"]) == (5, 4)
    assert row["CreationDate"] == CREATED, "the dump tells the fraction of the same second"
    assert row["_as_of"] == at("2016-10-12")
    assert days["first turn"].applied("api/questions")["2016-10-11"] == {"in": 1, "updated": 1}


def test_an_unchanged_row_advances_its_clock(days):
    assert days["first turn"].applied("api/questions")["2016-10-12"] == {"in": 1, "unchanged": 1}
    assert days["first turn"].posts[21]["_as_of"] == at("2016-10-13")


def test_a_late_day_does_not_undo_a_newer_one(days):
    late = days["second turn"]
    assert late.applied("api/questions")["2016-10-13"] == {"in": 2, "inserted": 1, "superseded": 1}
    assert late.posts[31]["Score"] == 3


def test_a_page_not_later_than_the_cut_is_superseded(days):
    late = days["late day"]
    assert not late.result["posts"].applied
    (reason,) = [ignored.reason for ignored in late.result["posts"].ignored if ignored.partition == "2016-10-29"]
    assert "superseded" in reason
    assert late.posts == days["december"].posts


def test_a_dump_that_lands_weeks_after_its_cut_gives_way_to_pages_since(days):
    before, after = days["returned"].posts, days["december"]
    assert (after.posts[71]["Score"], after.posts[71]["FavoriteCount"]) == (21, 2)
    assert set(after.posts) == {62, 71, 73}, "73 was seen after the cut, 72 was not"
    counted = {"in": 3, "inserted": 1, "updated": 1, "suppressed": 1, "deleted": len(before) - 2}
    assert after.applied("dump") == {"2016-10-01": counted}, "71 and 73 are all that stays"


def test_a_sweep_deletes_and_only_newer_evidence_brings_back(days):
    swept, late, returned = days["first turn"], days["second turn"], days["returned"]
    assert swept.applied("api/questions")["2016-10-21"] == {"deleted": 1}
    assert (51 in swept.posts, 52 in swept.posts) == (False, True)
    assert late.applied("api/questions")["2016-10-19"] == {"in": 1, "suppressed": 1}
    assert (51 in late.posts, 52 in late.posts) == (False, True)
    assert (51 in returned.posts, 52 in returned.posts) == (True, True)
    assert [gone.id for gone in returned.tombstones] == [61]


def test_a_sweep_outlives_a_dump_with_an_earlier_cut(days):
    december = days["december"]
    assert december.applied("dump")["2016-10-01"]["suppressed"] == 1
    assert 61 not in december.posts
    assert [(t.id, t.reason) for t in december.tombstones if t.id in (61, 62)] == [(61, "not returned by API")]


def test_a_rule_breaker_in_a_page_is_quarantined(days):
    turn = days["first turn"]
    assert turn.applied("api/questions")["2016-10-15"] == {"in": 2, "inserted": 1, "quarantined": 1}
    assert (41 in turn.posts, 42 in turn.posts) == (False, True)


def test_what_a_day_no_longer_holds_leaves_its_quarantine(days):
    assert (days["refused at first"], days["refused then"]) == ([41, 43], [41])
    assert 43 in days["second turn"].posts


def test_the_same_row_twice_in_a_page_counts_once(days):
    turn = days["first turn"]
    counted = {"in": 3, "inserted": 1, "superseded": 1, "deduplicated": 1}
    assert turn.applied("api/questions")["2016-10-23"] == counted
    assert turn.posts[81]["Score"] == 2


def test_one_row_in_two_files_at_one_place_is_one_row(days):
    turn = days["first turn"]
    assert {key for key in turn.posts if key > 200} == set(TWENTY)
    (row,) = [row for row in turn.result["posts"].applied if row.partition == "2016-10-27"]
    assert (row.rows_inserted, row.rows_deduplicated + row.rows_superseded) == (20, 20)


def test_pages_of_which_a_blocking_check_failed_stay_out_until_they_are_read_anew(days):
    turn, then = days["first turn"], days["second turn"]
    assert 91 not in turn.posts
    (reason,) = [ignored.reason for ignored in turn.result["posts"].ignored if ignored.partition == "2016-10-25"]
    assert reason == "blocked by checks of bronze: rows_conserved"
    assert "2016-10-25" not in turn.applied("api/questions")
    assert then.applied("api/questions")["2016-10-25"] == {"in": 1, "inserted": 1}


@pytest.fixture(scope="module")
def along(spark, tmp_path_factory):
    """A sweep of a post, and then a dump of posts without comments."""
    site, steps = SiteHistory(spark, tmp_path_factory.mktemp("along")), {}
    comments = [
        *({"Id": 10, "PostId": 1}, {"Id": 11, "PostId": 2}, {"Id": 12, "PostId": 99}),
        *({"Id": 14, "PostId": 3}, {"Id": 15, "PostId": 2}),
    ]
    posts, history = [{"Id": 1}, {"Id": 2}, {"Id": 3}], [{"Id": 20, "PostId": 1}]
    write_dump(site.lake, SEPTEMBER, {"posts": posts, "comments": comments, "post_history": history})
    steps["september"] = site.converge("posts", "comments", "post_history")
    write_pages(site.lake, "questions", "2016-10-05", absent=[("2016-10-06", 1)])
    write_pages(site.lake, "comments", "2016-10-07", [("2016-10-08", {"Id": 13, "PostId": 1})])
    steps["swept"] = site.converge("posts", "comments", "post_history")
    write_dump(site.lake, DECEMBER, {"posts": [{"Id": 2}]})
    steps["december"] = site.converge("posts", "comments")
    return steps


def test_comments_and_history_go_along_with_a_swept_post(along):
    held, swept = set(along["september"].rows["comments"]), along["swept"]
    assert held == {10, 11, 12, 14, 15}, "what the same dump holds stays, post or no post"
    assert set(swept.rows["comments"]) == {11, 12, 13, 14, 15}, "13 is newer evidence than the sweep"
    assert set(swept.rows["post_history"]) == set()
    assert swept.applied("posts", "comments") == {"deletions": {"deleted": 1}}


def test_a_posts_dump_newer_than_the_comments_takes_their_comments_along(along):
    assert set(along["december"].rows["comments"]) == {11, 15}


def test_of_pages_of_one_instant_the_same_one_counts_in_any_order(silver):
    """By what they say: of key 1 the newer activity, of 2 the higher score, of 3 the longer title, of 4 presence.

    One order beside a dump that tells all, the other beside one that holds a key unreadably, and both days at once.
    """
    instant, active = "2016-10-02", SECONDS.replace(minute=30)
    first = [{"Id": 1, "Score": 9, "LastActivityDate": SECONDS}, {"Id": 2, "Score": 3}, {"Id": 3, "Title": "ale"}], [4]
    second = (
        [
            {"Id": 1, "Score": 1, "LastActivityDate": active},
            {"Id": 2, "Score": 2, "FavoriteCount": 9},
            {"Id": 3, "Title": "ales"},
            {"Id": 4, "Score": 8},
        ],
        [1, 2],
    )
    pages = {"2016-10-01": first, "2016-09-30": second}
    told = {"LastActivityDate": active.replace(microsecond=456000), "FavoriteCount": 4}
    turns = {
        "ai": ((), ["2016-10-01"], ["2016-09-30"]),
        "beer": ((99,), ["2016-09-30"], ["2016-10-01"]),
        "wine": ((), ["2016-10-01", "2016-09-30"]),
    }
    found = {}
    for site, (unread, *arrivals) in turns.items():
        posts = [{"Id": key} | told for key in (1, 2)]
        write_dump(silver.lake, SEPTEMBER, {"posts": posts}, site=site, unread={"posts": unread})
        for days in arrivals:
            for day in days:
                said, absent = pages[day]
                moments = [(instant, {"CreationDate": SECONDS} | row) for row in said]
                write_pages(silver.lake, "questions", day, moments, [(instant, key) for key in absent], site=site)
            step = silver.converge(site=site)
        found[site] = [{name: value for name, value in row.items() if name != "site"} for row in step.posts.values()]
        assert step.tombstones == []
    assert found["ai"] == found["beer"] == found["wine"]
    values = {row["Id"]: (row["Score"], row["FavoriteCount"], row["Title"]) for row in found["ai"]}
    assert values == {1: (1, 4, None), 2: (3, 4, None), 3: (None, None, "ales"), 4: (8, None, None)}


def test_a_days_changes_open_only_the_files_that_may_hold_their_keys(silver, monkeypatch):
    monkeypatch.setattr(tiny, "TINY_ROWS", 0)  # as of many rows
    monkeypatch.setattr(read, "FEW_ROWS", 0)
    write_dump(silver.lake, SEPTEMBER, {"posts": [{"Id": key} for key in range(1, 6)]})
    silver.converge()
    old = data_files(silver.lake)
    write_dump(silver.lake, DECEMBER, {"posts": [{"Id": key} for key in (*range(1, 6), *range(1001, 1006))]})
    silver.converge()
    new = data_files(silver.lake) - old
    assert len(new) == 1, "the rows of another file"
    away = {file: file.with_name("away") for file in new}

    def put_back(name):
        if name == "silver.posts_written":
            for file, hidden in away.items():
                hidden.rename(file)

    for file, hidden in away.items():
        file.rename(hidden)
    monkeypatch.setattr(failpoints, "reach", put_back)
    write_pages(silver.lake, "questions", "2016-12-19", [("2016-12-20", {"Id": 3, "Score": 7})])
    step = silver.converge()
    assert step.result["posts"].applied[0].rows_updated == 1
    assert step.posts[3]["Score"] == 7


def data_files(lake):
    return {Path(file.removeprefix("file://")) for file in open_delta(lake, "posts").file_uris()}
