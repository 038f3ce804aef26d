"""What the newest dump cannot tell, all older evidence decides: dumps and the pages that were fetched between them."""

from __future__ import annotations

import pytest

from so_lakehouse.errors import BadInput
from so_lakehouse.lake import paths, silver_tables
from so_lakehouse.lake.prune import prune, removable
from so_lakehouse.lake.query import query_lake
from so_lakehouse.spark.converge import converge
from so_lakehouse_tests.pipeline.evidence import quarter_of, tombstones, write_dump, write_pages
from so_lakehouse_tests.pipeline.site_history import SiteHistory

SEPTEMBER, DECEMBER = "2016-09-11", "2016-12-11"
SEPTEMBERS = [{"Id": key, "Score": 1, "FavoriteCount": 2} for key in (1, 2, 3)]
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
    write_dump(lake, SEPTEMBER, {"posts": SEPTEMBERS})


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
        ([1, 2, 3, 4], "quarantined", ("december", "september october")),
        ([None], "deletions suspended", ("october", "december", "september")),
    ],
)
def test_pages_before_the_cut_tell_what_the_newest_dump_does_not_in_any_order(lake, silver, unread, kept, arrivals):
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


@pytest.fixture(scope="module")
def issues(spark, tmp_path_factory):
    """September, October's pages, and December in three issues: the first is silent about keys 1 to 4, 13 and 21, the
    second about none, the third about 1, after what the second overtook is gone. Keys from 11 and 21 on are for one
    test each."""
    site, steps = SiteHistory(spark, tmp_path_factory.mktemp("issues")), {}
    more = [{"Id": key, "Score": 1, "FavoriteCount": 2} for key in (11, 13, 21)]
    write_dump(site.lake, SEPTEMBER, {"posts": [*SEPTEMBERS, *more]})
    site.converge()
    october(site.lake)
    write_pages(site.lake, "questions", "2016-10-03", [("2016-10-04", {"Id": 11, "Score": 5})])
    steps["october"] = site.converge()
    december([1, 2, 3, 4, 13, 21])(site.lake)
    steps["december"], steps["again"] = site.converge(), site.converge()
    steps["removable then"] = removals(removable(site.lake, "beer", site.settings))
    late = [("2016-10-06", {"Id": key, "Score": 7}) for key in (11, 13)]
    write_pages(site.lake, "questions", "2016-10-05", late)
    write_pages(site.lake, "questions", "2016-12-20", [("2016-12-21", {"Id": 21, "Score": 8})])
    steps["late"], steps["rebuilt"] = site.converge(), site.converge(rebuild=True)
    for revision, unread in ((1, ()), (2, [1])):
        write_dump(site.lake, DECEMBER, {"posts": [{"Id": 9, "Score": 1}]}, revision=revision, unread={"posts": unread})
        steps[f"issue {revision}"] = site.converge()
        if revision == 1:
            steps["removed"] = removals(prune(site.lake, "beer", site.settings))
    return steps


def removals(found):
    return [removal.what for removal in found]


def held(step):
    """Score, favourite count, day of the evidence and mark of each row, by key."""
    return {
        key: (row["Score"], row["FavoriteCount"], row["_as_of"] and f"{row['_as_of']:%F}", row["_kept"])
        for key, row in step.posts.items()
    }


def test_pages_before_the_cut_tell_what_the_newest_dump_does_not(issues):
    step = issues["december"]
    assert {key: row for key, row in held(step).items() if key < 10} == {
        1: (5, 2, "2016-10-02", "quarantined"),
        3: (1, 2, SEPTEMBER, "quarantined"),
        4: (5, None, "2016-10-02", "quarantined"),
        9: (1, None, None, None),
    }
    assert [(gone.id, f"{gone.as_of:%F}", gone.reason) for gone in step.tombstones if gone.id < 10] == [
        (2, "2016-10-02", "not returned by API")
    ]
    assert issues["again"].result["posts"].applied == ()


def test_of_the_keys_that_a_dump_does_tell_earlier_pages_say_nothing(issues):
    assert issues["october"].posts[11]["Score"] == 5
    before, late = held(issues["december"]), issues["late"]
    assert (11 in before, before[13]) == (False, (1, 2, SEPTEMBER, "quarantined"))
    assert late.applied("api/questions")["2016-10-05"] == {"in": 2, "updated": 1, "superseded": 1}
    assert (11 in late.posts, held(late)[13]) == (False, (7, 2, "2016-10-06", "quarantined"))
    assert held(late)[9] == (1, None, None, None)


