"""What goes of bronze, raw, pages and dead attempts, and what stays because silver rests on it or waits for it."""

from __future__ import annotations

import fcntl
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from deltalake import write_deltalake

from so_lakehouse import failpoints
from so_lakehouse.errors import BadInput
from so_lakehouse.lake import paths
from so_lakehouse.lake.ledger import DUMP, LedgerRow, to_arrow
from so_lakehouse.lake.manifests import Archive, BronzeManifest, RawManifest
from so_lakehouse.lake.prune import prune, removable
from so_lakehouse.lake.quarantine import CleaningManifest
from so_lakehouse.lake.waiting import eligible_dumps
from so_lakehouse.spark.maintenance import planned
from so_lakehouse_tests.pipeline.evidence import quarter_of, write_dump, write_pages

JUNE, SEPTEMBER, DECEMBER, MARCH = "2016-06-12", "2016-09-11", "2016-12-11", "2017-03-13"
FOUR = (JUNE, SEPTEMBER, DECEMBER, MARCH)


@pytest.fixture
def dumps(lake):
    """Four quarters of posts and users in bronze."""
    for cut in FOUR:
        write_dump(lake, cut, {"posts": [{"Id": 1}], "users": [{"Id": 1}]})


def applied(lake, table, cut, rests_on=()):
    """Records in the ledger that silver holds this table of the dump of that cut, and what that rests on."""
    manifest = BronzeManifest.load(lake, table, quarter_of(cut), "beer")
    row = LedgerRow("beer", table, DUMP, manifest.quarter, manifest.data_version, "1", datetime.now(UTC))
    others = [BronzeManifest.load(lake, table, quarter_of(older), "beer").data_version for older in rests_on]
    row = replace(row, cut_at=manifest.cut_at, revision=0, rests_on=",".join(others) or None)
    write_deltalake(lake.uri(paths.silver("ledger")), to_arrow([row]), mode="append", partition_by=["site"])
    CleaningManifest("beer", table, DUMP, manifest.quarter, manifest.data_version, "1", 1).save(lake)


def in_bronze(lake, table="posts"):
    return [cut for cut in FOUR if BronzeManifest.load(lake, table, quarter_of(cut), "beer")]


def touched(lake, path, hours):
    """Writes a file as if that many hours ago."""
    lake.write_bytes(path, b"half written")
    moment = (datetime.now(UTC) - timedelta(hours=hours)).timestamp()
    os.utime(lake.path(path), (moment, moment))


def test_two_quarters_stay_and_older_ones_go_with_their_quarantine(lake, settings, dumps):
    for table in ("posts", "users"):
        applied(lake, table, MARCH)
    quarantine = paths.silver_quarantine("posts", "beer", DUMP, quarter_of(JUNE))
    lake.write_bytes(f"{quarantine}/attempt=1/part-0.parquet", b"refused")
    CleaningManifest("beer", "posts", DUMP, quarter_of(JUNE), "v", "1", 1).save(lake)

    planned_before = removable(lake, "beer", settings)
    assert in_bronze(lake) == list(FOUR), "a plan removes nothing"
    done = prune(lake, "beer", settings)
    assert done == planned_before
    assert [(removal.what, removal.reason) for removal in done] == [
        ("bronze 2016-04-01", "2016-06: silver rests on newer dumps"),
        ("bronze 2016-07-01", "2016-09: silver rests on newer dumps"),
    ]
    assert all(removal.bytes > 0 for removal in done)
    assert in_bronze(lake) == in_bronze(lake, "users") == [DECEMBER, MARCH]
    assert not lake.exists(quarantine)
    assert prune(lake, "beer", settings) == []


def test_other_sites_keep_theirs(lake, settings, dumps):
    write_dump(lake, JUNE, {"posts": [{"Id": 1}]}, site="ai")
    for table in ("posts", "users"):
        applied(lake, table, MARCH)
    prune(lake, "beer", settings)
    assert BronzeManifest.load(lake, "posts", quarter_of(JUNE), "ai")


def test_what_silver_rests_on_stays_in_all_tables(lake, settings, dumps):
    applied(lake, "users", MARCH)
    applied(lake, "posts", MARCH, rests_on=[SEPTEMBER])
    prune(lake, "beer", settings)
    assert in_bronze(lake) == in_bronze(lake, "users") == [SEPTEMBER, DECEMBER, MARCH]


