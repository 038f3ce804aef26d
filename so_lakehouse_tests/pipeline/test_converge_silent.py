"""What the newest dump cannot tell, all older evidence decides: dumps and the pages that were fetched between them."""

from __future__ import annotations

import pytest

from so_lakehouse.errors import BadInput
from so_lakehouse.lake import paths, silver_tables
from so_lakehouse.lake.prune import prune, removable
from so_lakehouse.lake.query import query_lake
from so_lakehouse.spark.converge import converge
from so_lakehouse_tests.pipeline.evidence import quarter_of, tombstones, write_dump, write_pages

SEPTEMBER, DECEMBER = "2016-09-11", "2016-12-11"
HELD = "select Id, Score, FavoriteCount, cast(_as_of as date)::text as told, _kept from silver.posts order by Id"


@pytest.fixture
def silver(spark, lake, settings):
    class Silver:
        def converge(self, *tables, site="beer", **options):
            result = converge(spark, lake, site, list(tables or ("posts",)), settings, **options)
            failed = [c.detail for r in result.values() for c in r.checks if c.blocking and not c.passed]
            assert failed == []
            return result

        def posts(self):
            return [tuple(row.values()) for row in query_lake(lake, HELD).to_pylist()]

    return Silver()


def september(lake):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": key, "Score": 1, "FavoriteCount": 2} for key in (1, 2, 3)]})


def october(lake):
    """An edit, a deletion and a new post."""
    said = [("2016-10-02", {"Id": 1, "Score": 5}), ("2016-10-02", {"Id": 4, "Score": 5})]
    write_pages(lake, "questions", "2016-10-01", said, absent=[("2016-10-02", 2)])


def december(unread):
    def publish(lake):
        write_dump(lake, DECEMBER, {"posts": [{"Id": 9, "Score": 1}]}, unread={"posts": unread})

    return publish


@pytest.mark.parametrize(
    ("unread", "kept", "arrivals"),
    [
        ([1, 2, 3, 4], "quarantined", ("september", "october", "december")),
        ([1, 2, 3, 4], "quarantined", ("december", "september october")),
        ([None], "deletions suspended", ("october", "december", "september")),
    ],
)
def test_pages_before_the_cut_tell_what_the_newest_dump_does_not(lake, silver, unread, kept, arrivals):
    publish = {"september": september, "october": october, "december": december(unread)}
    for arrived in arrivals:
        for name in arrived.split():
            publish[name](lake)
        silver.converge()
    assert silver.posts() == [
        (1, 5, 2, "2016-10-02", kept),
        (3, 1, 2, SEPTEMBER, kept),
        (4, 5, None, "2016-10-02", kept),
        (9, 1, None, None, None),
    ]
    assert [(gone.id, f"{gone.as_of:%F}", gone.reason) for gone in tombstones(lake)] == [
        (2, "2016-10-02", "not returned by API")
    ]
    assert silver.converge()["posts"].applied == ()


def test_of_the_keys_that_a_dump_does_tell_earlier_pages_say_nothing(lake, silver):
    september(lake)
    october(lake)
    silver.converge()
    december([3])(lake)
    silver.converge()
    assert silver.posts() == [(3, 1, 2, SEPTEMBER, "quarantined"), (9, 1, None, None, None)]
    write_pages(lake, "questions", "2016-10-05", [("2016-10-06", {"Id": key, "Score": 7}) for key in (1, 3)])
    late = silver.converge()["posts"].applied[0]
    assert (late.rows_updated, late.rows_superseded) == (1, 1)
    assert silver.posts() == [(3, 7, 2, "2016-10-06", "quarantined"), (9, 1, None, None, None)]


def test_a_page_after_the_cut_ends_the_silence(lake, silver):
    september(lake)
    december([1])(lake)
    silver.converge()
    write_pages(lake, "questions", "2016-12-20", [("2016-12-21", {"Id": 1, "Score": 8})])
    silver.converge()
    assert silver.posts()[0] == (1, 8, 2, "2016-12-21", None)
    assert silver.converge(rebuild=True)["posts"].applied[0].rows_updated == 0


def test_a_comment_stays_where_its_post_is_one_that_the_newest_dump_does_not_tell(lake, silver):
    september(lake)
    write_pages(lake, "comments", "2016-10-01", [("2016-10-02", {"Id": 10, "PostId": 77})])
    december([77])(lake)
    silver.converge("posts", "comments")
    assert query_lake(lake, "select Id from silver.comments").to_pylist() == [{"Id": 10}]
    write_dump(lake, DECEMBER, {"posts": [{"Id": 9, "Score": 1}]}, revision=1)
    silver.converge("posts", "comments")
    assert query_lake(lake, "select Id from silver.comments").to_pylist() == []


