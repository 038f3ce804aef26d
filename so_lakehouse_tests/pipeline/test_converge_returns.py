"""What comes back, also where a run is killed on the way: swept rows, and comments that went along with their post."""

from __future__ import annotations

import pytest

from so_lakehouse.lake import paths
from so_lakehouse_tests.pipeline.evidence import CREATED, write_dump, write_pages
from so_lakehouse_tests.pipeline.site_history import SiteHistory

SEPTEMBER, DECEMBER = "2016-09-11", "2016-12-11"
SECONDS = CREATED.replace(microsecond=0)
BOTH = ("posts", "comments")
SWEPT = range(201, 221)  # of many keys some would be decided wrongly by chance


def gone(step, table="comments"):
    return {(t.id, t.as_of.day, t.reason) for t in step.tombstones if t.table_name == table}


@pytest.fixture(scope="module")
def dumped(spark, tmp_path_factory):
    """Posts and comments of a dump are swept and come back. The sweep is killed before it takes rows away, and then
    comments are converged alone; the return is killed once before it writes rows and once when comments are written."""
    site, steps = SiteHistory(spark, tmp_path_factory.mktemp("dumped")), {}
    dump = {
        "posts": [{"Id": 1}, {"Id": 2}, {"Id": 7, "FavoriteCount": 2}, {"Id": 8}],
        "comments": [{"Id": 10, "PostId": 1}, {"Id": 70, "PostId": 8}],
    }
    write_dump(site.lake, DECEMBER, dump)
    steps["dump"] = site.converge(*BOTH)
    write_pages(site.lake, "questions", "2016-12-19", absent=[("2016-12-20", 1), ("2016-12-20", 7)])
    write_pages(site.lake, "comments", "2016-12-19", absent=[("2016-12-20", 70)])
    site.killed("silver.tombstones_written", *BOTH)
    steps["comments alone"] = site.converge("comments")
    steps["swept"] = site.converge(*BOTH)
    back = [("2016-12-25", {"Id": key, "CreationDate": SECONDS}) for key in (1, 7)]
    write_pages(site.lake, "questions", "2016-12-24", back)
    write_pages(site.lake, "comments", "2016-12-24", [("2016-12-25", {"Id": 70, "PostId": 8, "CreationDate": SECONDS})])
    site.killed("silver.tombstones_written", *BOTH)
    site.killed("silver.comments_written", *BOTH)
    steps["back"] = site.converge(*BOTH)
    steps["again"] = site.converge(*BOTH)
    return steps


def test_swept_rows_that_pages_bring_back_have_their_dumps_columns_again(dumped):
    assert dumped["swept"].posts.keys() == {2, 8}
    assert dumped["swept"].rows["comments"] == {}
    before, after = dumped["dump"], dumped["back"]
    for table, key, columns in (("posts", 7, ("FavoriteCount", "CreationDate")), ("comments", 70, ("CreationDate",))):
        told = {name: before.rows[table][key][name] for name in columns}
        assert {name: after.rows[table][key][name] for name in columns} == told
        assert told["CreationDate"].microsecond, "pages tell whole seconds"
    assert after.posts.keys() == {1, 2, 7, 8}
    assert gone(after, "posts") == gone(after) == set()


def test_comments_go_with_a_post_whose_deletion_was_killed_before_they_were_converged_alone(dumped):
    assert dumped["comments alone"].rows["comments"].keys() == {10}, "post 1 is still there"
    assert gone(dumped["swept"]) >= {(10, 20, "post deleted")}


def test_comments_come_back_with_their_post_in_spite_of_kills(dumped):
    assert dumped["back"].rows["comments"].keys() == {10, 70}
    assert not any(result.applied for result in dumped["again"].result.values())


@pytest.fixture(scope="module")
def paged(spark, tmp_path_factory):
    """As above, where no dump has told anything."""
    site, steps = SiteHistory(spark, tmp_path_factory.mktemp("paged")), {}
    write_pages(site.lake, "questions", "2016-12-11", [("2016-12-12", {"Id": key}) for key in (1, 2, *SWEPT)])
    write_pages(site.lake, "comments", "2016-12-11", [("2016-12-12", {"Id": 10, "PostId": 1, "Score": 3})])
    site.converge(*BOTH)
    write_pages(site.lake, "questions", "2016-12-19", absent=[("2016-12-20", key) for key in (1, *SWEPT)])
    site.killed("silver.tombstones_written", *BOTH)
    steps["swept"] = site.converge(*BOTH)
    write_pages(site.lake, "questions", "2016-12-24", [("2016-12-25", {"Id": 1})])
    steps["back"], steps["again"] = site.converge(*BOTH), site.converge(*BOTH)
    return steps


