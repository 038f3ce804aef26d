"""What dumps make of silver: newest wins, absence deletes, quarantine keeps, and every row is accounted for."""

from __future__ import annotations

import re

import pytest

from so_lakehouse.errors import CheckFailed, Unavailable
from so_lakehouse.lake import gates, paths
from so_lakehouse.lake import ledger as ledgers
from so_lakehouse.schema import TABLES
from so_lakehouse.status import status
from so_lakehouse_tests.pipeline.evidence import at, tombstones, write_dump, write_pages
from so_lakehouse_tests.pipeline.site_history import SiteHistory

SEPTEMBER, DECEMBER, MARCH, JUNE = "2016-09-11", "2016-12-11", "2017-03-13", "2017-06-12"
YEAR_AFTER = "2017-09-11", "2017-12-11"
QUARANTINE = "quarantine/silver/posts/site=beer/source=dump/partition=2016-07-01/manifest.json"


@pytest.fixture
def silver(spark, tmp_path):
    return SiteHistory(spark, tmp_path)


def scored(scores):
    return [{"Id": key, "Score": score} for key, score in scores.items()]


@pytest.fixture(scope="module")
def quarters(spark, tmp_path_factory):
    """Six dumps of a site and a re-issue, each taken in by itself. Keys from 11, 21, 31 and 41 on are for one test."""
    site, steps = SiteHistory(spark, tmp_path_factory.mktemp("quarters")), {}
    edited = {"Id": 12, "Title": "edited", "LastEditDate": at("2016-05-01")}
    copies = [{"Id": 11}, {"Id": 11}, edited, {"Id": 12, "Title": "later in the file"}]
    rule_breakers = [{"Id": 21, "PostTypeId": 99}, {"Id": 22, "CreationDate": None}, {"Id": 1_000_000_001}]
    spelled = [
        {"Id": 31, "Tags": "<ale><pale-ale>", "OwnerUserId": 7},
        {"Id": 32, "Tags": "|ale|c++|", "OwnerDisplayName": "user9"},
        {"Id": 33},
    ]
    posts = [*scored({1: 1, 2: 2, 3: 3, 41: 1, 42: 2, 43: 3}), *copies, *rule_breakers, *spelled]
    history = [{"Id": 1, "RevisionGUID": "AB-CD"}]
    write_dump(site.lake, SEPTEMBER, {"posts": posts, "users": [{"Id": 7}], "post_history": history})
    steps["september"] = site.converge("posts", "users", "post_history")
    steps["reasons"] = site.lake.read_json(QUARANTINE)

    posts = [*scored({1: 1, 2: 20, 4: None, 41: 1, 42: 2, 43: 3}), *spelled]
    write_dump(site.lake, DECEMBER, {"posts": posts})
    steps["december"] = site.converge("posts", "users")
    write_dump(site.lake, MARCH, {"posts": scored({1: 1, 41: 9})}, unread={"posts": [42]})
    steps["march"] = site.converge()
    active = {"Id": 1, "Score": 1, "LastActivityDate": at("2017-06-01")}
    for name, cut in (("june", JUNE), ("september after", YEAR_AFTER[0])):
        write_dump(site.lake, cut, {"posts": [active, *scored({41: 9, 42: 3})]})
        steps[name] = site.converge()
    write_dump(site.lake, YEAR_AFTER[1], {"posts": scored({1: 1})}, unread={"posts": [None]})
    steps["december after"] = site.converge()
    write_dump(site.lake, YEAR_AFTER[1], {"posts": scored({1: 5, 5: None})}, revision=1)
    steps["re-issue"] = site.converge()

    write_dump(site.lake, SEPTEMBER, {"posts": [{"Id": 1, "Title": "net"}]}, site="ai")
    steps["another site"] = site.converge(site="ai")
    write_dump(site.lake, "2016-06-12", {"posts": scored({1: 6, 6: 6})})
    steps["nothing new"] = site.converge()
    return steps


def test_the_next_dump_inserts_updates_and_deletes(quarters):
    first, second = quarters["september"], quarters["december"]
    assert first.applied("dump") == {"2016-07-01": {"in": 16, "inserted": 11, "deduplicated": 1, "quarantined": 4}}
    assert second.applied("dump") == {
        "2016-10-01": {"in": 9, "inserted": 1, "updated": 1, "unchanged": 7, "deleted": 3}
    }
    scores = second.column("Score")
    assert {key: scores[key] for key in scores if key < 10} == {1: 1, 2: 20, 4: None}
    gone = sorted((t.table_name, t.id, t.reason) for t in second.tombstones)
    assert gone == [("posts", key, "absent from dump") for key in (3, 11, 12)]
    assert second.result["posts"].data_version != first.result["posts"].data_version
    assert second.result["posts"].rows == 9


