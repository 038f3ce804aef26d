"""A 7z is known whole or broken by its two ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from so_lakehouse.dumps.sevenzip_file import check_start, check_whole, fingerprint
from so_lakehouse.errors import BadInput


@pytest.fixture
def archive(real_dumps: Path) -> bytes:
    return (real_dumps / "2022-06" / "beer.meta.stackexchange.com.7z").read_bytes()


def refusal(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "beer.7z"
    path.write_bytes(content)
    with pytest.raises(BadInput) as refused:
        check_whole(path, path.name)
    return str(refused.value)


def test_every_real_archive_is_whole(real_dumps: Path):
    archives = sorted(real_dumps.rglob("*.7z"))
    assert len(archives) == 8
    for path in archives:
        check_whole(path, path.name)
    assert len({fingerprint(path.read_bytes()) for path in archives}) == len(archives)


@pytest.mark.parametrize("missing", [1, 100, 200_000])
def test_a_cut_is_found_wherever_it_is(tmp_path: Path, archive: bytes, missing: int):
    assert f"{len(archive) - missing:,} of {len(archive):,} bytes" in refusal(tmp_path, archive[:-missing])


def test_a_cut_in_the_first_header_is_found(tmp_path: Path, archive: bytes):
    assert "cut short: it has 20 bytes" in refusal(tmp_path, archive[:20])


def test_damage_to_the_first_header_is_found(tmp_path: Path, archive: bytes):
    assert "its first header is wrong" in refusal(tmp_path, archive[:15] + bytes([archive[15] ^ 1]) + archive[16:])


def test_damage_to_the_last_header_is_found(tmp_path: Path, archive: bytes):
    assert "its last header is wrong" in refusal(tmp_path, archive[:-1] + bytes([archive[-1] ^ 1]))


@pytest.mark.parametrize("start", [b"<!DOCTYPE html>", b"PK\x03\x04", b"7zip", b"\n7z\xbc\xaf"])
def test_other_files_are_refused_by_their_first_bytes(start: bytes):
    with pytest.raises(BadInput, match="is not a 7z archive; it begins with"):
        check_start(start, "beer.7z", "mirror")


@pytest.mark.parametrize("start", [b"", b"7", b"7z\xbc\xaf", b"7z\xbc\xaf\x27\x1c\x00\x04"])
def test_too_few_bytes_are_not_refused_yet(start: bytes):
    check_start(start, "beer.7z", "mirror")
