"""What the reader holds in memory does not grow with the file: neither with its rows nor with what is wrong in them."""

from __future__ import annotations

import io

import numpy as np
import pyarrow.parquet as pq
import pytest

from so_lakehouse.dumps import table_reader
from so_lakehouse.dumps.faults import Refused
from so_lakehouse.dumps.kernel.bytes import PADDING
from so_lakehouse.dumps.parquet import QuarantineWriter
from so_lakehouse.dumps.row_group import RowGroup
from so_lakehouse.dumps.table_reader import TableReader
from so_lakehouse.dumps.tally import MOST_NAMES, OTHERS, Tally
from so_lakehouse.dumps.window import Window
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import POSTS
from so_lakehouse_tests.dump_reading import document


def groups(content: bytes, block_bytes: int = 1 << 15) -> list[int]:
    """Rows of each row group of posts."""
    reader = TableReader(io.BytesIO(content).readinto, POSTS, "beer", pytest.fail, block_bytes)
    return [group.rows for group in reader.row_groups(lambda: RowGroup(POSTS))]


def test_a_row_group_is_bounded_by_the_text_of_columns_the_schema_does_not_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(table_reader, "ROW_GROUP_TEXT_BYTES", 1 << 16)
    text = b"x" * 1_000
    known = groups(document(*[b'<row Id="%d" Body="%s" />' % (k, text) for k in range(1_000)]))
    unknown = groups(document(*[b'<row Id="%d" BodyMarkdown="%s" />' % (k, text) for k in range(1_000)]))
    assert sum(known) == sum(unknown) == 1_000
    assert max(known) < 100
    assert max(unknown) < 100


def test_a_block_is_small_again_after_a_long_row() -> None:
    window = Window(io.BytesIO(b"x" * 1_000_000).readinto, "beer", 1_000)
    while window.unread < 100_000:
        window.fill()
    assert window.data.size > 100_000
    window.advance(window.end)
    window.fill()
    assert window.data.size == 1_000 + PADDING
    assert window.unread == 1_000


def test_a_row_group_gives_back_what_a_long_text_took() -> None:
    group = RowGroup(POSTS)
    before = sum(column.bytes.size for column in group.texts)
    content = document(b'<row Id="1" Body="' + b"x" * 100_000_000 + b'" />')
    reader = TableReader(io.BytesIO(content).readinto, POSTS, "beer", pytest.fail)
    assert next(reader.row_groups(lambda: group)).rows == 1
    assert sum(column.bytes.size for column in group.texts) > before
    group.clear()
    assert sum(column.bytes.size for column in group.texts) == before


def test_refused_rows_are_written_before_there_are_many(lake: Lake) -> None:
    lake.make_folder("q")
    writer = QuarantineWriter(lake, "q/quarantine.parquet")
    for offset in range(40_000):
        writer.put(Refused(offset, "missing_id", "no Id", None, b"<row />"))
    path = writer.close()
    metadata = pq.read_metadata(lake.path(path))
    assert metadata.num_rows == 40_000
    assert max(metadata.row_group(k).num_rows for k in range(metadata.num_row_groups)) <= 1 << 14
    assert pq.read_table(lake.path(path))["byte_offset"].to_pylist() == list(range(40_000))


def test_unknown_attributes_are_told_by_name_up_to_a_number_and_counted_beyond_it() -> None:
    tally = Tally()
    for k in range(3 * MOST_NAMES):
        tally.count_unknown({f"Name{k}": 2})
    tally.count_unknown({"Name0": 1, "x" * 3_000_000: 1})
    assert len(tally.unknown_attributes) == MOST_NAMES + 1
    assert tally.unknown_attributes["Name0"] == 3
    assert tally.unknown_attributes[OTHERS] == 4 * MOST_NAMES + 1
    assert sum(tally.unknown_attributes.values()) == 6 * MOST_NAMES + 2


def test_offsets_in_utf16_are_counted_for_all_rows_at_once() -> None:
    texts = ["a", "é", "日", "😀", ""] * 1_000
    rows = [f'<row Id="{k}" Title="{text}" />' for k, text in enumerate(texts)]
    content = ("\ufeff<posts>" + "\n".join(rows) + "</posts>").encode("utf-16-le")
    window = Window(io.BytesIO(content).readinto, "beer", 1 << 20)
    window.fill()
    data = window.data[: window.end].tobytes()
    positions = np.array([data.index(row.encode()) for row in rows])
    for offset, row in zip(window.bytes_of(positions).tolist(), rows, strict=True):
        assert content[offset:].startswith(row.encode("utf-16-le"))


def test_the_bytes_of_refused_rows_are_in_no_dictionary_and_no_statistics(lake: Lake) -> None:
    lake.make_folder("q")
    writer = QuarantineWriter(lake, "q/quarantine.parquet")
    writer.put(Refused(7, "missing_id", "no Id", None, b"<row />"))
    metadata = pq.read_metadata(lake.path(writer.close()))
    columns = {column.path_in_schema: column for column in map(metadata.row_group(0).column, range(5))}
    assert columns["raw"].statistics is None
    assert "RLE_DICTIONARY" not in columns["raw"].encodings
    assert columns["byte_offset"].statistics.min == 7


def test_a_row_group_of_many_short_rows_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_reader, "ROW_GROUP_BYTES", 1 << 20)
    rows = groups(document(*[b'<row Id="%d" />' % k for k in range(20_000)]))
    assert sum(rows) == 20_000
    assert max(rows) * 100 < 2 << 20, "posts have more than a hundred bytes a row besides their text"