def test_nothing_new_changes_nothing_and_says_why(quarters):
    before, after = quarters["re-issue"], quarters["nothing new"]
    assert (after.rows, after.tombstones) == (before.rows, before.tombstones)
    assert after.result["posts"].applied == ()
    assert after.result["posts"].data_version == before.result["posts"].data_version
    assert after.result["posts"].version == quarters["another site"].result["posts"].version
    superseded = ["2016-06-12", SEPTEMBER, DECEMBER, MARCH, JUNE, *YEAR_AFTER]
    assert [i.reason for i in after.result["posts"].ignored] == [
        *(
            f"{cut[:7]} (cut {cut}, revision 0) is not newer than the applied cut 2017-12-11: superseded"
            for cut in superseded
        ),
        "2017-12 (cut 2017-12-11, revision 1) is already applied",
    ]


def test_a_dump_older_than_the_applied_one_is_superseded(quarters):
    late = quarters["nothing new"]
    assert not late.result["posts"].applied
    assert [i.partition for i in late.result["posts"].ignored if "2016-06-12" in i.reason] == ["2016-04-01"]
    assert late.column("Score") == {1: 5, 5: None}


def test_a_reissue_of_the_same_cut_replaces_the_first_and_deletes_what_it_denies(quarters):
    assert set(quarters["december after"].posts) == {1, 41, 42}
    assert quarters["re-issue"].column("Score") == {1: 5, 5: None}


def test_a_table_that_the_release_lacks_keeps_its_rows(quarters):
    december = quarters["december"]
    assert set(december.rows["users"]) == {7}
    assert "has no users" in " ".join(ignored.reason for ignored in december.result["users"].ignored)


def test_a_failed_check_of_one_table_keeps_all_tables_of_that_dump_out_and_no_pages(silver):
    write_dump(silver.lake, SEPTEMBER, {"posts": scored({1: 1, 2: 2}), "users": []})
    silver.converge()
    write_dump(silver.lake, DECEMBER, {"posts": scored({1: 9, 3: 9}), "users": []}, failed=["users"])
    refused = silver.converge()
    assert refused.column("Score") == {1: 1, 2: 2}
    write_pages(silver.lake, "questions", "2016-10-01", [("2016-10-02", {"Id": 2, "Score": 5})])
    paged = silver.converge()
    assert paged.column("Score") == {1: 1, 2: 5}
    assert paged.applied("api/questions") == {"2016-10-01": {"in": 1, "updated": 1}}
    assert paged.applied("dump") == {}
    for step in (refused, paged):
        assert "users.rows_conserved" in " ".join(ignored.reason for ignored in step.result["posts"].ignored)


def test_sites_share_a_table_and_do_not_touch_each_other(quarters):
    before, after = quarters["re-issue"], quarters["nothing new"]
    assert before.result["posts"].data_version == after.result["posts"].data_version
    assert quarters["another site"].column("Title") == {1: "net"}
    assert after.column("Title") == {1: None, 5: None}


def test_identical_copies_count_once_and_of_different_ones_the_newest_edit_wins(quarters):
    first = quarters["september"]
    assert first.result["posts"].applied[0].rows_deduplicated == 1
    assert quarters["reasons"]["reasons"]["equal_key"] == 1
    assert first.posts[12]["Title"] == "edited"


def test_rule_breakers_go_to_quarantine_with_their_reason(quarters):
    assert not set(quarters["september"].posts) & {21, 22, 1_000_000_001}
    manifest = quarters["reasons"]
    assert manifest["reasons"] == {"fabricated": 1, "missing_value": 1, "not_allowed": 1, "equal_key": 1}
    assert manifest["open_keys"] == 2


def test_a_key_that_the_dump_holds_in_quarantine_is_kept_and_marked(quarters):
    march, june = quarters["march"], quarters["june"]
    kept = march.posts[42]
    assert set(march.posts) == {1, 41, 42}, "43 is absent, 42 is in quarantine"
    assert (kept["Score"], kept["_kept"]) == (2, "quarantined")
    assert kept["_as_of"].date().isoformat() == DECEMBER
    assert march.applied("dump") == {"2017-01-01": {"in": 2, "updated": 1, "unchanged": 1, "deleted": 6}}
    assert (june.posts[42]["Score"], june.posts[42]["_kept"]) == (3, None)


def test_a_dump_with_unreadable_keys_deletes_nothing(quarters):
    assert quarters["december after"].column("_kept") == {
        1: None,
        41: "deletions suspended",
        42: "deletions suspended",
    }