def test_pages_stay_in_bronze_for_as_long_as_they_may_tell_something(lake, settings, silver):
    september(lake)
    october(lake)
    december([1])(lake)
    silver.converge()
    assert not any("api/" in removal.what for removal in removable(lake, "beer", settings))
    before = silver.posts()
    assert all(row.rows_updated == row.rows_inserted == 0 for row in silver.converge(rebuild=True)["posts"].applied)
    assert silver.posts() == before
    write_dump(lake, DECEMBER, {"posts": [{"Id": 9, "Score": 1}]}, revision=1)
    silver.converge()
    assert "bronze api/questions 2016-10-01" in [removal.what for removal in removable(lake, "beer", settings)]


def test_a_dump_does_not_undo_what_lost_pages_have_told(lake, silver):
    september(lake)
    october(lake)
    silver.converge()
    before = silver.posts()
    lake.delete(paths.bronze_api("questions", "2016-10-01", "beer"))
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1, "Score": 0}]}, revision=1)
    with pytest.raises(BadInput, match="rest on: api/questions 2016-10-01"):
        silver.converge()
    assert silver.posts() == before


def test_a_row_does_not_come_back_without_the_columns_of_its_dump(lake, silver):
    september(lake)
    october(lake)
    silver.converge()
    before = silver.posts()
    lake.delete(paths.bronze_dump("posts", quarter_of(SEPTEMBER), "beer"))
    write_pages(lake, "questions", "2016-10-05", [("2016-10-06", {"Id": 2, "Score": 7})])
    with pytest.raises(BadInput, match=r"1 rows of posts of beer .such as 2. are back, .* the dump 2016-07-01"):
        silver.converge()
    assert silver.posts() == before


def test_pages_alone_are_compared_with_all_rows_of_silver(spark, lake, silver):
    october(lake)
    silver.converge()
    before = silver.posts()
    table = silver_tables.quoted_path(silver_tables.uri(lake, "posts"))
    spark.sql(f"INSERT INTO {table} BY NAME SELECT * EXCEPT (Id), 99 AS Id FROM {table} WHERE Id = 1").collect()
    silver.converge()
    assert silver.posts() == before


def comments(lake):
    return query_lake(lake, "select Id from silver.comments order by Id").column("Id").to_pylist()


def test_a_comment_between_two_dumps_goes_with_its_post_whichever_comes_first(lake, silver):
    """The newest dump of comments cannot tell comment 10, that of posts denies its post."""
    tables = {"posts": [{"Id": 9}], "comments": [{"Id": 11, "PostId": 9}]}
    for site, page_first in (("beer", True), ("ai", False)):
        if page_first:
            write_pages(lake, "comments", "2016-10-01", [("2016-10-02", {"Id": 10, "PostId": 77})], site=site)
        write_dump(lake, DECEMBER, tables, unread={"comments": [10]}, site=site)
        silver.converge("posts", "comments", site=site)
        write_pages(lake, "comments", "2016-10-01", [("2016-10-02", {"Id": 10, "PostId": 77})], site=site)
        silver.converge("posts", "comments", site=site)
    assert comments(lake) == [11, 11]


def test_comments_that_an_open_dump_keeps_go_when_posts_that_are_converged_later_deny_their_post(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 9}, {"Id": 77}], "comments": [{"Id": 10, "PostId": 77}]})
    silver.converge("posts", "comments")
    write_dump(lake, DECEMBER, {"posts": [{"Id": 9}], "comments": []}, unread={"comments": [10]})
    silver.converge("comments")
    assert comments(lake) == [10]
    silver.converge("posts")
    silver.converge("comments")
    assert comments(lake) == []


def test_a_reissue_that_is_silent_lets_pages_speak_again_and_brings_comments_back(lake, silver):
    september(lake)
    october(lake)
    write_pages(lake, "comments", "2016-10-01", [("2016-10-02", {"Id": 10, "PostId": 4})])
    silver.converge("posts", "comments")
    december([])(lake)
    silver.converge("posts", "comments")
    assert ([row[0] for row in silver.posts()], comments(lake)) == ([9], [])
    write_dump(lake, DECEMBER, {"posts": [{"Id": 9, "Score": 1}]}, unread={"posts": [4]}, revision=1)
    silver.converge("posts", "comments")
    assert silver.posts() == [(4, 5, None, "2016-10-02", "quarantined"), (9, 1, None, None, None)]
    assert comments(lake) == [10]
    assert {gone.id for gone in tombstones(lake)} == {1, 3}


def test_pages_that_were_overtaken_and_removed_are_not_asked_for_again(lake, settings, silver):
    september(lake)
    october(lake)
    silver.converge()
    december([])(lake)
    silver.converge()
    assert "bronze api/questions 2016-10-01" in [removal.what for removal in prune(lake, "beer", settings)]
    write_dump(lake, DECEMBER, {"posts": [{"Id": 9, "Score": 1}]}, unread={"posts": [1]}, revision=1)
    silver.converge()
    assert silver.posts()[0] == (1, 1, 2, SEPTEMBER, "quarantined")