def test_a_page_after_the_cut_ends_the_silence(issues):
    assert held(issues["december"])[21] == (1, 2, SEPTEMBER, "quarantined")
    assert held(issues["late"])[21] == (8, 2, "2016-12-21", None)
    assert issues["rebuilt"].result["posts"].applied[0].rows_updated == 0


def test_a_comment_stays_where_its_post_is_one_that_the_newest_dump_does_not_tell(lake, silver):
    september(lake)
    write_pages(lake, "comments", "2016-10-01", [("2016-10-02", {"Id": 10, "PostId": 77})])
    december([77])(lake)
    silver.converge("posts", "comments")
    assert query_lake(lake, "select Id from silver.comments").to_pylist() == [{"Id": 10}]
    write_dump(lake, DECEMBER, {"posts": [{"Id": 9, "Score": 1}]}, revision=1)
    silver.converge("posts", "comments")
    assert query_lake(lake, "select Id from silver.comments").to_pylist() == []


def test_no_comment_goes_for_posts_whose_dump_bronze_has_lost(lake, silver):
    """The dump could not tell post 77; silver alone does not know that."""
    september(lake)
    write_pages(lake, "comments", "2016-10-01", [("2016-10-02", {"Id": 10, "PostId": 77})])
    december([77])(lake)
    silver.converge("posts", "comments")
    lake.delete(paths.bronze_dump("posts", quarter_of(DECEMBER), "beer"))
    write_pages(lake, "questions", "2016-12-20", [("2016-12-21", {"Id": 9, "Score": 3})])
    for together in (("posts", "comments"), ("comments",)):
        silver.converge(*together)
        assert comments(lake) == [10]


def test_pages_stay_in_bronze_for_as_long_as_they_may_tell_something(issues):
    assert not any("api/" in what for what in issues["removable then"])
    rebuilt = issues["rebuilt"]
    assert all(row.rows_updated == row.rows_inserted == 0 for row in rebuilt.result["posts"].applied)
    assert rebuilt.posts == issues["late"].posts
    assert "bronze api/questions 2016-10-01" in issues["removed"]


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


def test_a_comment_between_two_dumps_goes_with_its_post_whether_it_comes_before_the_newest_or_after_it(lake, silver):
    """The newest dump of comments cannot tell comments 10 and 12, that of posts denies their post."""
    write_pages(lake, "comments", "2016-10-01", [("2016-10-02", {"Id": 10, "PostId": 77})])
    tables = {"posts": [{"Id": 9}], "comments": [{"Id": 11, "PostId": 9}]}
    write_dump(lake, DECEMBER, tables, unread={"comments": [10, 12]})
    silver.converge("posts", "comments")
    assert comments(lake) == [11]
    write_pages(lake, "comments", "2016-10-03", [("2016-10-04", {"Id": 12, "PostId": 77})])
    silver.converge("posts", "comments")
    assert comments(lake) == [11]


def test_comments_that_an_open_dump_keeps_go_when_posts_that_are_converged_later_deny_their_post(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 9}, {"Id": 77}], "comments": [{"Id": 10, "PostId": 77}]})
    silver.converge("posts", "comments")
    write_dump(lake, DECEMBER, {"posts": [{"Id": 9}], "comments": []}, unread={"comments": [10]})
    silver.converge("comments")
    assert comments(lake) == [10]
    silver.converge("posts")
    silver.converge("comments")
    assert comments(lake) == []


def test_a_dump_read_anew_that_is_silent_lets_pages_speak_again_and_brings_comments_back(lake, silver):
    september(lake)
    october(lake)
    write_pages(lake, "comments", "2016-10-01", [("2016-10-02", {"Id": 10, "PostId": 4})])
    silver.converge("posts", "comments")
    december([])(lake)
    silver.converge("posts", "comments")
    assert ([row[0] for row in silver.posts()], comments(lake)) == ([9], [])
    write_dump(lake, DECEMBER, {"posts": [{"Id": 9, "Score": 1}]}, unread={"posts": [4]})
    silver.converge("posts", "comments")
    assert silver.posts() == [(4, 5, None, "2016-10-02", "quarantined"), (9, 1, None, None, None)]
    assert comments(lake) == [10]
    assert {gone.id for gone in tombstones(lake)} == {1, 3}


def test_pages_that_were_overtaken_and_removed_are_not_asked_for_again(issues):
    assert "bronze api/questions 2016-10-01" in issues["removed"]
    assert held(issues["issue 1"]) == {9: (1, None, None, None), 21: (8, None, "2016-12-21", None)}
    assert held(issues["issue 2"]) == held(issues["issue 1"]), "the second issue still tells what the third cannot"
