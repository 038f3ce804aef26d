"""Archives that must be refused: each with a message that says why, and nothing published."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from so_lakehouse.dumps import archive as archives
from so_lakehouse.dumps.archive import inventory, refuse_interruption
from so_lakehouse.dumps.bronze import read_dump
from so_lakehouse.dumps.unpack import unpacking
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.settings import Settings
from so_lakehouse_tests.dump_archives import landed, pack, rename, seven_zip
from so_lakehouse_tests.dump_reading import document
from so_lakehouse_tests.pipeline.reading_archives import (
    FILES,
    POSTS,
    ROWS,
    TAGS,
    VOTES,
    check_rows,
    refusal,
)
from so_lakehouse_tests.small_archives import crafted_7z

SMALL = {"Posts.xml": document(b'<row Id="1" />'), "Tags.xml": TAGS}


def positions(content: bytes, codec: str) -> range:
    """Every byte of an archive, or with most codecs, for the time it takes, some."""
    return range(0, len(content), 1 if codec == "LZMA2" else len(content) // 12)


@pytest.mark.parametrize("options", [["-psecret"], ["-psecret", "-mhe=on"]])
def test_an_encrypted_archive_is_refused(options: list[str], lake: Lake, settings: Settings, tmp_path: Path) -> None:
    archive = pack(tmp_path / "beer.stackexchange.com.7z", FILES, *options)
    assert "is encrypted" in refusal(lake, settings, archive)


@pytest.mark.parametrize(
    "name",
    [
        "../Posts.xml",
        "a/../../Posts.xml",
        "/etc/Posts.xml",
        "C:\\Posts.xml",
        "..\\Posts.xml",
        "\\\\host\\share\\Posts.xml",
    ],
)
def test_names_that_lead_out_of_the_archive_are_refused(
    name: str, lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    for member in ("Posts.xml", "readme.txt"):
        archive = pack(tmp_path / "beer.stackexchange.com.7z", FILES | {"readme.txt": b"x"})
        rename(archive, member, name.replace("Posts.xml", member))
        assert "leads out of the archive" in refusal(lake, settings, archive)


def test_links_are_refused(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    for name in ("Posts.xml", "readme.txt"):
        (tmp_path / "links" / name).symlink_to("/etc/passwd")
        archive = tmp_path / f"{name}.7z"
        seven_zip("a", "-snl", archive, name, inside=tmp_path / "links")
        assert "is a link" in refusal(lake, settings, archive)


def test_two_members_for_one_table_are_refused(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    archive = pack(tmp_path / "beer.stackexchange.com.7z", {"Posts.xml": POSTS, "old/posts.xml": POSTS})
    assert "are the same table" in refusal(lake, settings, archive)


def test_one_table_in_two_archives_is_refused(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    one = pack(tmp_path / "stackoverflow.com-Posts.7z", {"Posts.xml": POSTS})
    two = pack(tmp_path / "stackoverflow.com-Votes.7z", {"Posts.xml": POSTS})
    assert "holds posts, but so does" in refusal(lake, settings, one, two)


def test_an_archive_three_deep_is_refused(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    inmost = pack(tmp_path / "c.7z", FILES)
    middle = pack(tmp_path / "b.7z", {"c.7z": inmost.read_bytes()})
    outer = pack(tmp_path / "a.7z", {"b.7z": middle.read_bytes()})
    assert "holds an archive again" in refusal(lake, settings, outer)
    assert list(settings.home.glob("archives-*")) == []


def test_a_bomb_is_refused_before_it_is_unpacked(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    bomb = document(b'<row Id="1" Body="' + b" " * 50_000_000 + b'" />')
    archive = pack(tmp_path / "beer.stackexchange.com.7z", {"Posts.xml": bomb})
    assert "LAKEHOUSE_MAX_RATIO" in refusal(lake, settings, archive)
    limited = replace(settings, max_unpack_ratio=10**6, max_unpacked_bytes=1_000_000)
    assert "LAKEHOUSE_MAX_UNPACKED" in refusal(lake, limited, archive)
    trusted = replace(settings, max_unpack_ratio=10**6)
    assert read_dump(lake, landed(lake, archive), ["posts"], trusted)["posts"].rows == 1


def test_a_bomb_beside_the_tables_is_one_too(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    files = {"Aaa.xml": bytes(50_000_000), "Posts.xml": POSTS}
    archive = pack(tmp_path / "beer.stackexchange.com.7z", files, "-mx=1", "-ms=4g")
    assert "LAKEHOUSE_MAX_RATIO" in refusal(lake, settings, archive)


def test_a_bomb_in_an_archive_in_an_archive_is_weighed_against_the_outer_one(
    lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    inner = pack(tmp_path / "inner.7z", {"Posts.xml": document(b'<row Id="1" Body="' + b" " * 3_000_000 + b'" />')})
    members = {"stackoverflow.com-Posts.7z": inner.read_bytes(), "stackoverflow.com-Tags.7z": bytes(400_000)}
    outer = pack(tmp_path / "beer.stackexchange.com.7z", members)
    assert outer.stat().st_size < 3_000
    limited = replace(settings, max_unpack_ratio=900)
    assert "stackoverflow.com-Posts.7z" in (told := refusal(lake, limited, outer))
    assert "LAKEHOUSE_MAX_RATIO" in told


def test_a_list_of_members_without_end_is_refused(
    lake: Lake, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LISTING_BYTES", 1_000_000)
    archive = tmp_path / "beer.stackexchange.com.7z"
    archive.write_bytes(crafted_7z({"Posts.xml": POSTS}, empty_members=20_000))
    assert "the list of its contents takes more than 1,000,000 bytes" in refusal(lake, settings, archive)


def test_a_member_without_a_checksum_is_refused(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    archive = tmp_path / "beer.stackexchange.com.7z"
    archive.write_bytes(crafted_7z(FILES))
    check_rows(lake, read_dump(lake, landed(lake, archive), list(ROWS), settings))
    for folder in ("bronze", "raw"):
        lake.delete(folder)
    archive.write_bytes(crafted_7z(FILES, checksums=False))
    assert "Posts.xml has no checksum" in refusal(lake, settings, archive)


def test_a_codec_that_7zip_does_not_know_is_named_so(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    archive = tmp_path / "beer.stackexchange.com.7z"
    archive.write_bytes(crafted_7z({"Posts.xml": POSTS}, method=b"\x7f\x01"))
    assert "compressed in a way that 7-Zip does not know" in refusal(lake, settings, archive)


@pytest.mark.parametrize(
    "name", ["stackoverflow.com-Posts.7z.001", "Posts.zip", "Posts.xml.gz", "stackoverflow.com-Votes.zip", " Posts.xml"]
)
def test_a_table_that_is_packed_or_named_so_that_it_would_be_passed_over_is_refused(
    name: str, lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    archive = tmp_path / "beer.stackexchange.com.7z"
    archive.write_bytes(crafted_7z({name: POSTS, "Tags.xml": TAGS}))
    assert "looks like a table" in refusal(lake, settings, archive)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not a 7z archive"),
        (b"7z\xbc\xaf\x27\x1c", "cut off|not a 7z archive"),
        (b"hello, this is no archive", "not a 7z archive"),
        (b"PK\x03\x04" + b"\0" * 100, "not a 7z archive"),
        (b"<?xml version='1.0'?><posts />", "not a 7z archive"),
        (os.urandom(10_000), "not a 7z archive"),
    ],
)
def test_what_is_no_archive_is_refused(
    content: bytes, told: str, lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    archive = tmp_path / "beer.stackexchange.com.7z"
    archive.write_bytes(content)
    message = refusal(lake, settings, archive)
    assert any(part in message for part in told.split("|")), message


def test_a_zip_or_tar_under_the_name_of_a_7z_is_refused(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "Posts.xml").write_bytes(POSTS)
    for kind in ("zip", "tar"):
        archive = tmp_path / f"{kind}.stackexchange.com.7z"
        seven_zip("a", f"-t{kind}", archive, "Posts.xml", inside=tmp_path)
        assert "not a 7z archive" in refusal(lake, settings, archive)


@pytest.mark.parametrize(
    ("missing", "told"), [(0, "lacks its first volume"), (1, "a volume of it is"), (-1, "a volume of it is missing")]
)
def test_a_volume_that_is_missing_is_told(
    missing: int, told: str, lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    pack(tmp_path / "beer.stackexchange.com.7z", FILES, "-v500b")
    volumes = sorted(tmp_path.glob("beer.stackexchange.com.7z.0*"))
    del volumes[missing]
    assert told in refusal(lake, settings, *volumes)


def test_all_volumes_of_a_damaged_archive_are_set_aside(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    pack(tmp_path / "beer.stackexchange.com.7z", FILES, "-v500b")
    volumes = sorted(tmp_path.glob("beer.stackexchange.com.7z.0*"))
    content = bytearray(volumes[1].read_bytes())
    content[100] ^= 1
    volumes[1].write_bytes(content)
    raw = landed(lake, *volumes)
    with pytest.raises(BadInput):
        read_dump(lake, raw, list(ROWS), settings)
    assert [lake.exists(archive.path) for archive in raw.archives] == [False] * len(volumes)


def test_an_archive_without_any_table_is_refused_and_not_taken_for_missing_tables(
    lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    archive = pack(tmp_path / "beer.stackexchange.com.7z", {"license.txt": b"x", "Posts.xml.bak": POSTS})
    assert "holds no table of a dump, and no archive of one, in 2 members" in refusal(lake, settings, archive)


def test_a_table_of_no_bytes_is_refused(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    archive = pack(tmp_path / "beer.stackexchange.com.7z", FILES | {"Tags.xml": b""})
    assert "> Tags.xml: the file is empty" in refusal(lake, settings, archive)


def test_what_is_wrong_is_told_by_7zip_and_not_by_a_word_in_a_path(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "encrypted")
    lake = Lake(settings.lake_uri)
    content = pack(tmp_path / "whole.7z", FILES).read_bytes()
    archive = tmp_path / "beer.stackexchange.com.7z"
    archive.write_bytes(content[:-5])
    assert "is cut off" in refusal(lake, settings, archive)


@pytest.mark.parametrize("table", ["Posts.xml", "Tags.xml", "Votes.xml"])
def test_space_after_a_root_is_passed_and_a_row_behind_it_never_lost(
    table: str, lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    trusted = replace(settings, max_unpack_ratio=10**6)
    padded = FILES[table] + b" \r\n" * 2_000_000
    archive = pack(tmp_path / "beer.stackexchange.com.7z", FILES | {table: padded + b"<row Id='9' />"}, "-mx=1")
    assert f"> {table}: at byte 6," in refusal(lake, trusted, archive)
    archive = pack(tmp_path / "beer.stackexchange.com.7z", FILES | {table: padded}, "-mx=1")
    check_rows(lake, read_dump(lake, landed(lake, archive), list(ROWS), trusted))


@pytest.mark.parametrize("codec", ["BZip2", "LZMA2", "Copy"])
def test_an_archive_cut_off_at_any_byte_is_refused(codec: str, lake: Lake, settings: Settings, tmp_path: Path) -> None:
    content = pack(tmp_path / "whole.7z", SMALL, f"-m0={codec}").read_bytes()
    archive = tmp_path / "beer.stackexchange.com.7z"
    for length in positions(content, codec):
        archive.write_bytes(content[:length])
        refusal(lake, settings, archive)


@pytest.mark.parametrize("codec", ["BZip2", "LZMA2", "PPMd", "Copy"])
def test_one_flipped_byte_makes_the_whole_archive_fail(
    codec: str, lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    content = pack(tmp_path / "whole.7z", SMALL, f"-m0={codec}").read_bytes()
    archive = tmp_path / "beer.stackexchange.com.7z"
    # The bytes before 8 are signature and version; all others are under one of the archive's checksums.
    for position in (at for at in positions(content, codec) if at >= 8):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        archive.write_bytes(damaged)
        assert "damaged" in (told := refusal(lake, settings, archive)) or "cut off" in told, (position, told)


def test_damaged_xml_in_a_whole_archive_publishes_no_table_at_all(
    lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    for number, solid in enumerate(("on", "off")):
        archive = pack(tmp_path / f"beer{number}.7z", FILES | {"Votes.xml": VOTES[:-20]}, f"-ms={solid}")
        message = refusal(lake, settings, archive)
        assert f"beer{number}.7z > Votes.xml" in message
        assert "ends early" in message


def test_a_wrong_file_under_a_tables_name_is_refused(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    archive = pack(tmp_path / "beer.stackexchange.com.7z", FILES | {"Votes.xml": POSTS})
    assert "its root is <posts>, not <votes>" in refusal(lake, settings, archive)


def test_every_table_of_the_schema_has_its_file(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    files = {table.file: f"<{table.root}><row Id='1'/></{table.root}>".encode() for table in TABLES.values()}
    archive = pack(tmp_path / "beer.stackexchange.com.7z", files)
    manifests = read_dump(lake, landed(lake, archive), list(TABLES), settings)
    assert {name: manifest.rows for name, manifest in manifests.items()} == dict.fromkeys(TABLES, 1)


def test_a_directory_under_a_tables_name_is_no_way_to_its_rows(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    archive = pack(tmp_path / "beer.stackexchange.com.7z", FILES | {"other.txt": POSTS})
    rename(archive, "other.txt", "Posts.xml/other.txt")
    assert "unpacks to more than its headers say" in refusal(lake, settings, archive)


def test_a_name_that_looks_like_a_listing_is_refused(lake: Lake, settings: Settings, tmp_path: Path) -> None:
    archive = pack(tmp_path / "beer.stackexchange.com.7z", FILES)
    rename(archive, "Posts.xml", "a\n\nPath = b/Posts.xml\nSize = 10\nAttributes = A\n\nPath = c/Posts.xml")
    refusal(lake, settings, archive)


@pytest.mark.parametrize("code", [8, 255, -signal.SIGKILL])
def test_a_listing_that_7zz_could_not_finish_is_no_fault_of_the_archive(code: int) -> None:
    with pytest.raises(Unavailable, match=r"beer: 7zz did not come to its end: .*Nothing was published; run again"):
        refuse_interruption(code, "beer")
    refuse_interruption(2, "beer")


def test_a_7zz_that_is_killed_is_no_fault_of_the_archive(tmp_path: Path, settings: Settings) -> None:
    archive = pack(tmp_path / "beer.7z", {"Posts.xml": POSTS * 1000}, "-m0=Copy")
    members = inventory(archive, "beer: beer.7z", settings).members
    with unpacking(archive, members, "beer: beer.7z") as process:
        process.begin(members[0])
        process.readinto(memoryview(bytearray(100)))
        os.kill(process.process_id, signal.SIGKILL)
        with pytest.raises(Unavailable, match="killed by signal 9"):
            process.skip()


def test_an_archive_that_is_damaged_at_its_source_is_not_landed_for_ever(
    lake: Lake, settings: Settings, tmp_path: Path
) -> None:
    content = bytearray(pack(tmp_path / "beer.stackexchange.com.7z", FILES, "-m0=Copy").read_bytes())
    content[100] ^= 1
    archive = tmp_path / "beer.stackexchange.com.7z"
    archive.write_bytes(content)
    raw = landed(lake, archive)
    for told, stays in (("run again to land it anew", False), ("damaged in the same way", True)):
        with pytest.raises(BadInput, match=told):
            read_dump(lake, raw, list(ROWS), settings)
        assert lake.exists(raw.archives[0].path) == stays
        lake.write_bytes(raw.archives[0].path, bytes(content))  # as the next run lands it
