"""When bronze is published, when it is not, and when nothing needs to be read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from so_lakehouse.dumps import bronze, plan
from so_lakehouse.dumps.bronze import dead_attempts, read_dump
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.lake.manifests import BronzeManifest, RawManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES, Column, Type
from so_lakehouse.schema_forms import QUARANTINE_SCHEMA, bronze_schema
from so_lakehouse.settings import Settings
from so_lakehouse_tests.dump_archives import landed, pack
from so_lakehouse_tests.dump_reading import document

POSTS = document(b'<row Id="1" Body="a" Kind="new" />', b'<row Id="2" Score="x" />', b'<row Id="3" PostTypeId="2" />')
TAGS = document(b'<row Id="1" TagName="hops" IsRequired="True" />', root=b"tags")


@pytest.fixture
def raw(lake: Lake, tmp_path: Path) -> RawManifest:
    return landed(lake, pack(tmp_path / "beer.stackexchange.com.7z", {"Posts.xml": POSTS, "Tags.xml": TAGS}))


def files_of(lake: Lake) -> list[str]:
    return [path for path in lake.list("bronze", recursive=True) if path.endswith((".parquet", ".json"))]


def test_what_is_published_is_what_the_schema_says(lake: Lake, settings: Settings, raw: RawManifest) -> None:
    manifest = read_dump(lake, raw, ["posts"], settings)["posts"]
    assert manifest == BronzeManifest.load(lake, "posts", raw.quarter, raw.site)
    assert manifest.data_version == f"{raw.data_version}/{bronze.reader_version('posts')}"
    rows = pq.read_table(lake.path(manifest.files[0]))
    assert rows.schema.equals(bronze_schema(TABLES["posts"]))
    assert rows["Id"].to_pylist() == [1, 3]
    assert rows["_extra"].to_pylist() == [[("Kind", "new")], None]
    refused = pq.read_table(lake.path(manifest.quarantine_file))
    assert refused.schema.equals(QUARANTINE_SCHEMA)
    assert refused.to_pylist() == [
        {
            "byte_offset": POSTS.index(b'<row Id="2"'),
            "reason": "not_an_integer",
            "detail": "Score: not a whole number: x",
            "id": 2,
            "raw": b'<row Id="2" Score="x" />',
        }
    ]
    counts = (manifest.rows_in_file, manifest.rows, manifest.quarantined, manifest.quarantined_without_key)
    assert counts == (3, 2, 1, 0)
    assert manifest.unknown_attributes == {"Kind": 1}
    assert manifest.encoding == "utf-8"
    assert manifest.bytes_unpacked == len(POSTS)


def test_the_checks_of_this_very_version_are_in_its_manifest(lake: Lake, settings: Settings, raw: RawManifest) -> None:
    manifest = read_dump(lake, raw, ["posts"], settings)["posts"]
    failed = {check.name for check in manifest.checks if not check.passed}
    assert failed == {"quarantine_empty", "columns_known"}
    assert manifest.passed


def test_a_later_dump_is_judged_against_the_one_before(
    lake: Lake, settings: Settings, raw: RawManifest, tmp_path: Path
) -> None:
    many = document(*[b'<row Id="%d" TagName="t" />' % k for k in range(500)], root=b"tags")
    first = landed(lake, pack(tmp_path / "first.7z", {"Tags.xml": many}))
    read_dump(lake, first, ["tags"], settings)
    second = landed(lake, pack(tmp_path / "second.7z", {"Tags.xml": TAGS}), quarter="2016-10-01")
    checks = {check.name: check for check in read_dump(lake, second, ["tags"], settings)["tags"].checks}
    assert not checks["row_count_plausible"].passed
    assert checks["row_count_plausible"].metadata["previous_rows"] == 500


def test_the_same_bytes_are_not_read_again(lake: Lake, settings: Settings, raw: RawManifest) -> None:
    first = read_dump(lake, raw, ["posts", "tags", "users"], settings)
    for archive in raw.archives:
        Path(lake.path(archive.path)).write_bytes(b"reading this would fail")
    before = files_of(lake)
    assert read_dump(lake, raw, ["posts", "tags", "users"], settings) == first
    assert files_of(lake) == before


def test_only_tables_that_were_not_read_are_read(lake: Lake, settings: Settings, raw: RawManifest) -> None:
    first = read_dump(lake, raw, ["tags"], settings)
    both = read_dump(lake, raw, ["posts", "tags"], settings)
    assert list(both) == ["posts", "tags"]
    assert both["tags"] == first["tags"]
    assert both["posts"].rows == 2


@pytest.mark.parametrize("what", ["file", "reader", "bytes"])
def test_a_lost_file_a_new_reader_or_other_bytes_are_read_again(
    what: str, lake: Lake, settings: Settings, raw: RawManifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read_dump(lake, raw, ["posts"], settings)["posts"]
    if what == "file":
        lake.delete(first.files[0])
    elif what == "reader":
        monkeypatch.setattr(bronze, "READER_VERSION", "next")
    else:
        raw = landed(lake, pack(tmp_path / "beer.stackexchange.com.7z", {"Posts.xml": POSTS + b"\n"}), revision=2)
    again = read_dump(lake, raw, ["posts"], settings)["posts"]
    assert set(again.files).isdisjoint(first.files)
    assert BronzeManifest.load(lake, "posts", raw.quarter, raw.site) == again
    old = first.files[0].rpartition("/")[0]
    assert dead_attempts(lake, "posts", raw.quarter, raw.site) == ([old] if what != "bytes" else [])
    assert [issue.files for issue in again.replaced] == ([first.files] if what == "bytes" else [])


def test_a_table_with_another_column_is_read_again_and_has_it_and_the_others_are_not(
    lake: Lake, settings: Settings, raw: RawManifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = read_dump(lake, raw, list(TABLES), settings)
    assert bronze.is_read(lake, raw)
    posts = TABLES["posts"]
    kind = Column("Kind", Type.TEXT, "A column that the publisher added.")
    monkeypatch.setitem(TABLES, "posts", replace(posts, columns=(*posts.columns, kind)))
    assert not bronze.is_read(lake, raw)
    again = read_dump(lake, raw, list(TABLES), settings)
    assert [name for name in TABLES if again[name] != first[name]] == ["posts"]
    assert again["posts"].data_version != first["posts"].data_version
    assert pq.read_table(lake.path(again["posts"].files[0]))["Kind"].to_pylist() == ["new", None]
    assert bronze.is_read(lake, raw)


def test_a_broken_release_leaves_what_was_published_before(
    lake: Lake, settings: Settings, raw: RawManifest, tmp_path: Path
) -> None:
    first = read_dump(lake, raw, ["posts", "tags"], settings)
    before = files_of(lake)
    broken = landed(lake, pack(tmp_path / "b.7z", {"Posts.xml": POSTS[:-9], "Tags.xml": TAGS}), revision=2)
    with pytest.raises(BadInput):
        read_dump(lake, broken, ["posts", "tags"], settings)
    assert files_of(lake) == before
    assert BronzeManifest.load(lake, "posts", raw.quarter, raw.site) == first["posts"]


def test_a_full_disk_is_foreseen(lake: Lake, settings: Settings, raw: RawManifest) -> None:
    with pytest.raises(Unavailable, match="must stay free") as error:
        read_dump(lake, raw, ["posts"], replace(settings, disk_reserve_bytes=10**18))
    assert "LAKEHOUSE_DISK_RESERVE" in str(error.value)
    assert files_of(lake) == []


RUN = """
import resource, sys
from so_lakehouse.dumps.bronze import read_dump
from so_lakehouse.lake.manifests import RawManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from pathlib import Path