@pytest.fixture(scope="module")
def one_quarter(spark, tmp_path_factory):
    """A quarter's first release, another with a later cut that holds 7 unreadably, and a re-issue of that one that
    holds 1 so, too. Site `ai` takes them in at once."""
    site, steps = SiteHistory(spark, tmp_path_factory.mktemp("one quarter")), {}
    issues = {
        "first": ("2016-10-02", 0, {1: 1, 7: 7}, []),
        "second": (DECEMBER, 0, {1: 2, 2: 2}, [7]),
        "re-issue": (DECEMBER, 1, {2: 3}, [1, 7]),
    }
    for name, (cut, revision, scores, unread) in issues.items():
        write_dump(site.lake, cut, {"posts": scored(scores)}, revision=revision, unread={"posts": unread})
        steps[name] = site.converge()
        tables = {"posts": scored(scores)}
        write_dump(site.lake, cut, tables, site="ai", revision=revision, unread={"posts": unread})
    steps["at once"] = site.converge(site="ai")
    steps["rebuilt"] = site.converge(rebuild=True)
    return steps


def test_a_release_that_another_of_its_quarter_replaced_tells_what_that_one_cannot(one_quarter):
    kept = one_quarter["second"].posts[7]
    assert one_quarter["second"].column("Score") == {1: 2, 2: 2, 7: 7}
    assert (kept["_kept"], f"{kept['_as_of']:%F}") == ("quarantined", "2016-10-02")


def test_a_reissue_that_cannot_tell_what_its_first_issue_told_takes_no_value_back(one_quarter):
    step = one_quarter["re-issue"]
    assert step.column("Score") == {1: 2, 2: 3, 7: 7}
    assert (step.posts[1]["_kept"], f"{step.posts[1]['_as_of']:%F}") == ("quarantined", DECEMBER)


def test_releases_of_one_quarter_make_the_same_silver_one_by_one_at_once_and_rebuilt(one_quarter):
    one_by_one, at_once = one_quarter["re-issue"].posts, one_quarter["at once"].posts
    assert at_once == {key: row | {"site": "ai"} for key, row in one_by_one.items()}
    assert one_quarter["rebuilt"].posts == one_by_one


def test_a_reissue_that_cannot_tell_what_a_lost_first_issue_told_stops(silver):
    write_dump(silver.lake, "2016-06-12", {"posts": scored({1: 1, 2: 1, 3: 1})})
    write_dump(silver.lake, SEPTEMBER, {"posts": scored({1: 2, 2: 2, 3: 2, 4: 2})})
    silver.converge()
    for table in TABLES:
        silver.lake.delete(paths.bronze_dump(table, "2016-07-01", "beer"))
    write_dump(silver.lake, SEPTEMBER, {"posts": scored({1: 3})}, revision=1, unread={"posts": [2, 3, 4]})
    with pytest.raises(
        CheckFailed,
        match=r"deletions_told: revision 1 .* lacks 1 rows .* 2016-07-01.*of 2 others.* --accept-shrink",
    ):
        silver.converge()
    assert {key: row["Score"] for key, row in silver.rows().items()} == {1: 2, 2: 2, 3: 2, 4: 2}
    assert silver.converge(accept_shrink=True).column("Score") == {1: 3, 2: 1, 3: 1}


def test_a_late_dump_tells_what_the_newest_one_does_not(silver):
    write_dump(silver.lake, SEPTEMBER, {"posts": [{"Id": 1, "Score": 1}]})
    write_dump(silver.lake, MARCH, {"posts": [{"Id": 2}]}, unread={"posts": [1]})
    assert silver.converge().posts[1]["Score"] == 1
    write_dump(silver.lake, DECEMBER, {"posts": [{"Id": 1, "Score": 12}]})
    told = silver.converge().posts[1]
    assert (told["Score"], told["_kept"]) == (12, "quarantined")


@pytest.fixture(scope="module")
def shrunken(spark, tmp_path_factory):
    """A dump that deletes half of a table: refused, and then accepted."""
    site = SiteHistory(spark, tmp_path_factory.mktemp("shrunken"))
    before, after = ([{"Id": key} for key in range(1, rows + 1)] for rows in (300, 150))
    write_dump(site.lake, SEPTEMBER, {"posts": before, "users": before, "tags": [{"Id": 1}]})
    found = {"before": site.converge("posts", "users", "tags")}
    write_dump(site.lake, DECEMBER, {"posts": after, "users": after, "tags": [{"Id": 2}]})
    with pytest.raises(CheckFailed) as refused:
        site.converge("posts", "users", "tags")
    found |= {"error": str(refused.value), "refusal": gates.refusal(site.lake, "beer")}
    found["refused"] = refused.value.outcomes
    found |= {"ledger": ledgers.load(site.lake, "beer", ["posts", "users"]), "tombstones": tombstones(site.lake)}
    found["status"] = status(site.settings)
    found["accepted"] = site.converge("posts", "users", "tags", accept_shrink=True)
    found["refusal then"] = gates.refusal(site.lake, "beer")
    return found


