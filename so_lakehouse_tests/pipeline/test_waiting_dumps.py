"""Which dumps of bronze may be taken in, from their manifests alone: whole ones, and what re-issues inherit."""

from __future__ import annotations

from so_lakehouse.lake import paths
from so_lakehouse.lake.manifests import BronzeManifest
from so_lakehouse.lake.waiting import eligible_dumps
from so_lakehouse_tests.pipeline.evidence import quarter_of, write_dump

CUT = "2016-12-11"
BOTH = {"posts": [{"Id": 1}, {"Id": 2}], "comments": [{"Id": 7}]}


def manifest(lake, table: str) -> BronzeManifest:
    found = BronzeManifest.load(lake, table, quarter_of(CUT), "beer")
    assert found is not None
    return found


def test_a_dump_of_which_a_table_was_not_read_waits_with_all_its_tables(lake):
    write_dump(lake, CUT, BOTH)
    lake.delete(paths.bronze_dump_manifest("comments", quarter_of(CUT), "beer"))
    eligible, (ignored, *_) = eligible_dumps(lake, "posts", "beer")
    assert eligible == []
    assert ignored.reason == "not read as a whole: bronze has another dump of comments or none; read all its tables"


def test_a_reading_that_was_killed_between_two_tables_waits(lake):
    write_dump(lake, CUT, BOTH, version="1")
    comments = manifest(lake, "comments")
    write_dump(lake, CUT, BOTH, version="2")
    comments.save(lake)
    assert eligible_dumps(lake, "posts", "beer")[0] == []


def test_a_re_issue_without_a_table_inherits_what_was_read_of_it(lake):
    write_dump(lake, CUT, BOTH)
    before = manifest(lake, "comments")
    write_dump(lake, CUT, {"posts": [{"Id": 1}]}, revision=2)
    (posts,), _ = eligible_dumps(lake, "posts", "beer")
    (comments,), _ = eligible_dumps(lake, "comments", "beer")
    assert (posts.revision, posts.rows) == (2, 1)
    assert (comments.revision, comments.rows, comments.files) == (0, 1, before.files)
    assert comments.data_version == before.data_version


def test_what_was_inherited_is_inherited_again(lake):
    write_dump(lake, CUT, BOTH)
    before = manifest(lake, "comments")
    for revision in (2, 3):
        write_dump(lake, CUT, {"posts": [{"Id": 1}]}, revision=revision)
    (comments,), _ = eligible_dumps(lake, "comments", "beer")
    assert comments.data_version == before.data_version


def test_a_re_issue_with_the_table_replaces_what_was_inherited(lake):
    write_dump(lake, CUT, BOTH)
    write_dump(lake, CUT, {"posts": [{"Id": 1}]}, revision=2)
    write_dump(lake, CUT, BOTH | {"comments": []}, revision=3)
    (comments,), _ = eligible_dumps(lake, "comments", "beer")
    assert (comments.revision, comments.rows, comments.inherited_from) == (3, 0, "")
