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
    (_, posts), _ = eligible_dumps(lake, "posts", "beer")
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
    (_, comments), _ = eligible_dumps(lake, "comments", "beer")
    assert (comments.revision, comments.rows, comments.inherited_from) == (3, 0, "")


EARLIER = "2016-10-02"  # of the same quarter


def cuts(lake, table: str = "posts") -> list[tuple[str, int]]:
    return [dump.order for dump in eligible_dumps(lake, table, "beer")[0]]


def test_a_release_that_another_of_its_quarter_replaced_stays_a_dump_of_its_own_cut(lake):
    write_dump(lake, EARLIER, BOTH)
    write_dump(lake, CUT, BOTH)
    write_dump(lake, CUT, {"posts": [{"Id": 1}]}, revision=1)
    assert cuts(lake) == [(EARLIER, 0), (CUT, 0), (CUT, 1)]
    assert cuts(lake, "comments") == [(EARLIER, 0), (CUT, 0)]
    standing = manifest(lake, "posts")
    assert [issue.input for issue in (*standing.replaced, standing)] == [
        *(f"{quarter_of(CUT)}/replaced={release}.0" for release in (EARLIER[:7], CUT[:7])),
        quarter_of(CUT),
    ]


def test_other_bytes_of_one_issue_replace_it_and_not_what_came_before(lake):
    write_dump(lake, EARLIER, BOTH)
    for version in ("1", "2"):
        write_dump(lake, CUT, BOTH, version=version)
    assert cuts(lake) == [(EARLIER, 0), (CUT, 0)]


def test_where_a_re_issue_fails_a_check_or_is_half_read_the_first_issue_counts(lake):
    write_dump(lake, CUT, BOTH)
    comments = manifest(lake, "comments")
    write_dump(lake, CUT, BOTH, revision=1, failed=["comments"])
    assert cuts(lake) == cuts(lake, "comments") == [(CUT, 0)]
    assert "comments.rows_conserved" in eligible_dumps(lake, "posts", "beer")[1][0].reason
    comments.save(lake)
    assert cuts(lake) == cuts(lake, "comments") == [(CUT, 0)]


def test_a_replaced_issue_that_failed_a_check_never_counts(lake):
    write_dump(lake, CUT, BOTH, failed=["comments"])
    write_dump(lake, CUT, BOTH, revision=1)
    assert cuts(lake) == [(CUT, 1)]