home, limit = Path(sys.argv[1]), int(sys.argv[2])
settings = Settings(home=home)
lake = Lake(settings.lake_uri)
raw = RawManifest.load(lake, "2016-07-01", "beer")
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
read_dump(lake, raw, ["posts", "tags"], settings)
"""


def run(settings: Settings, fail_at: str = "", largest_file: int = 0) -> subprocess.CompletedProcess[str]:
    """Reads the landed dump in a process of its own."""
    command = [sys.executable, "-c", RUN, str(settings.home), str(largest_file)]
    environment = os.environ | {"LAKEHOUSE_FAIL_AT": fail_at}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_disk_that_fills_up_is_told_and_nothing_half_written_stays(
    lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    noise = os.urandom(600_000).hex().encode()
    posts = document(*[b'<row Id="%d" Body="%s" />' % (k, noise[k * 100 :]) for k in range(3)])
    landed(lake, pack(tmp_path / "beer.7z", {"Posts.xml": posts, "Tags.xml": TAGS}, "-m0=Copy")).save(lake)
    done = run(settings, largest_file=200_000)
    assert done.returncode == 1
    assert "Unavailable" in done.stderr
    assert "is full" in done.stderr
    assert files_of(lake) == []
    assert run(settings).returncode == 0


@pytest.mark.parametrize("place", ["bronze.data_written", "bronze.before_manifest"])
def test_a_killed_run_publishes_nothing_and_the_next_one_everything(
    place: str, lake: Lake, settings: Settings, raw: RawManifest
) -> None:
    raw.save(lake)
    assert run(settings, fail_at=place).returncode == -signal.SIGKILL
    assert BronzeManifest.load(lake, "posts", raw.quarter, raw.site) is None
    dead = dead_attempts(lake, "posts", raw.quarter, raw.site)
    assert len(dead) == 1
    assert run(settings).returncode == 0
    manifests = read_dump(lake, raw, ["posts", "tags"], settings)
    assert pa.compute.sum(pq.read_table(lake.path(manifests["posts"].files[0]))["Id"]).as_py() == 4
    assert dead_attempts(lake, "posts", raw.quarter, raw.site) == dead


def test_when_one_stream_fails_the_others_stop(
    lake: Lake, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "SIDE_BY_SIDE_BYTES", 0)
    endless = document(*[b'<row Id="%d" PostId="1" VoteTypeId="2" />' % k for k in range(2_000_000)], root=b"votes")
    archive = pack(tmp_path / "beer.7z", {"Posts.xml": POSTS[:-9], "Votes.xml": endless}, "-ms=off", "-mx=1")
    told: list[int] = []
    with pytest.raises(BadInput, match="ends early"):
        read_dump(
            lake, landed(lake, archive), ["posts", "votes"], settings, lambda _what, done, _total: told.append(done)
        )
    assert told[-1] < len(endless)
    assert files_of(lake) == []
    assert processes_of_7zip() == []


def processes_of_7zip() -> list[int]:
    """The processes that this one has started and that still live."""
    return [child.pid for child in psutil.Process().children() if "7z" in child.name()]


def test_an_interruption_ends_a_reading_whose_7zz_does_not_move(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    votes = document(*[b'<row Id="%d" PostId="1" VoteTypeId="2" />' % k for k in range(300_000)], root=b"votes")
    raw = landed(lake, pack(tmp_path / "beer.7z", {"Votes.xml": votes}, "-m0=Copy"))

    def interrupt(_what: str, _done: int, _total: int | None) -> None:
        (process,) = processes_of_7zip()
        os.kill(process, signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        read_dump(lake, raw, ["votes"], settings, interrupt)
    assert processes_of_7zip() == []
    assert files_of(lake) == []


def test_progress_is_told_in_unpacked_bytes(lake: Lake, settings: Settings, raw: RawManifest) -> None:
    told: list[tuple[int, int | None]] = []
    read_dump(lake, raw, ["posts", "tags"], settings, lambda _what, done, total: told.append((done, total)))
    assert told[-1] == (len(POSTS) + len(TAGS), len(POSTS) + len(TAGS))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
