"""archive.org, as a server of ours speaks it: nested folders, re-issues, left-over files, tables apart, checksums."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from so_lakehouse.automation.answer import Runs
from so_lakehouse.automation.dumps import due
from so_lakehouse.dumps.land import land_dump, resolve
from so_lakehouse.dumps.mirrors import Mirror, open_mirror
from so_lakehouse.dumps.resolve import quarters
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.lake.storage import Lake
from so_lakehouse.patience import Patience
from so_lakehouse.settings import Settings
from so_lakehouse_tests.pipeline.fault_server import Fault, FaultServer, fault_server
from so_lakehouse_tests.small_archives import small_7z

IMPATIENT = Patience(tries=2, first_wait=0.01, longest_wait=0.02, read_timeout=2)
OFFICIAL_DAY, LEFT_OVER_DAY = date(2024, 4, 6), date(2023, 12, 8)


class Items:
    """What archive.org holds, served by a fault server; archives differ by their path."""

    def __init__(self, server: FaultServer) -> None:
        self.server = server
        self.rows: dict[str, list[dict[str, str]]] = {}

    def add(self, item: str, *names: str, day: date = OFFICIAL_DAY, **more: str) -> None:
        for name in names:
            content = small_7z(1_000, seed=zlib.crc32(f"{item}/{name}".encode()))
            self.server.files[f"/download/{item}/{name}"] = content
            row = {
                "name": name,
                "size": str(len(content)),
                "sha1": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
                "mtime": str(int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())),
            }
            self.rows.setdefault(item, []).append(row | more)
        self.publish()

    def publish(self) -> None:
        docs = [{"identifier": item} for item in self.rows]
        self.server.files["/advancedsearch.php"] = json.dumps({"response": {"docs": docs}}).encode()
        for item, rows in self.rows.items():
            page = {"metadata": {"identifier": item, "licenseurl": "https://creativecommons.org/licenses/by-sa/4.0/"}}
            self.server.files[f"/metadata/{item}"] = json.dumps(page | {"files": rows}).encode()

    def darken(self, item: str) -> None:
        self.server.files[f"/metadata/{item}"] = json.dumps({"is_dark": True, "metadata": {}}).encode()


@pytest.fixture
def items() -> Iterator[Items]:
    with fault_server() as server:
        yield Items(server)


def mirror_of(items: Items) -> Mirror:
    return open_mirror("", Settings(archive_org=items.server.address), IMPATIENT)


def test_an_item_is_a_release_named_by_its_date(items: Items):
    items.add("stackexchange_20251231", "stackexchange_20251231/beer.stackexchange.com.7z")
    items.add("stackexchange_20240402", "beer.stackexchange.com.7z")
    items.add("stackexchange-shop-catalogue", "beer.stackexchange.com.7z")
    found = [(r.release, r.cut_date.isoformat(), r.quarter) for r in mirror_of(items).releases()]
    assert found == [("2024-04-02", "2024-03-31", "2024-01-01"), ("2025-12-31", "2025-12-31", "2025-10-01")]


def test_a_nested_archive_is_landed_from_where_the_metadata_say_it_is(items: Items, lake: Lake, settings: Settings):
    items.add("stackexchange_20260630_sakura", "stackexchange_20260630/beer.stackexchange.com.7z")
    mirror = mirror_of(items)
    manifest = land_dump(lake, mirror, resolve(mirror, "beer"), settings)
    path = "/download/stackexchange_20260630_sakura/stackexchange_20260630/beer.stackexchange.com.7z"
    assert manifest.archives[0].url == items.server.address + path
    assert lake.read_bytes(manifest.archives[0].path) == items.server.files[path]
    assert (manifest.release, manifest.revision, manifest.quarter) == ("2026-06-30", 1, "2026-04-01")
    assert manifest.licence.endswith("the item states https://creativecommons.org/licenses/by-sa/4.0/")


@pytest.mark.parametrize("reissue", ["stackexchange_20250630_rev2", "stackexchange_20250630_bis"])
def test_a_re_issue_stands_for_its_quarter(items: Items, reissue: str):
    items.add("stackexchange_20250630", "beer.stackexchange.com.7z", "ai.stackexchange.com.7z")
    items.add(reissue, "beer.stackexchange.com.7z")
    mirror = mirror_of(items)
    assert resolve(mirror, "beer", "2025Q2").release.folder == reissue
    assert resolve(mirror, "beer", "2025-06-30").release.revision == 2
    assert resolve(mirror, "ai", "2025Q2").release.folder == "stackexchange_20250630", "the re-issue lacks this site"


def test_of_two_copies_of_one_release_the_plain_one_is_used_and_the_other_for_what_it_lacks(items: Items):
    items.add("stackexchange_20260630_sakura", "beer.stackexchange.com.7z", "ai.stackexchange.com.7z")
    items.add("stackexchange_20260630", "beer.stackexchange.com.7z")
    mirror = mirror_of(items)
    assert resolve(mirror, "beer").release.folder == "stackexchange_20260630"
    assert resolve(mirror, "ai").release.folder == "stackexchange_20260630_sakura"
    with pytest.raises(BadInput, match=r"in any of its 1 releases"):
        resolve(mirror, "arabic")


def test_a_copy_that_went_dark_hides_no_other_copy(items: Items, caplog):
    items.add("stackexchange_20260630_sakura", "beer.stackexchange.com.7z")
    items.add("stackexchange_20260630", "beer.stackexchange.com.7z")
    items.darken("stackexchange_20260630")
    assert resolve(mirror_of(items), "beer").release.folder == "stackexchange_20260630_sakura"
    assert "no longer serves the item stackexchange_20260630;" in caplog.text


def test_the_publishers_item_that_went_dark_stops_no_other_release(items: Items, caplog):
    items.add("stackexchange", "beer.stackexchange.com.7z")
    items.add("stackexchange_20251231", "beer.stackexchange.com.7z")
    items.darken("stackexchange")
    assert resolve(mirror_of(items), "beer").quarter == "2025-10-01"
    assert "no longer serves the item stackexchange;" in caplog.text


def test_two_archives_of_one_name_in_one_item_are_refused_and_stop_no_other_site(
    items: Items, lake: Lake, settings: Settings
):
    item = "stackexchange_20251231"
    items.add(item, "old/beer.stackexchange.com.7z", "new/beer.stackexchange.com.7z", "new/ai.stackexchange.com.7z")
    mirror = mirror_of(items)
    assert resolve(mirror, "ai").quarter == "2025-10-01"
    with pytest.raises(BadInput, match=r"more than once.*/old/beer.*/new/beer.*--mirror"):
        resolve(mirror, "beer")
    looked = due(lake, mirror, ["beer", "ai"], settings, Runs(), datetime.now(UTC))
    assert [request.partition[0] for request in looked.requests] == ["ai"]
    assert any(note.startswith("beer: ") and "more than once" in note for note in looked.notes)


def test_an_archive_that_lies_in_two_folders_with_the_same_bytes_is_one(items: Items):
    items.add("stackexchange_20251231", "beer.stackexchange.com.7z")
    [row] = items.rows["stackexchange_20251231"]
    items.rows["stackexchange_20251231"].append(row | {"name": "again/beer.stackexchange.com.7z"})
    items.publish()
    assert resolve(mirror_of(items), "beer").archives[0].address.endswith("1231/beer.stackexchange.com.7z")


def test_an_archive_org_that_cannot_be_reached_names_the_way_round_it():
    nobody = open_mirror("", Settings(archive_org="http://127.0.0.1:9"), IMPATIENT)
    with pytest.raises(Unavailable, match=r"cannot be reached.*--mirror DIR\|URL"):
        nobody.releases()


def test_the_single_item_is_one_release_dated_by_its_newest_archive(items: Items):
    items.add("stackexchange", "softwareengineering.stackexchange.com.7z", day=OFFICIAL_DAY)
    items.add("stackexchange", "programmers.stackexchange.com.7z", "arabic.stackexchange.com.7z", day=LEFT_OVER_DAY)
    mirror = mirror_of(items)
    dump = resolve(mirror, "programmers")
    assert dump.archives[0].name == "softwareengineering.stackexchange.com.7z"
    assert (dump.release.release, dump.release.cut_date) == ("2024-04-06", date(2024, 3, 31))
    with pytest.raises(BadInput, match="no archive of the site 'arabic'"):
        resolve(mirror, "arabic")


def test_stack_overflow_is_landed_from_an_archive_per_table_or_from_one(items: Items, lake: Lake, settings: Settings):
    tables = ("Badges", "Comments", "PostHistory", "PostLinks", "Posts", "Tags", "Users", "Votes")
    items.add("stackexchange_20230614", *(f"stackoverflow.com-{table}.7z" for table in tables))
    items.add("stackexchange_20251231", "stackoverflow.com.7z")
    mirror = mirror_of(items)
    old, new = quarters(mirror, "stackoverflow")
    assert [archive.name for archive in new.archives] == ["stackoverflow.com.7z"]
    manifest = land_dump(lake, mirror, old, settings)
    assert sorted(archive.name for archive in manifest.archives) == [
        f"stackoverflow.com-{table}.7z" for table in tables
    ]
    for archive in manifest.archives:
        assert lake.read_bytes(archive.path) == items.server.files[f"/download/stackexchange_20230614/{archive.name}"]


def test_one_table_that_fails_leaves_nothing_published_and_the_others_fetched(
    items: Items, lake: Lake, settings: Settings
):
    items.add("stackexchange_20230614", "stackoverflow.com-Posts.7z", "stackoverflow.com-Users.7z")
    users = "/download/stackexchange_20230614/stackoverflow.com-Users.7z"
    items.server.faults[users] = [Fault(status=503)] * IMPATIENT.tries
    mirror = mirror_of(items)
    dump = resolve(mirror, "stackoverflow")
    with pytest.raises(Unavailable, match="HTTP 503"):
        land_dump(lake, mirror, dump, settings)
    assert not lake.exists("raw/dump/quarter=2023-04-01/site=stackoverflow/manifest.json")
    assert len(land_dump(lake, mirror, dump, settings).archives) == 2
    assert len(items.server.got("/download/stackexchange_20230614/stackoverflow.com-Posts.7z")) == 1


def test_bytes_that_are_not_those_of_the_metadata_are_refused(items: Items, lake: Lake, settings: Settings):
    items.add("stackexchange_20251231", "beer.stackexchange.com.7z", sha1="ab" * 20)
    mirror = mirror_of(items)
    with pytest.raises(BadInput, match=r"SHA-1 [0-9a-f]{40}, published is (ab){20}"):
        land_dump(lake, mirror, resolve(mirror, "beer"), settings)


def test_landed_bytes_that_the_publisher_replaced_in_silence_are_an_error(items: Items, lake: Lake, settings: Settings):
    items.add("stackexchange_20251231", "beer.stackexchange.com.7z")
    mirror = mirror_of(items)
    land_dump(lake, mirror, resolve(mirror, "beer"), settings)
    items.rows["stackexchange_20251231"][0]["sha1"] = "cd" * 20
    items.publish()
    later = mirror_of(items)
    with pytest.raises(BadInput, match="has other bytes than were landed"):
        land_dump(lake, later, resolve(later, "beer"), settings)


def test_files_that_nobody_may_fetch_do_not_count(items: Items):
    items.add("stackexchange_20251231", "beer.stackexchange.com.7z", private="true")
    with pytest.raises(BadInput, match="no archive of the site 'beer'"):
        resolve(mirror_of(items), "beer")


def test_each_item_is_asked_for_once_and_only_as_far_as_needed(items: Items):
    items.add("stackexchange_20250930", "beer.stackexchange.com.7z")
    items.add("stackexchange_20251231", "beer.stackexchange.com.7z")
    mirror = mirror_of(items)
    resolve(mirror, "beer")
    resolve(mirror, "beer", "2025Q4")
    assert len(items.server.got("/metadata/stackexchange_20251231")) == 1
    assert items.server.got("/metadata/stackexchange_20250930") == []


def test_an_error_page_with_status_200_is_asked_again(items: Items):
    items.add("stackexchange_20251231", "beer.stackexchange.com.7z")
    items.server.faults["/advancedsearch.php"] = [Fault(status=200, body=b"<html>busy</html>")]
    assert resolve(mirror_of(items), "beer").quarter == "2025-10-01"


def test_an_answer_without_a_list_of_items_is_unavailable(items: Items):
    items.server.files["/advancedsearch.php"] = b'{"error": "search is down"}'
    with pytest.raises(Unavailable, match="search is down"):
        mirror_of(items).releases()
