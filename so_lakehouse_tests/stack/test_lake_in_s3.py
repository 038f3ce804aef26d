"""The lake in an object store, without Spark: what is written whole, what is refused and said, landing, bronze, SQL."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import Schema, write_deltalake
from deltalake.exceptions import DeltaError

from so_lakehouse.api.bronze import read_pages
from so_lakehouse.doctor import examine
from so_lakehouse.dumps.bronze import read_dump
from so_lakehouse.dumps.land import land_dump, resolve
from so_lakehouse.dumps.mirrors import open_mirror
from so_lakehouse.errors import BadInput, Damaged, Unavailable
from so_lakehouse.lake import delta, lock, paths, prune, silver_tables, tiny
from so_lakehouse.lake.api_raw import WINDOW, PageFile
from so_lakehouse.lake.glance import Glance, Memory
from so_lakehouse.lake.manifests import BronzeManifest, RawManifest
from so_lakehouse.lake.query import query_lake, tables
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.settings import Settings
from so_lakehouse.simulate.dumps import write_mirror
from so_lakehouse.stack import environment
from so_lakehouse.stack.network import LAKE
from so_lakehouse_tests.stack.object_store import empty
from so_lakehouse_tests.stack.reader_loop import in_order, reading

SITE, QUARTER = "simulated-databases", "2025-10-01"
REFUSED = r"(?i)access.?denied"  # each client spells it in its way


@pytest.fixture
def lake(s3_settings) -> Lake:
    return Lake.of(s3_settings)


@pytest.fixture(scope="session")
def mirror_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "mirror"
    write_mirror(folder, [SITE], [QUARTER], people=40)
    return folder


@pytest.fixture
def lake_of_the_stack(object_store) -> Iterator[Lake]:
    """That for which the keys are made, empty."""
    lake = Lake(LAKE, object_store.store())
    empty(lake)
    yield lake
    empty(lake)


@pytest.fixture
def with_postgres(s3_settings, warehouse):
    return replace(s3_settings, postgres=warehouse.postgres)


def land(lake: Lake, mirror_folder: Path, settings) -> RawManifest:
    mirror = open_mirror(str(mirror_folder), settings)
    return land_dump(lake, mirror, resolve(mirror, SITE, QUARTER), settings)


def test_a_look_lists_finds_and_reads_what_the_lake_does(lake):
    for path in ("a/x/1.json", "a/y/z/2.json", "b/3.json"):
        lake.write_json(path, path)
    look = Glance(lake, ["a", "none"], Memory())
    for folder in ("a", "a/x", "a/y", "a/none", "b", "none"):
        assert (look.list(folder), look.exists(folder)) == (lake.list(folder), lake.exists(folder))
    assert [look.read_json(path) for path in ("a/y/z/2.json", "b/3.json")] == ["a/y/z/2.json", "b/3.json"]
    with pytest.raises(FileNotFoundError):
        look.read_json("a/x/none.json")


def test_files_come_and_go_as_in_a_folder(lake):
    lake.write_json("a/b/c.json", {"site": "beer"})
    lake.write_bytes("a/d", b"12345")
    assert lake.read_json("a/b/c.json") == {"site": "beer"}
    assert (lake.exists("a/b"), lake.exists("a/b/c.json"), lake.exists("a/c")) == (True, True, False)
    assert list(lake.list("a")) == ["a/b", "a/d"]
    assert [file.path for file in lake.files("a")] == ["a/b/c.json", "a/d"]
    assert lake.size("a/d") == 5
    lake.move("a/d", "a/e")
    assert [file.path for file in lake.files("a")] == ["a/b/c.json", "a/e"]
    lake.delete("a")
    lake.delete("a")
    assert not lake.files("")
    assert not lake.list("nothing/here")
    with pytest.raises(FileNotFoundError):
        lake.read_bytes("a/e")


def test_a_folder_is_deleted_whatever_its_names_look_like(lake, object_store, bucket):
    client = object_store.store().client()
    for name in ("x/", "x/y/", "x/y/z.json", "x/1", "xy/1"):  # Hadoop makes names that end in /
        client.put_object(Bucket=bucket, Key=f"lake/{name}", Body=b"")
    lake.delete("x")
    left = client.list_objects_v2(Bucket=bucket)["Contents"]
    assert [entry["Key"] for entry in left] == ["lake/xy/1"]


def test_a_reader_sees_the_old_file_or_the_new_one(lake):
    contents = [bytes([n]) * (300_000 + 10_000 * n) for n in range(8)]  # each longer than the one before it
    versions = {hashlib.sha256(content).hexdigest(): content for content in contents}
    lake.write_bytes("manifest", next(iter(versions.values())))
    with reading(lambda: hashlib.sha256(lake.read_bytes("manifest")).hexdigest()) as seen:
        while len(seen) < 50:
            for content in versions.values():
                lake.write_bytes("manifest", content)
    assert set(seen) <= set(versions)
    assert len(in_order(seen)) > 2


def test_a_large_file_comes_whole_or_not_at_all(lake, tmp_path):
    local = tmp_path / "archive"
    content = hashlib.shake_128(b"archive").digest(25_000_000)  # several parts
    local.write_bytes(content)
    lake.adopt(local, "raw/archive")
    assert not local.exists()
    assert lake.sha256("raw/archive") == hashlib.sha256(content).hexdigest()

    def breaks_off():
        yield content
        raise OSError("the disk went away")

    for name in ("raw/broken", "raw/archive"):
        with pytest.raises(OSError, match="the disk went away"):
            lake.store.upload(lake.path(name), breaks_off())
    assert not lake.exists("raw/broken")
    assert lake.sha256("raw/archive") == hashlib.sha256(content).hexdigest(), "what had the name has it still"
    lake.move("raw/archive", "raw/archive.damaged")
    assert lake.sha256("raw/archive.damaged") == hashlib.sha256(content).hexdigest()
    assert not lake.exists("raw/archive")


def test_uploads_that_nobody_goes_on_with_are_ended(lake, object_store, bucket):
    client = object_store.store().client()
    upload = client.create_multipart_upload(Bucket=bucket, Key="lake/raw/dead")["UploadId"]
    client.upload_part(Bucket=bucket, Key="lake/raw/dead", UploadId=upload, PartNumber=1, Body=b"x" * 100)
    assert lake.end_uploads(datetime.now(UTC) - timedelta(days=7)) == 0, "it is young"
    ended = lake.end_uploads(datetime.now(UTC) + timedelta(hours=1))
    if object_store.name == "minio":  # which lists uploads of one name only, and ends old ones by itself
        assert ended in (0, 1)
        return
    assert ended == 1
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket)


def test_deltalake_loses_no_commit_of_writers_at_once(lake):
    address, options = lake.uri("silver/books"), lake.options
    form = pa.table({"Id": [0], "writer": [0]})
    write_deltalake(address, form, storage_options=options)

    def write(writer: int) -> None:
        for number in range(5):
            write_deltalake(
                address, pa.table({"Id": [number], "writer": [writer]}), mode="append", storage_options=options
            )

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, (1, 2, 3)))
    table = delta.open_table(lake, "silver/books")
    assert table.to_pyarrow_table().num_rows == 16
    assert table.version() == 15


def test_a_dump_goes_from_the_mirror_through_the_bucket_to_sql(lake, mirror_folder, with_postgres):
    raw = land(lake, mirror_folder, with_postgres)
    assert [lake.sha256(archive.path) for archive in raw.archives] == [archive.sha256 for archive in raw.archives]
    assert land(lake, mirror_folder, with_postgres) == raw, "the same bytes are not fetched again"
    assert not list((with_postgres.home / "landing").rglob("*.7z*")), "nothing is left on this machine"
    manifests = read_dump(lake, raw, list(TABLES), with_postgres)
    assert set(tables(lake)) == {*(f"bronze.{name}" for name in TABLES), "quarantine.rows"}
    for name, manifest in manifests.items():
        found = query_lake(lake, f"select count(*) as n, min(site) as site from bronze.{name}").to_pylist()
        assert found == [{"n": manifest.rows, "site": SITE if manifest.rows else None}]
    assert read_dump(lake, raw, list(TABLES), with_postgres) == manifests, "what was read is not read again"
    removed = prune.removable(lake, SITE, with_postgres, datetime.now(UTC) + timedelta(days=30))
    assert not removed, "all of it is needed"

    issue = raw
    with reading(lambda: votes_of(lake, raw.quarter)) as seen:
        while len(seen) < 10:
            issue = replace(issue, revision=issue.revision + 1)
            issue.save(lake)
            again = read_dump(lake, issue, list(TABLES), with_postgres)["votes"]
    assert set(again.files).isdisjoint(manifests["votes"].files)
    assert {rows for _, rows in seen} == {again.rows}
    revisions = [revision for revision, _ in in_order(seen)]
    assert revisions == sorted(set(revisions))
    assert (revisions[0], revisions[-1]) == (raw.revision, issue.revision)


def votes_of(lake: Lake, quarter: str) -> tuple[int, int]:
    """What somebody finds who reads the votes now: which revision, and how many rows."""
    manifest = BronzeManifest.load(lake, "votes", quarter, SITE)
    assert manifest
    return manifest.revision, sum(
        pq.read_table(lake.path(file), filesystem=lake.fs).num_rows for file in manifest.files
    )


def test_a_dump_lands_and_is_read_with_the_keys_of_their_layers_and_no_other(
    s3, lake_of_the_stack, mirror_folder, warehouse
):
    told = environment.variables(s3.settings, s3.secrets) | {"LAKEHOUSE_POSTGRES": warehouse.postgres}
    settings = replace(Settings.from_environment(told), home=warehouse.home)
    of_raw, of_bronze, of_silver = (Lake.of(settings.of_writer(layer)) for layer in ("raw", "bronze", "silver"))
    with pytest.raises(Unavailable, match=REFUSED):
        land(of_bronze, mirror_folder, settings)
    raw = land(of_raw, mirror_folder, settings)
    archive = raw.archives[0].path
    lake_of_the_stack.write_bytes(archive, lake_of_the_stack.read_bytes(archive)[:-100])
    with pytest.raises(Damaged, match="Nothing was published"):
        read_dump(of_bronze, raw, ["posts"], settings)
    assert not lake_of_the_stack.exists(archive), "so that it is landed anew"
    raw = land(of_raw, mirror_folder, settings)
    with pytest.raises(Unavailable, match=REFUSED):
        read_dump(of_raw, raw, ["posts"], settings)
    manifest = read_dump(of_bronze, raw, ["posts"], settings)["posts"]
    assert query_lake(of_silver, "select count(*) as n from bronze.posts").to_pylist() == [{"n": manifest.rows}]
    with pytest.raises(Unavailable, match=REFUSED):
        of_silver.delete(manifest.files[0])
    assert lake_of_the_stack.exists(manifest.files[0])


def test_pages_are_reached_where_no_dump_was_ever_read(lake, with_postgres):
    pages, asked_at = PageFile(), datetime(2026, 1, 6, tzinfo=UTC)
    pages.add({"path": "questions", "parameters": {}}, asked_at, 200, {}, json.dumps({"items": [{"title": "no key"}]}))
    pages.items = 1
    pages.save(lake, "http://127.0.0.1:9", "beer", "2026-01-05", "questions", WINDOW)
    read_pages(lake, "beer", "2026-01-05", "questions", with_postgres)
    found = query_lake(lake, "select site, reason from quarantine.rows").to_pylist()
    assert [row["site"] for row in found] == ["beer"]


def test_what_a_killed_read_left_is_seen_by_nobody_and_swept(lake, mirror_folder, with_postgres):
    raw = land(lake, mirror_folder, with_postgres)
    left = f"{paths.bronze_dump('posts', raw.quarter, SITE)}/attempt=dead/part-0.parquet"
    lake.write_bytes(left, b"half a file")
    read_dump(lake, raw, ["posts"], with_postgres)
    assert query_lake(lake, "select count(*) as n from bronze.posts").to_pylist()[0]["n"] > 0
    later = datetime.now(UTC) + timedelta(days=2)
    with lock.writing(lake, [lock.bronze(SITE)], "maintain", with_postgres):
        removals = prune.prune(lake, SITE, with_postgres, later)
    assert [removal.folders for removal in removals] == [(left.rpartition("/")[0],)]
    assert not lake.exists(left)


def test_downloads_that_nobody_goes_on_with_are_swept_from_this_machine(lake, with_postgres):
    folder = with_postgres.landing_folder / paths.raw_dump(QUARTER, SITE, "r", 1)
    folder.mkdir(parents=True)
    for name in ("a.7z.part", "a.7z.part.json"):
        (folder / name).write_bytes(b"half")
    with lock.writing(lake, [lock.bronze(SITE)], "maintain", with_postgres):
        prune.prune(lake, SITE, with_postgres)
        assert (folder / "a.7z.part").exists(), "it is young"
        prune.prune(lake, SITE, with_postgres, datetime.now(UTC) + timedelta(days=8))
    assert not list(folder.iterdir())


def test_a_write_without_the_lock_is_a_defect(lake):
    with pytest.raises(KeyError, match=r"silver\.posts"):
        lock.require(lake, "silver.posts")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"s3_secret_key": "wrong"}, "SignatureDoesNotMatch"),
        ({"lake": "s3://there-is-no-such-bucket/lake"}, "NoSuchBucket"),
    ],
)
def test_what_the_store_refuses_is_told_in_words(s3_settings, change, words):
    asked = replace(s3_settings, **change)
    with pytest.raises(Unavailable, match=f"The object store at http://127.*{words}.*LAKEHOUSE_S3_ENDPOINT") as refused:
        Lake.of(asked).write_bytes("a", b"b")
    assert s3_settings.s3_secret_key not in str(refused.value)
    (finding,) = examine(asked, ["lake"])
    assert not finding.fine


def test_doctor_finds_a_bucket_that_can_be_written(s3_settings, lake):
    (finding,) = examine(s3_settings, ["lake"])
    assert finding.fine, finding.detail
    assert not lake.files(""), "and leaves nothing in it"


def test_spark_s_errors_about_the_store_are_told_in_words(lake):
    said = "An error occurred while calling o1.save.\n: org.apache.hadoop.fs.s3a.AWSClientIOException: no\n\tat a.b.C"
    with pytest.raises(Unavailable, match=r"AWSClientIOException: no\. See that it runs"), lake.answering():
        raise RuntimeError(said)
    with pytest.raises(DeltaError, match="a table"), lake.answering():
        raise DeltaError("a table's own trouble")


@pytest.mark.parametrize(
    "change",
    [{"s3_endpoint": "127.0.0.1:9000"}, {"s3_secret_key": ""}, {"lake": "gs://bucket/lake"}, {"lake": "s3://"}],
    ids=lambda change: next(iter(change)),
)
def test_settings_that_cannot_be_meant_are_refused(s3_settings, change):
    with pytest.raises(BadInput, match="LAKEHOUSE_"):
        Lake.of(replace(s3_settings, **change))


def test_few_rows_are_merged_and_read_in_the_bucket_without_spark(lake, with_postgres):
    votes = silver_tables.silver_table(TABLES["votes"], keep_personal=False)
    form = pa.schema([pa.field(c.name, silver_tables.ARROW[c.type]) for c in votes.columns if c.name != "site"])

    def rows(*keys: int, **more) -> pa.Table:
        told = {"PostId": 1, "VoteTypeId": 2, "CreationDate": datetime(2016, 1, 1, tzinfo=UTC)}
        return pa.Table.from_pylist([{"Id": key} | told | more for key in keys], schema=form)

    with lock.writing(lake, ["silver.votes"], "test", with_postgres):
        own = Schema.from_arrow(pa.schema([pa.field("site", pa.string()), *form]))
        delta.create_table(lake, paths.silver("votes"), own, "", "site", {"delta.enableChangeDataFeed": "true"})
        tiny.replace_site(lake, votes, "beer", rows(1, 2, 3), "")
        changes = pa.concat_tables([rows(2), rows(3, VoteTypeId=3), rows(4)])
        tiny.merge(lake, votes, "beer", changes.append_column("_action", [["delete", "update", "insert"]]), "")
    held = tiny.rows(lake, "votes", "beer").sort_by("Id")
    assert held.select(["Id", "VoteTypeId"]).to_pylist() == [
        {"Id": 1, "VoteTypeId": 2},
        {"Id": 3, "VoteTypeId": 3},
        {"Id": 4, "VoteTypeId": 2},
    ]
    assert tiny.held(lake, "votes", "beer").rows == 3