def test_a_dump_that_would_delete_too_much_stops_before_anything_is_written(shrunken):
    assert re.search(r"150 of 300 rows of posts of beer.*--accept-shrink", shrunken["error"])
    assert shrunken["ledger"].newest_dump("users").partition == "2016-07-01"
    assert shrunken["tombstones"] == []
    accepted = shrunken["accepted"].result["posts"]
    assert accepted.rows == 150
    assert accepted.version == shrunken["before"].result["posts"].version + 1


def test_a_refused_dump_is_on_record_until_a_converge_comes_through(shrunken):
    assert shrunken["refusal"] == shrunken["error"]
    (shown,) = [layer for layer in shrunken["status"] if layer.layer == "silver"]
    assert shown.failed_checks == ("deletions_plausible",)
    assert shrunken["refusal then"] == ""


def deletions(checks):
    return {check.name: check.passed for check in checks if check.name.startswith("deletions_")}


def test_every_table_of_which_too_much_would_go_is_told_at_once_and_what_was_accepted_stays_on_record(shrunken):
    assert {table: deletions(checks) for table, checks in shrunken["refused"].items()} == {
        "posts": {"deletions_plausible": False, "deletions_told": True},
        "users": {"deletions_plausible": False, "deletions_told": True},
        "tags": {"deletions_plausible": True, "deletions_told": True},
    }
    assert "150 of 300 rows of users of beer" in shrunken["error"]
    for step in (shrunken["before"], shrunken["accepted"]):
        for table in ("posts", "users", "tags"):
            told = step.result[table].checks
            assert deletions(told) == {"deletions_plausible": True, "deletions_told": True}
    (kept,) = [check for check in shrunken["accepted"].gates["posts"].checks if check.name == "deletions_plausible"]
    assert kept.detail.endswith("that was accepted.")


def test_a_disk_without_room_stops_a_converge_with_news_and_no_other(silver):
    write_dump(silver.lake, SEPTEMBER, {"posts": [{"Id": 1}]})
    silver.converge()
    assert silver.converge(disk_reserve_bytes=10**18).result["posts"].applied == ()
    write_dump(silver.lake, DECEMBER, {"posts": [{"Id": 2}]})
    with pytest.raises(Unavailable, match="LAKEHOUSE_DISK_RESERVE"):
        silver.converge(disk_reserve_bytes=10**18)
    assert set(silver.rows()) == {1}


def test_a_hundred_deletions_of_a_small_table_and_a_tenth_of_a_large_one_are_not_too_much(silver):
    for cut, posts, users in ((SEPTEMBER, 150, 2000), (DECEMBER, 50, 1800)):
        tables = {"posts": [{"Id": key} for key in range(posts)], "users": [{"Id": key} for key in range(users)]}
        write_dump(silver.lake, cut, tables)
        converged = silver.converge("posts", "users")
    assert [table.rows for table in converged.result.values()] == [50, 1800]


def test_the_gate_names_the_version_that_was_checked(quarters):
    for name in ("september", "march", "june"):
        result, gate = quarters[name].result["posts"], quarters[name].gates["posts"]
        assert (gate.version, gate.data_version, gate.passed) == (result.version, result.data_version, True)
        assert result.checks == gate.checks


def test_the_gate_tells_how_far_the_checked_rows_reach_also_where_a_dump_changed_none(quarters):
    june, september = quarters["june"], quarters["september after"]
    for step in (june, september):
        (applied,) = step.result["posts"].applied
        assert step.gates["posts"].complete_to == applied.cut_at
    assert june.gates["posts"].data_version == september.gates["posts"].data_version
    assert june.gates["posts"].complete_to < september.gates["posts"].complete_to


def test_a_dump_that_changes_no_row_is_checked_all_the_same(quarters):
    """Rows that were young enough for the cut before are too old for this one."""
    gates = [quarters[name].gates["posts"] for name in ("june", "september after")]
    failed = [{check.name for check in gate.checks if not check.passed} for gate in gates]
    assert failed == [set(), {"newest_day_not_late"}]
    assert gates[0].data_version == gates[1].data_version


def test_values_are_spelled_in_one_way(quarters):
    step = quarters["september"]
    assert [step.posts[key]["Tags"] for key in (31, 32, 33)] == [["ale", "pale-ale"], ["ale", "c++"], None]
    assert [step.posts[key]["OwnerIsDeleted"] for key in (31, 32, 33)] == [False, True, False]
    assert "OwnerDisplayName" not in step.posts[31]
    assert step.rows["post_history"][1]["RevisionGUID"] == "ab-cd"