def test_rows_that_a_killed_sweep_was_to_delete_are_counted_by_the_next_run(paged):
    assert paged["swept"].posts.keys() == {2}
    swept = paged["swept"].applied("api/questions")
    assert {day: counts["deleted"] for day, counts in swept.items()} == {"2016-12-19": 1 + len(SWEPT)}


def test_comments_that_only_pages_told_come_back_with_their_post(paged):
    assert paged["swept"].rows["comments"] == {}
    assert paged["back"].column("Score", "comments") == {10: 3}
    assert gone(paged["back"]) == set()
    assert not any(result.applied for result in paged["again"].result.values())


@pytest.fixture(scope="module")
def late(spark, tmp_path_factory):
    """A post with comments is swept; then come pages of before: one does not have a comment, one has another one under
    a post that is there; at last the post comes back."""
    site, steps = SiteHistory(spark, tmp_path_factory.mktemp("late")), {}
    comments = [{"Id": 11, "PostId": 2}, {"Id": 12, "PostId": 1}]
    write_dump(site.lake, SEPTEMBER, {"posts": [{"Id": 1}, {"Id": 2}], "comments": comments})
    told = [("2016-10-03", {"Id": key, "PostId": 1}) for key in (10, 20, 30)]
    write_pages(site.lake, "comments", "2016-10-02", told)
    steps["told"] = site.converge(*BOTH)
    write_pages(site.lake, "questions", "2016-10-05", absent=[("2016-10-06", 1)])
    steps["swept"] = site.converge(*BOTH)
    write_pages(site.lake, "comments", "2016-09-30", absent=[("2016-10-01", 10)])
    write_pages(site.lake, "comments", "2016-10-01", [("2016-10-02", {"Id": 20, "PostId": 2})])
    steps["late"] = site.converge(*BOTH)
    write_pages(site.lake, "comments", "2016-10-04", absent=[("2016-10-05", key) for key in (12, 30)])
    write_pages(site.lake, "questions", "2016-10-19", absent=[("2016-10-20", 1)])
    steps["swept again"] = site.converge(*BOTH)
    write_pages(site.lake, "questions", "2016-10-21", [("2016-10-22", {"Id": 1})])
    steps["back"] = site.converge(*BOTH)
    return steps


def along(day, *ids):
    return {(key, day, "post deleted") for key in ids}


def test_a_late_sweep_does_not_make_a_comment_forget_its_post(late):
    assert gone(late["swept"]) == gone(late["late"]) == along(6, 10, 12, 20, 30)
    assert late["back"].rows["comments"].keys() == {10, 11, 20}


def test_a_late_sweep_newer_than_what_put_a_comment_under_its_post_counts_as_if_it_had_come_in_time(late):
    """Of comment 12, which the dump put there, and of 30, which a page did."""
    assert {(key, day, why) for key, day, why in gone(late["swept again"]) if key in (12, 30)} == {
        (12, 5, "not returned by API"),
        (30, 5, "not returned by API"),
    }
    assert not {12, 30} & late["back"].rows["comments"].keys()


def test_what_went_along_is_gone_as_of_the_newest_evidence_of_its_posts_absence(late):
    assert gone(late["swept again"]) >= along(20, 10, 20)


def test_a_late_page_does_not_bring_back_a_comment_that_a_newer_one_put_under_a_deleted_post(late):
    assert late["told"].column("PostId", "comments") == {10: 1, 11: 2, 12: 1, 20: 1, 30: 1}
    assert late["late"].column("PostId", "comments") == {11: 2}
    assert late["back"].column("PostId", "comments") == {10: 1, 11: 2, 20: 1}


def test_a_comment_waits_for_the_dump_that_told_it_where_its_post_is_back_first(spark, tmp_path):
    site = SiteHistory(spark, tmp_path)
    write_dump(site.lake, SEPTEMBER, {"posts": [{"Id": 1}, {"Id": 2}], "comments": [{"Id": 10, "PostId": 1}]})
    write_dump(site.lake, DECEMBER, {"posts": [{"Id": 2}]})
    site.converge(*BOTH)
    folder = site.lake.path(paths.bronze_dump("comments", "2016-07-01", "beer"))
    site.lake.fs.move(folder, site.lake.path("elsewhere"))
    write_pages(site.lake, "questions", "2016-12-24", [("2016-12-25", {"Id": 1})])
    waiting, again = site.converge(*BOTH), site.converge(*BOTH)
    assert waiting.posts.keys() == {1, 2}
    assert (waiting.rows["comments"], gone(waiting)) == ({}, {(10, 11, "post deleted")})
    assert not any(result.applied for result in again.result.values())
    site.lake.fs.move(site.lake.path("elsewhere"), folder)
    back = site.converge(*BOTH)
    assert (back.rows["comments"].keys(), gone(back)) == ({10}, set())
