"""Landing from a folder: what is landed twice, re-issued, older, withdrawn or changed, and what the disk must hold."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from so_lakehouse.dumps.land import land_dump, plan, resolve
from so_lakehouse.dumps.mirrors import Mirror, open_mirror
from so_lakehouse.dumps.resolve import quarters
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.lake.manifests import RawManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse_tests.small_archives import small_7z

HEADER = "release,cut_date,quarter,revision,note\n"
BEER = "beer.stackexchange.com.7z"


@pytest.fixture
def mirror_folder(tmp_path: Path) -> Path:
    """A mirror with the releases 2016-10 and 2016-12 of one quarter."""
    folder = tmp_path / "mirror"
    for seed, release in enumerate(("2016-10", "2016-12")):
        (folder / release).mkdir(parents=True)
        (folder / release / BEER).write_bytes(small_7z(seed=seed))
    write_releases(folder, "2016-10,2016-10-02,2016-10-01,1,", "2016-12,2016-12-11,2016-10-01,1,")
    return folder


def write_releases(folder: Path, *rows: str) -> None:
    (folder / "releases.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows))


def open_folder(folder: Path) -> Mirror:
    return open_mirror(str(folder), Settings())


def land(lake: Lake, folder: Path, settings: Settings, quarter: str | None = None) -> RawManifest:
    mirror = open_folder(folder)
    return land_dump(lake, mirror, resolve(mirror, "beer", quarter), settings)


def files_of(lake: Lake) -> dict[str, bytes]:
    root = Path(lake.root) / "raw"
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_real_dumps_are_landed_byte_for_byte(real_dumps: Path, lake: Lake, settings: Settings):
    mirror = open_folder(real_dumps)
    for site in ("ai", "avp.meta", "beer", "beer.meta", "bicycles.meta", "datascience.meta", "quantumcomputing"):
        for dump in quarters(mirror, site):
            manifest = land_dump(lake, mirror, dump, settings)
            source = real_dumps / dump.release.release / manifest.archives[0].name
            assert manifest.archives[0].sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
            assert lake.read_bytes(manifest.archives[0].path) == source.read_bytes()
            assert RawManifest.load(lake, dump.quarter, site) == manifest


def test_the_second_landing_changes_no_byte(mirror_folder: Path, lake: Lake, settings: Settings):
    first = land(lake, mirror_folder, settings)
    before = files_of(lake)
    assert land(lake, mirror_folder, settings) == first
    assert files_of(lake) == before


def test_the_latest_release_represents_the_quarter_whatever_was_landed_first(
    mirror_folder: Path, lake: Lake, settings: Settings
):
    newer = land(lake, mirror_folder, settings, "2016-12")
    assert land(lake, mirror_folder, settings, "2016-10") == newer
    assert RawManifest.load(lake, "2016-10-01", "beer") == newer
    older = RawManifest.load(lake, "2016-10-01", "beer", "2016-10", 1)
    assert older is not None
    assert lake.read_bytes(older.archives[0].path) == (mirror_folder / "2016-10" / BEER).read_bytes()


def test_a_later_release_takes_over_and_the_older_one_stays(mirror_folder: Path, lake: Lake, settings: Settings):
    older = land(lake, mirror_folder, settings, "2016-10")
    newer = land(lake, mirror_folder, settings)
    assert RawManifest.load(lake, "2016-10-01", "beer") == newer
    assert newer.data_version != older.data_version
    assert lake.exists(older.archives[0].path)


def test_a_re_issue_has_its_own_folder_and_represents_the_quarter(mirror_folder: Path, lake: Lake, settings: Settings):
    first = land(lake, mirror_folder, settings)
    (mirror_folder / "2016-12" / BEER).write_bytes(small_7z(seed=7))
    write_releases(mirror_folder, "2016-12,2016-12-11,2016-10-01,2,votes were missing")
    second = land(lake, mirror_folder, settings)
    assert (first.revision, second.revision, second.note) == (1, 2, "votes were missing")
    assert RawManifest.load(lake, "2016-10-01", "beer") == second
    assert lake.read_bytes(first.archives[0].path) != lake.read_bytes(second.archives[0].path)


def test_other_bytes_under_the_same_revision_are_refused(mirror_folder: Path, lake: Lake, settings: Settings):
    first = land(lake, mirror_folder, settings)
    (mirror_folder / "2016-12" / BEER).write_bytes(small_7z(500_000))
    with pytest.raises(BadInput, match=r"has other bytes than were landed of beer, release 2016-12: size 500038"):
        land(lake, mirror_folder, settings)
    assert RawManifest.load(lake, "2016-10-01", "beer") == first


def test_other_bytes_of_the_same_length_are_refused_too(mirror_folder: Path, lake: Lake, settings: Settings):
    land(lake, mirror_folder, settings)
    (mirror_folder / "2016-12" / BEER).write_bytes(small_7z(seed=7))
    with pytest.raises(BadInput, match="has other bytes than were landed"):
        land(lake, mirror_folder, settings)


def test_an_archive_that_the_mirror_emptied_is_another_one(mirror_folder: Path, lake: Lake, settings: Settings):
    landed = land(lake, mirror_folder, settings)
    (mirror_folder / landed.release / BEER).write_bytes(b"")
    with pytest.raises(BadInput, match="size 0, landed"):
        land(lake, mirror_folder, settings)


def test_a_withdrawn_release_gives_way_and_is_marked_but_kept(mirror_folder: Path, lake: Lake, settings: Settings):
    withdrawn = land(lake, mirror_folder, settings)
    write_releases(
        mirror_folder, "2016-10,2016-10-02,2016-10-01,1,", "2016-12,2016-12-11,2016-10-01,1,withdrawn: wrong votes"
    )
    older = land(lake, mirror_folder, settings, "2016Q4")
    assert (older.release, RawManifest.load(lake, "2016-10-01", "beer")) == ("2016-10", older)
    kept = RawManifest.load(lake, "2016-10-01", "beer", "2016-12", 1)
    assert kept == replace(withdrawn, note="withdrawn: wrong votes")
    assert lake.exists(withdrawn.archives[0].path)


def test_an_archive_that_was_lost_is_fetched_again(mirror_folder: Path, lake: Lake, settings: Settings):
    manifest = land(lake, mirror_folder, settings)
    lake.delete(manifest.archives[0].path)
    again = land(lake, mirror_folder, settings)
    assert again.data_version == manifest.data_version
    assert lake.read_bytes(again.archives[0].path) == (mirror_folder / "2016-12" / BEER).read_bytes()


def test_a_file_without_a_manifest_is_verified_before_it_is_trusted(
    mirror_folder: Path, lake: Lake, settings: Settings
):
    manifest = land(lake, mirror_folder, settings)
    lake.delete("raw/dump/quarter=2016-10-01/site=beer/manifest.json")
    lake.delete("raw/dump/quarter=2016-10-01/site=beer/release=2016-12/revision=1/manifest.json")
    lake.write_bytes(manifest.archives[0].path, small_7z()[:-100])
    assert land(lake, mirror_folder, settings).archives == manifest.archives
    assert lake.read_bytes(manifest.archives[0].path) == (mirror_folder / "2016-12" / BEER).read_bytes()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"PK\x03\x04 a zip", "not a 7z archive"),
        (b"", "cut short"),
        (small_7z()[:1000], "cut short"),
        (small_7z()[:-1] + b"!", "damaged"),
    ],
    ids=["zip", "empty", "cut", "flipped"],
)
def test_what_is_no_whole_7z_is_refused(mirror_folder: Path, lake: Lake, settings: Settings, content: bytes, why: str):
    (mirror_folder / "2016-12" / BEER).write_bytes(content)
    with pytest.raises(BadInput, match=why):
        land(lake, mirror_folder, settings)
    assert files_of(lake) == {}


def test_a_truncated_real_archive_is_refused(real_dumps: Path, mirror_folder: Path, lake: Lake, settings: Settings):
    whole = (real_dumps / "2016-12" / BEER).read_bytes()
    (mirror_folder / "2016-12" / BEER).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=rf"cut short: it has {len(whole) // 2:,} of {len(whole):,} bytes"):
        land(lake, mirror_folder, settings)


def test_a_published_checksum_is_compared(mirror_folder: Path, lake: Lake, settings: Settings):
    sums = mirror_folder / "2016-12" / "SHA256SUMS"
    sums.write_text(f"{'0' * 64} *{BEER}\n")
    with pytest.raises(BadInput, match=r"published is 0{64}"):
        land(lake, mirror_folder, settings)
    sums.write_text(f"{hashlib.sha256(small_7z(seed=1)).hexdigest()} *{BEER}\n")
    assert land(lake, mirror_folder, settings).release == "2016-12"


def test_a_disk_that_would_not_hold_it_is_refused_before_anything_is_fetched(
    mirror_folder: Path, lake: Lake, settings: Settings
):
    free = shutil.disk_usage(settings.home).free
    with pytest.raises(Unavailable, match=r"beer: landing 2016-12 needs about 400,038 bytes.*Free space"):
        land(lake, mirror_folder, replace(settings, disk_reserve_bytes=free))
    assert not Path(lake.root).exists()


@pytest.mark.parametrize(
    ("room", "told"),
    [(100_000, "Free disk space and run again"), (10, "is full. Free space")],
    ids=["in an archive", "in a note about one"],
)
def test_a_disk_that_fills_up_in_the_middle_says_so_and_publishes_nothing(
    mirror_folder: Path, lake: Lake, settings: Settings, room: int, told: str
):
    """A limit on the size of files stands for a full disk: both refuse a write."""
    program = """