def test_a_table_that_newer_releases_lack_stays_with_its_last_dump(lake, settings):
    write_dump(lake, JUNE, {"posts": [], "tags": []})
    write_dump(lake, SEPTEMBER, {"posts": [], "tags": []})
    write_dump(lake, DECEMBER, {"posts": []})
    write_dump(lake, MARCH, {"posts": []})
    applied(lake, "posts", MARCH)
    applied(lake, "tags", SEPTEMBER)
    prune(lake, "beer", settings)
    assert in_bronze(lake, "tags") == [SEPTEMBER, DECEMBER, MARCH]


def test_what_silver_has_not_taken_in_stays(lake, settings, dumps):
    applied(lake, "users", MARCH)
    applied(lake, "posts", SEPTEMBER)
    assert [removal.what for removal in prune(lake, "beer", settings)] == ["bronze 2016-04-01"]
    lake.delete(paths.silver("ledger"))
    assert prune(lake, "beer", settings) == []


@pytest.mark.parametrize(("kept", "stay"), [(1, [MARCH]), (3, [SEPTEMBER, DECEMBER, MARCH])])
def test_how_many_quarters_stay_is_a_setting(lake, settings, dumps, kept, stay):
    for table in ("posts", "users"):
        applied(lake, table, MARCH)
    prune(lake, "beer", replace(settings, bronze_quarters=kept))
    assert in_bronze(lake) == stay


def test_a_dump_that_is_half_removed_is_not_read_and_the_next_run_removes_the_rest(lake, settings, dumps, monkeypatch):
    for table in ("posts", "users"):
        applied(lake, table, MARCH)
    assert JUNE in [dump.cut_date for dump in eligible_dumps(lake, "users", "beer")[0]]

    def die(place):
        if place == "prune.manifest_deleted":
            raise KeyboardInterrupt

    monkeypatch.setattr(failpoints, "reach", die)
    with pytest.raises(KeyboardInterrupt):
        prune(lake, "beer", settings)
    monkeypatch.undo()
    assert in_bronze(lake, "users") == list(FOUR)
    assert JUNE not in [dump.cut_date for dump in eligible_dumps(lake, "users", "beer")[0]]
    prune(lake, "beer", settings)
    assert in_bronze(lake, "users") == [DECEMBER, MARCH]


def test_pages_that_the_applied_cut_has_overtaken_go(lake, settings, dumps):
    applied(lake, "posts", DECEMBER)
    write_pages(lake, "questions", "2016-12-10", [("2016-12-11", {"Id": 1})])
    write_pages(lake, "questions", "2016-12-11", [("2016-12-11", {"Id": 1}), ("2016-12-12", {"Id": 2})])
    write_pages(lake, "comments", "2016-12-10", [("2016-12-11", {"Id": 1})])
    done = prune(lake, "beer", settings)
    assert [(removal.what, removal.reason) for removal in done] == [
        ("bronze api/questions 2016-12-10", "fetched before the applied cut 2016-12-11")
    ]
    assert not lake.exists(paths.bronze_api("questions", "2016-12-10", "beer"))
    assert lake.exists(paths.bronze_api_manifest("questions", "2016-12-11", "beer"))
    assert lake.exists(paths.bronze_api_manifest("comments", "2016-12-10", "beer")), "no dump of comments is applied"


def test_a_read_that_died_goes_after_a_day_and_one_that_is_at_work_in_any_table_stays(lake, settings, dumps):
    folders = {table: paths.bronze_dump(table, quarter_of(MARCH), "beer") for table in ("posts", "users")}
    touched(lake, f"{folders['posts']}/attempt=dead/part-0.parquet", hours=25)
    touched(lake, f"{folders['users']}/attempt=dead/part-0.parquet", hours=30)
    touched(lake, f"{folders['posts']}/attempt=alive/part-0.parquet", hours=1)
    touched(lake, f"{folders['users']}/attempt=alive/part-0.parquet", hours=48)
    lake.make_folder(f"{folders['users']}/attempt=begun")
    done = prune(lake, "beer", settings)
    assert [removal.what for removal in done] == ["bronze 2017-01-01"]
    assert done[0].bytes == 2 * len(b"half written")
    there = [path.rpartition("/")[2] for folder in folders.values() for path in lake.list(folder)]
    assert sorted(set(there) - {"attempt=alive", "attempt=begun", "manifest.json"}) == [
        manifest.files[0].split("/")[-2] for manifest in [BronzeManifest.load(lake, "posts", quarter_of(MARCH), "beer")]
    ]


