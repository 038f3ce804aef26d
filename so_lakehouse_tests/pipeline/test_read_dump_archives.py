"""Every kind of archive that a dump may come in is read, and gives the same rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from so_lakehouse.dumps import plan
from so_lakehouse.dumps.bronze import read_dump
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse_tests.dump_archives import landed, pack
from so_lakehouse_tests.pipeline.reading_archives import (
    FILES,
    POSTS,
    ROWS,
    check_rows,
)


@pytest.mark.parametrize("solid", ["on", "off"])
@pytest.mark.parametrize("codec", ["BZip2", "LZMA", "LZMA2", "PPMd", "Deflate", "Copy"])
def test_every_codec_solid_or_not_gives_the_same_rows(
    codec: str, solid: str, lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    archive = pack(tmp_path / "beer.stackexchange.com.7z", FILES, f"-m0={codec}", f"-ms={solid}")
    check_rows(lake, read_dump(lake, landed(lake, archive), list(ROWS), settings))


@pytest.mark.parametrize(
    "filters",
    [
        ["-m0=LZMA2:c64k"],
        ["-m0=Deflate64"],
        ["-m0=BCJ", "-m1=LZMA"],
        ["-m0=Delta:4", "-m1=LZMA2"],
        ["-m0=BCJ2", "-m1=LZMA", "-m2=LZMA", "-m3=LZMA", "-mb0:1", "-mb0s1:2", "-mb0s2:3"],
    ],
)
def test_chunks_and_filters_before_the_codec_make_no_difference(
    filters: list[str], lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    archive = pack(tmp_path / "beer.stackexchange.com.7z", FILES, *filters)
    check_rows(lake, read_dump(lake, landed(lake, archive), list(ROWS), settings))


def test_an_archive_for_each_table_is_one_dump(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    archives = [
        pack(tmp_path / f"stackoverflow.com-{name[:-4]}.7z", {name: content}) for name, content in FILES.items()
    ]
    check_rows(lake, read_dump(lake, landed(lake, *archives), list(ROWS), settings))


def test_blocks_are_read_side_by_side(
    lake: Lake, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "SIDE_BY_SIDE_BYTES", 0)
    archive = pack(tmp_path / "beer.stackexchange.com.7z", FILES, "-ms=off")
    raw = landed(lake, archive)
    with plan.plan_reading(lake, raw, list(ROWS), settings) as reading:
        assert [len(stream.members) for stream in reading.streams] == [1, 1, 1]
    check_rows(lake, read_dump(lake, raw, list(ROWS), settings))


def test_an_archive_in_several_volumes_is_one(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    pack(tmp_path / "beer.stackexchange.com.7z", FILES, "-v500b")
    volumes = sorted(tmp_path.glob("beer.stackexchange.com.7z.0*"))
    assert len(volumes) > 2
    check_rows(lake, read_dump(lake, landed(lake, *volumes), list(ROWS), settings))


def test_archives_in_an_archive_are_read_and_leave_nothing_behind(
    lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    inner = {
        f"stackoverflow.com-{name[:-4]}.7z": pack(tmp_path / f"{name}.7z", {name: content}).read_bytes()
        for name, content in FILES.items()
    }
    archive = pack(tmp_path / "stackoverflow.com.7z", inner)
    check_rows(lake, read_dump(lake, landed(lake, archive), list(ROWS), settings))
    assert list(settings.home.glob("archives-*")) == []


@pytest.mark.parametrize(
    "names", [("POSTS.XML", "tags.xml", "vOTES.xml"), ("a/b/Posts.xml", "c/Tags.xml", "Votes.xml")]
)
def test_names_in_any_case_and_in_folders_are_known(
    names: tuple[str, ...], lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    archive = pack(tmp_path / "beer.stackexchange.com.7z", dict(zip(names, FILES.values(), strict=True)))
    check_rows(lake, read_dump(lake, landed(lake, archive), list(ROWS), settings))


def test_files_that_are_no_table_are_never_unpacked(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    others = {
        "license.txt": b"x",
        "readme.txt": b"y" * 1000,
        "Posts.xml.exe": b"MZ",
        "sede-and-data-dump-schema.md": b"z",
    }
    archive = pack(tmp_path / "beer.stackexchange.com.7z", FILES | others | {"Sites.xml": b"<sites />"})
    check_rows(lake, read_dump(lake, landed(lake, archive), list(ROWS), settings))
    assert not [path for path in lake.list("", recursive=True) if "license" in path or path.endswith("exe")]


def test_a_table_that_the_archive_lacks_is_missing_and_not_empty(
    lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    archive = pack(tmp_path / "beer.stackexchange.com.7z", {"Posts.xml": POSTS, "Users.xml": b"<users />"})
    manifests = read_dump(lake, landed(lake, archive), ["posts", "users", "badges"], settings)
    assert [(name, m.present, m.rows, len(m.files)) for name, m in manifests.items()] == [
        ("posts", True, 300, 1),
        ("users", True, 0, 1),
        ("badges", False, 0, 0),
    ]


@pytest.mark.parametrize("name", ["Posts [1].xml", "Pösts.xml"])
def test_a_folder_with_odd_letters_is_no_obstacle(name: str, lake: Lake, settings: Settings, tmp_path: Path) -> None:
    archive = pack(
        tmp_path / "beer.stackexchange.com.7z", {f"{name}*?/{file}": content for file, content in FILES.items()}
    )
    check_rows(lake, read_dump(lake, landed(lake, archive), list(ROWS), settings))
