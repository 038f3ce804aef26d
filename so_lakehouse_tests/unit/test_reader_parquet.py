"""Bronze's Parquet: split into row groups, with what makes it quick to read, written by one thread or several."""

from __future__ import annotations

import io

import pyarrow.parquet as pq
import pytest

from so_lakehouse.dumps import table_reader
from so_lakehouse.dumps.parquet import TableWriter
from so_lakehouse.dumps.table_reader import TableReader
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import POSTS, TABLES
from so_lakehouse_tests.dump_reading import document

ROWS = [
    b'<row Id="%d" PostTypeId="%d" CreationDate="2016-01-%02dT00:00:00.000" Body="%s" ContentLicense="CC BY-SA 3.0" />'
    % (key, 1 + key % 2, 1 + key % 28, b"text &amp; " * (key % 50))
    for key in range(1, 20_001)
]


def write(lake: Lake, folder: str, content: bytes, threads: int, table: str = "posts") -> tuple[str, ...]:
    """Files of a table read from memory."""
    lake.make_folder(folder)
    writer = TableWriter(lake, folder, TABLES[table], threads)
    reader = TableReader(io.BytesIO(content).readinto, TABLES[table], "beer", pytest.fail)
    for group in reader.row_groups(writer.empty):
        writer.put(group)
    writer.close()
    return writer.files


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups of 64 KiB of text, read in blocks of 32 KiB."""
    monkeypatch.setattr(table_reader, "ROW_GROUP_TEXT_BYTES", 1 << 16)
    monkeypatch.setattr(TableReader.__init__, "__defaults__", (1 << 15,))


@pytest.mark.usefixtures("small_groups")
def test_row_groups_carry_what_lets_a_reader_skip_them(lake: Lake) -> None:
    (path,) = write(lake, "posts", document(*ROWS), threads=1)
    metadata = pq.read_metadata(lake.path(path))
    assert metadata.num_rows == 20_000
    assert metadata.num_row_groups > 20
    last = 0
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        columns = {group.column(k).path_in_schema: group.column(k) for k in range(group.num_columns)}
        assert columns["Id"].statistics.min == last + 1
        last = columns["Id"].statistics.max
        assert columns["CreationDate"].statistics.has_min_max
        assert columns["Body"].statistics is None
        assert "RLE_DICTIONARY" in columns["PostTypeId"].encodings
        assert "RLE_DICTIONARY" in columns["ContentLicense"].encodings
        assert "DELTA_BINARY_PACKED" in columns["Id"].encodings
        assert {column.compression for column in columns.values()} == {"ZSTD"}
    assert last == 20_000


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("threads", [2, 3])
def test_several_threads_write_the_same_rows_into_as_many_files(threads: int, lake: Lake) -> None:
    content = document(*ROWS)
    single, several = write(lake, "one", content, 1), write(lake, "several", content, threads)
    assert len(several) == threads
    expected = pq.read_table(lake.path(single[0]))
    found = pq.read_table([lake.path(path) for path in several])
    assert found.sort_by("_offset").equals(expected)


@pytest.mark.parametrize("threads", [1, 4])
def test_an_empty_table_is_one_file_without_rows(threads: int, lake: Lake) -> None:
    (path,) = write(lake, "posts", b"<posts />", threads)
    assert pq.read_table(lake.path(path)).num_rows == 0
    assert pq.read_schema(lake.path(path)).names == [*POSTS.column_names, "_extra", "_offset"]