import sys
from so_lakehouse.dumps.land import land_dump, resolve
from so_lakehouse.dumps.mirrors import open_mirror
from so_lakehouse.errors import Unavailable
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
settings = Settings.from_environment()
mirror = open_mirror(sys.argv[1], settings)
try:
    land_dump(Lake(settings.lake_uri), mirror, resolve(mirror, "beer"), settings)
except Unavailable as error:
    sys.exit(str(error))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(mirror_folder)],
        env=os.environ | {"LAKEHOUSE_HOME": str(settings.home)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert told in done.stderr.splitlines()[-1]
    assert not lake.exists("raw/dump/quarter=2016-10-01/site=beer/manifest.json")
    assert land(lake, mirror_folder, settings).release == "2016-12"


def test_the_plan_counts_what_is_missing_and_starts_nothing(mirror_folder: Path, lake: Lake, settings: Settings):
    mirror = open_folder(mirror_folder)
    dump = resolve(mirror, "beer")
    before = plan(lake, mirror, dump, settings)
    assert before.bytes_to_fetch == 400_038
    assert before.disk_bytes > before.bytes_to_fetch
    assert before.seconds > 0
    assert not Path(lake.root).exists()
    land_dump(lake, mirror, dump, settings)
    after = plan(lake, mirror, dump, settings)
    assert after.bytes_to_fetch == 0
    assert after.disk_bytes == before.disk_bytes - before.bytes_to_fetch


def test_a_file_is_only_gone_on_with_while_it_is_the_same(mirror_folder: Path):
    mirror = open_folder(mirror_folder)
    (archive,) = resolve(mirror, "beer").archives
    with mirror.open(archive, 0, "") as opened:
        validator = opened.validator
    with mirror.open(archive, 1000, validator) as opened:
        assert (opened.start, b"".join(opened.chunks)) == (1000, small_7z(seed=1)[1000:])
    Path(archive.address).write_bytes(small_7z(seed=2))
    with mirror.open(archive, 1000, validator) as opened:
        assert opened.start == 0


def test_progress_is_told_in_bytes(mirror_folder: Path, lake: Lake, settings: Settings):
    told: list[tuple[str, int, int | None]] = []
    mirror = open_folder(mirror_folder)
    land_dump(
        lake, mirror, resolve(mirror, "beer"), settings, lambda what, done, total=None: told.append((what, done, total))
    )
    assert told[0][0] == f"beer 2016-12: {BEER}"
    assert {total for _, _, total in told} == {400_038}
    assert told[-1][1] == 400_038
