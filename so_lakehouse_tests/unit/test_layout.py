"""When the files of a table are worth mending: by the ranges of their keys and by their sizes."""

from __future__ import annotations

import pytest

from so_lakehouse.lake.layout import FILE_BYTES, DataFile, is_out_of_order, loose_bytes, small_files


def file(lowest: int | None, highest: int | None, size: int = 10) -> DataFile:
    return DataFile("part.parquet", size, 0, lowest, highest)


@pytest.mark.parametrize(
    ("files", "loose"),
    [
        ([], 0),
        ([file(1, 100)], 0),
        ([file(11, 20), file(1, 10), file(21, 30)], 0),
        ([file(1, 10), file(10, 20)], 10),
        ([file(1, 10), file(11, 20), file(1, 20, size=3)], 3),
        ([file(1, 100), file(1, 100), file(1, 100)], 20),
        ([file(None, None), file(None, None)], 0),
        ([file(1, 1000, size=128 * 2**20), file(995, 999, size=20_000)], 20_000),
        ([file(1, 10), file(5, 20, size=25), file(15, 30)], 20),
    ],
)
def test_loose_is_what_lies_across_the_heaviest_row_of_files_without_a_common_key(files, loose):
    assert loose_bytes(files) == loose


def test_a_tenth_out_of_order_is_left_and_more_is_not():
    ordered = [file(10 * n + 1, 10 * n + 10) for n in range(9)]
    assert not is_out_of_order([*ordered, file(1, 90, size=10)])
    assert is_out_of_order([*ordered, file(1, 90, size=11)])


def test_one_small_file_has_none_to_be_joined_with():
    half = FILE_BYTES // 2
    assert small_files([file(1, 2, size=5), file(3, 4, size=half)]) == []
    assert len(small_files([file(1, 2, size=5), file(3, 4, size=half - 1), file(5, 6, size=half)])) == 2
