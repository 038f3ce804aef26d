"""What dumps make of silver: newest wins, absence deletes, quarantine keeps, and every row is accounted for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from so_lakehouse.errors import CheckFailed, Unavailable
from so_lakehouse.lake import gates
from so_lakehouse.lake import ledger as ledgers
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.read import silver_rows
from so_lakehouse.status import status
from so_lakehouse_tests.pipeline.evidence import at, tombstones, write_dump

SEPTEMBER, DECEMBER, MARCH = "2016-09-11", "2016-12-11", "2017-03-13"


@pytest.fixture
def silver(spark, lake, settings):
    """Converges a site, and shows rows of a table by key."""

    class Silver:
        def converge(self, tables=("posts",), site="beer", **changes):
            return converge(spark, lake, site, list(tables), replace(settings, **changes))

        def rows(self, table="posts", site="beer"):
            return {row["Id"]: row.asDict() for row in silver_rows(spark, lake, table, site).collect()}

    return Silver()


def counts(row):
    names = ("in", "inserted", "updated", "unchanged", "superseded", "quarantined", "deduplicated", "deleted")
    return {name: getattr(row, f"rows_{name}") for name in names if getattr(row, f"rows_{name}")}


def test_the_next_dump_inserts_updates_and_deletes(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1, "Score": 1}, {"Id": 2, "Score": 2}, {"Id": 3, "Score": 3}]})
    first = silver.converge()["posts"]
    assert [counts(row) for row in first.applied] == [{"in": 3, "inserted": 3}]

    write_dump(lake, DECEMBER, {"posts": [{"Id": 1, "Score": 1}, {"Id": 2, "Score": 20}, {"Id": 4}]})
    second = silver.converge()["posts"]
    assert [counts(row) for row in second.applied] == [
        {"in": 3, "inserted": 1, "updated": 1, "unchanged": 1, "deleted": 1}
    ]
    assert {key: row["Score"] for key, row in silver.rows().items()} == {1: 1, 2: 20, 4: None}
    assert [(t.table_name, t.id, t.reason) for t in tombstones(lake)] == [("posts", 3, "absent from dump")]
    assert second.data_version != first.data_version
    assert second.rows == 3


def test_nothing_new_changes_nothing_and_says_why(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}]})
    write_dump(lake, DECEMBER, {"posts": [{"Id": 2}]})
    before = silver.converge()["posts"]
    after = silver.converge()["posts"]
    assert (after.data_version, after.version, after.applied) == (before.data_version, before.version, ())
    assert [(i.partition, i.reason) for i in after.ignored] == [
        ("2016-07-01", "2016-09 (cut 2016-09-11, revision 0) is not newer than the applied cut 2016-12-11: superseded"),
        ("2016-10-01", "2016-12 (cut 2016-12-11, revision 0) is already applied"),
    ]


def test_a_dump_older_than_the_applied_one_is_superseded(lake, silver):
    write_dump(lake, DECEMBER, {"posts": [{"Id": 1}]})
    silver.converge()
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 2}]})
    result = silver.converge()["posts"]
    assert not result.applied
    assert "superseded" in result.ignored[0].reason
    assert set(silver.rows()) == {1}


def test_a_reissue_of_the_same_cut_replaces_the_first(lake, silver):
    write_dump(lake, DECEMBER, {"posts": [{"Id": 1, "Score": 1}, {"Id": 2}]})
    silver.converge()
    write_dump(lake, DECEMBER, {"posts": [{"Id": 1, "Score": 5}]}, revision=1)
    silver.converge()
    assert {key: row["Score"] for key, row in silver.rows().items()} == {1: 5}


def test_a_table_that_the_release_lacks_keeps_its_rows(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}], "users": [{"Id": 7}]})
    silver.converge(["posts", "users"])
    write_dump(lake, DECEMBER, {"posts": [{"Id": 1}]})
    result = silver.converge(["posts", "users"])["users"]
    assert set(silver.rows("users")) == {7}
    assert "has no users" in " ".join(ignored.reason for ignored in result.ignored)


def test_a_failed_check_of_one_table_keeps_all_tables_of_that_dump_out(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}], "users": []})
    silver.converge()
    write_dump(lake, DECEMBER, {"posts": [{"Id": 2}], "users": []}, failed=["users"])
    result = silver.converge()["posts"]
    assert set(silver.rows()) == {1}
    assert "users.rows_conserved" in " ".join(ignored.reason for ignored in result.ignored)


def test_sites_share_a_table_and_do_not_touch_each_other(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1, "Title": "ale"}]}, site="beer")
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1, "Title": "net"}]}, site="ai")
    silver.converge(site="beer")
    before = silver.converge(site="beer")["posts"].data_version
    silver.converge(site="ai")
    assert silver.converge(site="beer")["posts"].data_version == before
    assert silver.rows(site="ai")[1]["Title"] == "net"
    assert silver.rows(site="beer")[1]["Title"] == "ale"


def test_identical_copies_count_once_and_of_different_ones_the_newest_edit_wins(lake, silver):
    edited = {"Id": 2, "Title": "edited", "LastEditDate": at("2016-05-01")}
    rows = [{"Id": 1}, {"Id": 1}, edited, {"Id": 2, "Title": "later in the file"}, {"Id": 3}]
    write_dump(lake, SEPTEMBER, {"posts": rows})
    result = silver.converge()["posts"]
    assert counts(result.applied[0]) == {"in": 5, "inserted": 3, "deduplicated": 1, "quarantined": 1}
    assert silver.rows()[2]["Title"] == "edited"


def test_rule_breakers_go_to_quarantine_with_their_reason(lake, silver):
    rows = [
        {"Id": 1},
        {"Id": 2, "PostTypeId": 99},
        {"Id": 3, "CreationDate": None},
        {"Id": 1_000_000_001},
    ]
    write_dump(lake, SEPTEMBER, {"posts": rows})
    result = silver.converge()["posts"]
    assert counts(result.applied[0]) == {"in": 4, "inserted": 1, "quarantined": 3}
    manifest = lake.read_json("quarantine/silver/posts/site=beer/source=dump/partition=2016-07-01/manifest.json")
    assert manifest["reasons"] == {"fabricated": 1, "missing_value": 1, "not_allowed": 1}
    assert manifest["open_keys"] == 2


def test_a_key_that_the_dump_holds_in_quarantine_is_kept_and_marked(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1, "Score": 1}, {"Id": 2, "Score": 2}, {"Id": 3}]})
    silver.converge()
    write_dump(lake, DECEMBER, {"posts": [{"Id": 1, "Score": 9}]}, unread={"posts": [2]})
    result = silver.converge()["posts"]
    kept = silver.rows()[2]
    assert set(silver.rows()) == {1, 2}, "3 is absent, 2 is in quarantine"
    assert (kept["Score"], kept["_kept"]) == (2, "quarantined")
    assert kept["_as_of"].date().isoformat() == SEPTEMBER
    assert counts(result.applied[0]) == {"in": 1, "updated": 1, "deleted": 1}

    write_dump(lake, MARCH, {"posts": [{"Id": 1, "Score": 9}, {"Id": 2, "Score": 3}]})
    silver.converge()
    assert (silver.rows()[2]["Score"], silver.rows()[2]["_kept"]) == (3, None)


def test_a_dump_with_unreadable_keys_deletes_nothing(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}, {"Id": 2}]})
    silver.converge()
    write_dump(lake, DECEMBER, {"posts": [{"Id": 1}]}, unread={"posts": [None]})
    silver.converge()
    assert {key: row["_kept"] for key, row in silver.rows().items()} == {1: None, 2: "deletions suspended"}


@pytest.mark.parametrize("unread", [[None], [2]])
def test_a_reissue_that_cannot_tell_what_its_first_issue_told_stops(lake, silver, unread):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}, {"Id": 2}]})
    silver.converge()
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1, "Score": 3}]}, revision=1, unread={"posts": unread})
    with pytest.raises(
        CheckFailed, match=r"deletions_told: revision 1 .* lacks 1 rows of .* 2016-07-01.* --accept-shrink"
    ):
        silver.converge()
    assert {key: row["Score"] for key, row in silver.rows().items()} == {1: None, 2: None}
    silver.converge(accept_shrink=True)
    assert {key: row["Score"] for key, row in silver.rows().items()} == {1: 3}


def test_a_reissue_that_denies_a_row_deletes_it(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}, {"Id": 2}]})
    silver.converge()
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}]}, revision=1)
    silver.converge()
    assert set(silver.rows()) == {1}


def test_a_late_dump_tells_what_the_newest_one_does_not(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1, "Score": 1}]})
    write_dump(lake, MARCH, {"posts": [{"Id": 2}]}, unread={"posts": [1]})
    silver.converge()
    assert silver.rows()[1]["Score"] == 1
    write_dump(lake, DECEMBER, {"posts": [{"Id": 1, "Score": 12}]})
    silver.converge()
    assert (silver.rows()[1]["Score"], silver.rows()[1]["_kept"]) == (12, "quarantined")


def test_a_dump_that_would_delete_too_much_stops_before_anything_is_written(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": key} for key in range(1, 301)], "users": [{"Id": 1}]})
    before = silver.converge(["posts", "users"])
    write_dump(lake, DECEMBER, {"posts": [{"Id": key} for key in range(1, 151)], "users": [{"Id": 2}]})
    with pytest.raises(CheckFailed, match=r"150 of 300 rows of posts of beer.*--accept-shrink"):
        silver.converge(["posts", "users"])
    assert ledgers.load(lake, "beer", ["posts", "users"]).newest_dump("users").partition == "2016-07-01"
    assert tombstones(lake) == []
    accepted = silver.converge(["posts", "users"], accept_shrink=True)["posts"]
    assert accepted.rows == 150
    assert accepted.version == before["posts"].version + 1


def test_a_refused_dump_is_on_record_until_a_converge_comes_through(lake, settings, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": key} for key in range(200)]})
    silver.converge()
    write_dump(lake, DECEMBER, {"posts": [{"Id": 1}]})
    with pytest.raises(CheckFailed) as refused:
        silver.converge()
    assert gates.refusal(lake, "beer") == str(refused.value)
    (shown,) = [layer for layer in status(settings) if layer.layer == "silver"]
    assert shown.failed_checks == ("deletions_plausible",)
    silver.converge(accept_shrink=True)
    assert gates.refusal(lake, "beer") == ""


def test_a_disk_without_room_stops_a_converge_with_news_and_no_other(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}]})
    silver.converge()
    assert silver.converge(disk_reserve_bytes=10**18)["posts"].applied == ()
    write_dump(lake, DECEMBER, {"posts": [{"Id": 2}]})
    with pytest.raises(Unavailable, match="LAKEHOUSE_DISK_RESERVE"):
        silver.converge(disk_reserve_bytes=10**18)
    assert set(silver.rows()) == {1}


def test_a_hundred_deletions_of_a_small_table_and_a_tenth_of_a_large_one_are_not_too_much(lake, silver):
    for cut, posts, users in ((SEPTEMBER, 150, 2000), (DECEMBER, 50, 1800)):
        write_dump(lake, cut, {"posts": [{"Id": k} for k in range(posts)], "users": [{"Id": k} for k in range(users)]})
        converged = silver.converge(["posts", "users"])
    assert [table.rows for table in converged.values()] == [50, 1800]


def test_the_gate_names_the_version_that_was_checked(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}]})
    result = silver.converge()["posts"]
    gate = gates.load(lake, "beer")["posts"]
    assert (gate.version, gate.data_version, gate.passed) == (result.version, result.data_version, True)
    assert result.checks == gate.checks


def test_the_gate_tells_how_far_the_checked_rows_reach_also_where_a_dump_changed_none(lake, silver):
    reached = []
    for dump in (SEPTEMBER, DECEMBER):
        write_dump(lake, dump, {"posts": [{"Id": 1}]})
        (applied,) = silver.converge()["posts"].applied
        gate = gates.load(lake, "beer")["posts"]
        assert gate.complete_to == applied.cut_at
        reached.append((gate.data_version, gate.complete_to))
    (before, september), (after, december) = reached
    assert before == after
    assert september < december


def test_values_are_spelled_in_one_way(lake, silver):
    write_dump(
        lake,
        SEPTEMBER,
        {
            "posts": [
                {"Id": 1, "Tags": "<ale><pale-ale>", "OwnerUserId": 7},
                {"Id": 2, "Tags": "|ale|c++|", "OwnerDisplayName": "user9"},
                {"Id": 3},
            ],
            "post_history": [{"Id": 1, "RevisionGUID": "AB-CD"}],
        },
    )
    silver.converge(["posts", "post_history"])
    rows = silver.rows()
    assert [rows[key]["Tags"] for key in (1, 2, 3)] == [["ale", "pale-ale"], ["ale", "c++"], None]
    assert [rows[key]["OwnerIsDeleted"] for key in (1, 2, 3)] == [False, True, False]
    assert "OwnerDisplayName" not in rows[1]
    assert silver.rows("post_history")[1]["RevisionGUID"] == "ab-cd"
