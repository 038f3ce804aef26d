"""What comes back, also where a run is killed on the way: swept rows, and comments that went along with their post."""

from __future__ import annotations

import pytest

from so_lakehouse import failpoints
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.read import silver_rows
from so_lakehouse_tests.pipeline.evidence import CREATED, tombstones, write_dump, write_pages

DECEMBER = "2016-12-11"
SECONDS = CREATED.replace(microsecond=0)
BOTH = ("posts", "comments")


class Killed(BaseException):
    """The end of a run at a fail point."""


@pytest.fixture
def silver(spark, lake, settings, monkeypatch):
    class Silver:
        def converge(self, *tables):
            """Converges, and lets no blocking check fail."""
            result = converge(spark, lake, "beer", list(tables or ("posts",)), settings)
            failed = [c.detail for r in result.values() for c in r.checks if c.blocking and not c.passed]
            assert failed == []
            return result

        def killed(self, place, *tables):
            def reach(name):
                if name == place:
                    raise Killed(name)

            with monkeypatch.context() as patch:
                patch.setattr(failpoints, "reach", reach)
                with pytest.raises(Killed):
                    self.converge(*tables)

        def keys(self, table="posts"):
            return {row["Id"] for row in silver_rows(spark, lake, table, "beer").collect()}

        def row(self, table, key, *columns):
            dates = [f"date_format({c}, 'ss.SSS')" if c.endswith("Date") else c for c in columns]
            return tuple(silver_rows(spark, lake, table, "beer").where(f"Id = {key}").selectExpr(*dates).collect()[0])

    return Silver()


def gone(lake, table):
    return {(t.id, t.as_of.day, t.reason) for t in tombstones(lake) if t.table_name == table}


def test_swept_rows_that_pages_bring_back_have_their_dumps_columns_again(lake, silver):
    dump = {"posts": [{"Id": 7, "FavoriteCount": 2}, {"Id": 8}], "comments": [{"Id": 70, "PostId": 8}]}
    write_dump(lake, DECEMBER, dump)
    silver.converge(*BOTH)
    told = {"posts": (7, "FavoriteCount", "CreationDate"), "comments": (70, "PostId", "CreationDate")}
    before = {table: silver.row(table, *columns) for table, columns in told.items()}
    assert before == {"posts": (2, "00.123"), "comments": (8, "00.123")}
    write_pages(lake, "questions", "2016-12-19", absent=[("2016-12-20", 7)])
    write_pages(lake, "comments", "2016-12-19", absent=[("2016-12-20", 70)])
    silver.converge(*BOTH)
    assert (silver.keys(), silver.keys("comments")) == ({8}, set())
    write_pages(lake, "questions", "2016-12-24", [("2016-12-25", {"Id": 7, "CreationDate": SECONDS})])
    write_pages(lake, "comments", "2016-12-24", [("2016-12-25", {"Id": 70, "PostId": 8, "CreationDate": SECONDS})])
    silver.killed("silver.tombstones_written", *BOTH)
    silver.converge(*BOTH)
    assert {table: silver.row(table, *columns) for table, columns in told.items()} == before
    assert gone(lake, "posts") == gone(lake, "comments") == set()


def test_rows_that_a_killed_sweep_was_to_delete_are_counted_by_the_next_run(lake, silver):
    keys = range(1, 21)  # of many keys some would be decided wrongly by chance
    write_pages(lake, "questions", "2016-12-11", [("2016-12-12", {"Id": key}) for key in (*keys, 99)])
    silver.converge()
    write_pages(lake, "questions", "2016-12-19", absent=[("2016-12-20", key) for key in keys])
    silver.killed("silver.tombstones_written")
    result = silver.converge()["posts"]
    assert [(row.partition, row.rows_deleted) for row in result.applied] == [("2016-12-19", 20)]
    assert silver.keys() == {99}