def test_a_download_that_nobody_goes_on_with_goes_after_a_week(lake, settings):
    """Its note is written once, its bytes for as long as they come."""
    ages = {MARCH: (6, 8), DECEMBER: (8, 9), SEPTEMBER: (8, 9)}  # days since the bytes, and the note, were written
    folders = {cut: paths.raw_dump(quarter_of(cut), "beer", cut[:7]) for cut in ages}
    for cut, (part, note) in ages.items():
        touched(lake, f"{folders[cut]}/beer.7z.part", hours=24 * part)
        touched(lake, f"{folders[cut]}/beer.7z.part.json", hours=24 * note)
    touched(lake, f"{paths.bronze_api('questions', '2016-12-20', 'beer')}/manifest.json.0123.part", hours=24 * 8)
    with Path(lake.path(f"{folders[SEPTEMBER]}/beer.7z.part")).open("rb") as waiting:
        fcntl.flock(waiting, fcntl.LOCK_EX)
        done = prune(lake, "beer", settings)
    assert [(removal.what, len(removal.folders)) for removal in done] == [
        ("raw 2016-10-01", 2),
        ("bronze 2016-12-20", 1),
    ]
    assert [len(lake.files(folder)) for folder in folders.values()] == [2, 0, 2]


def test_an_attempt_that_holds_only_refused_rows_is_alive(lake, settings):
    write_dump(lake, MARCH, {"posts": []}, unread={"posts": [7]})
    manifest = BronzeManifest.load(lake, "posts", quarter_of(MARCH), "beer")
    assert not manifest.files
    assert prune(lake, "beer", settings, datetime.now(UTC) + timedelta(days=9)) == []
    assert lake.exists(manifest.quarantine_file)


def test_what_merges_left_behind_goes(lake, settings, dumps):
    named = f"{paths.silver_quarantine('posts', 'beer', DUMP, quarter_of(MARCH))}/attempt=named/part-0.parquet"
    lake.write_bytes(named, b"refused")
    lake.write_bytes(named.replace("named", "dead"), b"refused")
    CleaningManifest("beer", "posts", DUMP, quarter_of(MARCH), "v", "1", 1, files=(named,)).save(lake)
    lake.write_bytes(f"{paths.staging('beer', 'dead')}/posts/part-0.parquet", b"half written")
    assert [removal.what for removal in prune(lake, "beer", settings)] == ["staging", "quarantine posts"]
    assert lake.exists(named)
    assert not lake.exists(named.replace("named", "dead"))
    assert not lake.list(paths.staging("beer"))


@pytest.mark.parametrize(("kept", "stay"), [(0, FOUR), (1, (DECEMBER, MARCH)), (3, (SEPTEMBER, DECEMBER, MARCH))])
def test_archives_go_by_setting_and_never_before_their_bronze(lake, settings, dumps, kept, stay):
    for cut in FOUR:
        archive = Archive("beer.7z", f"{paths.raw_dump(quarter_of(cut), 'beer', cut[:7])}/beer.7z", 1, "ab", "")
        lake.write_bytes(archive.path, b"7")
        RawManifest("beer", quarter_of(cut), cut[:7], 0, cut, (archive,), "", "", f"{cut}T12:00:00+00:00").save(lake)
    for table in ("posts", "users"):
        applied(lake, table, MARCH)
    removed_so_soon = prune(lake, "beer", replace(settings, raw_quarters=kept), datetime(2016, 6, 13, 9, tzinfo=UTC))
    assert "raw 2016-04-01" not in [removal.what for removal in removed_so_soon], "a run may be about to read it"
    prune(lake, "beer", replace(settings, raw_quarters=kept))
    assert tuple(cut for cut in FOUR if lake.exists(paths.raw_dump(quarter_of(cut), "beer"))) == stay


def test_a_site_that_is_not_there_and_a_retention_that_is_not_kept_are_refused(lake, settings):
    lake.write_json(paths.silver_gate("ai"), {"site": "ai", "tables": {}})
    with pytest.raises(BadInput, match=r"nothing of beer\. It has: ai"):
        planned(lake, "beer", settings)
    for hours in (-1, 721):
        with pytest.raises(BadInput, match=rf"retention of {hours} hours.*0 to 720"):
            planned(lake, "ai", settings, hours)