def test_comments_go_with_a_post_whose_deletion_was_killed_before_they_were_converged_alone(lake, silver):
    write_dump(lake, DECEMBER, {"posts": [{"Id": 1}, {"Id": 2}], "comments": [{"Id": 10, "PostId": 1}]})
    silver.converge(*BOTH)
    write_pages(lake, "questions", "2016-12-19", absent=[("2016-12-20", 1)])
    silver.killed("silver.tombstones_written")
    silver.converge("comments")
    assert silver.keys("comments") == {10}, "post 1 is still there"
    silver.converge(*BOTH)
    assert silver.keys() == {2}
    assert silver.keys("comments") == set()


def test_comments_that_only_pages_told_come_back_with_their_post(lake, silver):
    write_pages(lake, "questions", "2016-12-11", [("2016-12-12", {"Id": 1}), ("2016-12-12", {"Id": 2})])
    write_pages(lake, "comments", "2016-12-11", [("2016-12-12", {"Id": 10, "PostId": 1, "Score": 3})])
    silver.converge(*BOTH)
    write_pages(lake, "questions", "2016-12-19", absent=[("2016-12-20", 1)])
    silver.converge(*BOTH)
    assert silver.keys("comments") == set()
    write_pages(lake, "questions", "2016-12-24", [("2016-12-25", {"Id": 1})])
    silver.converge(*BOTH)
    assert silver.row("comments", 10, "Score") == (3,)
    assert gone(lake, "comments") == set()
    assert not any(result.applied for result in silver.converge(*BOTH).values())


def test_comments_come_back_with_their_post_in_spite_of_kills(lake, silver):
    write_dump(lake, DECEMBER, {"posts": [{"Id": 1}, {"Id": 2}], "comments": [{"Id": 10, "PostId": 1}]})
    silver.converge(*BOTH)
    write_pages(lake, "questions", "2016-12-19", absent=[("2016-12-20", 1)])
    silver.converge(*BOTH)
    write_pages(lake, "questions", "2016-12-24", [("2016-12-25", {"Id": 1})])
    silver.killed("silver.tombstones_written", *BOTH)
    silver.killed("silver.comments_written", *BOTH)
    silver.converge(*BOTH)
    assert silver.keys("comments") == {10}
    assert gone(lake, "comments") == set()


def test_a_late_sweep_does_not_make_a_comment_forget_its_post(lake, silver):
    write_dump(lake, "2016-09-11", {"posts": [{"Id": 1}, {"Id": 2}], "comments": [{"Id": 11, "PostId": 2}]})
    write_pages(lake, "comments", "2016-10-01", [("2016-10-02", {"Id": 10, "PostId": 1})])
    silver.converge(*BOTH)
    write_pages(lake, "questions", "2016-10-05", absent=[("2016-10-06", 1)])
    silver.converge(*BOTH)
    assert gone(lake, "comments") == {(10, 6, "post deleted")}
    write_pages(lake, "comments", "2016-09-30", absent=[("2016-10-01", 10)])
    silver.converge(*BOTH)
    assert gone(lake, "comments") == {(10, 6, "post deleted")}
    write_pages(lake, "questions", "2016-10-07", [("2016-10-08", {"Id": 1})])
    silver.converge(*BOTH)
    assert silver.keys("comments") == {10, 11}


def test_a_late_page_does_not_bring_back_a_comment_that_a_newer_one_put_under_a_deleted_post(lake, silver):
    write_dump(lake, "2016-09-11", {"posts": [{"Id": 1}, {"Id": 2}], "comments": [{"Id": 11, "PostId": 2}]})
    write_pages(lake, "comments", "2016-10-02", [("2016-10-03", {"Id": 10, "PostId": 1})])
    write_pages(lake, "questions", "2016-10-05", absent=[("2016-10-06", 1)])
    silver.converge(*BOTH)
    write_pages(lake, "comments", "2016-10-01", [("2016-10-02", {"Id": 10, "PostId": 2})])
    silver.converge(*BOTH)
    assert silver.keys("comments") == {11}
    assert gone(lake, "comments") == {(10, 6, "post deleted")}
