"""Columns that grow: the kernel appends block after block, and a whole row group leaves as one Arrow batch.

Belongs here: memory of one row group and its Arrow form. Does not belong here: how a value is read (`kernel/`), Parquet (`parquet.py`).

The buffers are used again for the next row group: a batch is valid until `clear` is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from so_lakehouse.dumps.kernel import codes
from so_lakehouse.dumps.kernel.bytes import PADDING
from so_lakehouse.dumps.kernel.numbers import append_booleans, append_integers, append_timestamps
from so_lakehouse.dumps.kernel.text import append_text
from so_lakehouse.schema import Table, Type
from so_lakehouse.schema_forms import ARROW, BRONZE_EXTRA, bronze_schema

_FIRST_ROWS = 4_096
_FIRST_BYTES = 1 << 20


def grown(array: np.ndarray, size: int, used: int) -> np.ndarray:
    """The array, or a larger one with its first `used` elements, so that `size` fit."""
    if array.size >= size:
        return array
    larger = np.empty(max(size, array.size * 2), array.dtype)
    larger[:used] = array[:used]
    return larger


@dataclass
class Block:
    """What stage 1 found in one piece of the file: positions of values (column × row, -1 for absent) in `data`."""

    data: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    count: int
    offsets: np.ndarray  # of each row, in the unpacked member
    extras: np.ndarray  # (row, name from, name to, value from, value to), by row

    def without(self, refused: np.ndarray) -> Block:
        """The block without the rows whose flag is set."""
        keep = ~refused
        number = np.cumsum(keep) - 1
        extras = self.extras[keep[self.extras[:, 0]]].copy()
        extras[:, 0] = number[extras[:, 0]]
        return Block(
            self.data,
            np.ascontiguousarray(self.starts[:, : self.count][:, keep]),
            np.ascontiguousarray(self.ends[:, : self.count][:, keep]),
            int(keep.sum()),
            self.offsets[keep],
            extras,
        )


class GrowingColumn(Protocol):
    """`append` converts a block's values after row `row` and returns the number of faults noted in `faults`."""

    def append(
        self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray, count: int, row: int, faults: np.ndarray
    ) -> int: ...

    def array(self, rows: int) -> pa.Array: ...


def _validity(present: np.ndarray) -> tuple[pa.Buffer | None, int]:
    nulls = present.size - int(np.count_nonzero(present))
    return (pa.py_buffer(np.packbits(present, bitorder="little")) if nulls else None), nulls


class TextColumn:
    """Strings: one buffer of bytes and where each begins."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.bytes = np.empty(_FIRST_BYTES, np.uint8)
        self.offsets = np.zeros(_FIRST_ROWS, np.int32)
        self.present = np.empty(_FIRST_ROWS, np.bool_)

    def append(
        self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray, count: int, row: int, faults: np.ndarray
    ) -> int:
        used = int(self.offsets[row]) if row else 0
        room = int((ends[:count] - starts[:count]).sum(where=starts[:count] >= 0, dtype=np.int64))
        self.bytes = grown(self.bytes, used + room + PADDING, used)
        self.offsets = grown(self.offsets, row + count + 1, row + 1)
        self.present = grown(self.present, row + count, row)
        _, found = append_text(
            data, starts, ends, count, self.bytes, self.offsets, self.present, row, used, self.number, faults
        )
        return int(found)

    def used(self, rows: int) -> int:
        """Bytes of text in the first `rows` rows."""
        return int(self.offsets[rows]) if rows else 0

    def array(self, rows: int) -> pa.Array:
        validity, nulls = _validity(self.present[:rows])
        values = pa.py_buffer(self.bytes[: self.used(rows)])
        offsets = pa.py_buffer(self.offsets[: rows + 1])
        return pa.StringArray.from_buffers(rows, offsets, values, validity, nulls)


class NumberColumn:
    """Integers and timestamps: one fixed width."""

    def __init__(self, number: int, type_: Type) -> None:
        self.number, self.type = number, ARROW[type_]
        self.is_timestamp = type_ is Type.TIMESTAMP
        dtype = np.dtype(np.int64) if self.is_timestamp else np.dtype(self.type.to_pandas_dtype())
        self.low, self.high = np.iinfo(dtype).min, np.iinfo(dtype).max
        self.values = np.empty(_FIRST_ROWS, dtype)
        self.present = np.empty(_FIRST_ROWS, np.bool_)

    def append(
        self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray, count: int, row: int, faults: np.ndarray
    ) -> int:
        self.values = grown(self.values, row + count, row)
        self.present = grown(self.present, row + count, row)
        target = (self.values, self.present, row, self.number, faults)
        if self.is_timestamp:
            return int(append_timestamps(data, starts, ends, count, *target))
        return int(append_integers(data, starts, ends, count, self.low, self.high, *target))

    def array(self, rows: int) -> pa.Array:
        validity, nulls = _validity(self.present[:rows])
        return pa.Array.from_buffers(self.type, rows, [validity, pa.py_buffer(self.values[:rows])], nulls)


class BooleanColumn:
    """Booleans: a byte each until they leave as bits."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.values = np.empty(_FIRST_ROWS, np.uint8)
        self.present = np.empty(_FIRST_ROWS, np.bool_)

    def append(
        self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray, count: int, row: int, faults: np.ndarray
    ) -> int:
        self.values = grown(self.values, row + count, row)
        self.present = grown(self.present, row + count, row)
        return int(append_booleans(data, starts, ends, count, self.values, self.present, row, self.number, faults))

    def array(self, rows: int) -> pa.Array:
        validity, nulls = _validity(self.present[:rows])
        bits = pa.py_buffer(np.packbits(self.values[:rows], bitorder="little"))
        return pa.Array.from_buffers(pa.bool_(), rows, [validity, bits], nulls)


class ExtraColumn:
    """`_extra`: the attributes that the schema does not know, as a map per row; null where a row has none."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.keys, self.values = TextColumn(number), TextColumn(number)
        self.entries = 0
        self.ends = np.zeros(_FIRST_ROWS, np.int32)  # entries up to and with each row

    def append(self, block: Block, row: int, faults: np.ndarray) -> int:
        entries = block.extras
        count = entries.shape[0]
        self.ends = grown(self.ends, row + block.count, row)
        per_row = np.bincount(entries[:, 0], minlength=block.count) if count else np.zeros(block.count, np.int64)
        np.cumsum(per_row, out=self.ends[row : row + block.count], dtype=np.int32)
        self.ends[row : row + block.count] += self.entries
        if not count:
            return 0
        by_entry = np.zeros((count, 2), np.int64)
        parts = np.ascontiguousarray(entries.T)
        self.keys.append(block.data, parts[1], parts[2], count, self.entries, by_entry)
        self.values.append(block.data, parts[3], parts[4], count, self.entries, by_entry)
        wrong = np.flatnonzero(by_entry[:, 0])
        for entry in wrong:
            if faults[entries[entry, 0], 0] == 0:
                faults[entries[entry, 0]] = by_entry[entry, 0], self.number
        return int(wrong.size)

    def names(self) -> dict[str, int]:
        """How often each unknown attribute stands in the row group."""
        if not self.entries:
            return {}
        counted = self.keys.array(self.entries).value_counts()
        return {entry["values"]: entry["counts"] for entry in counted.to_pylist()}

    def array(self, rows: int) -> pa.Array:
        if not self.entries:
            return pa.nulls(rows, BRONZE_EXTRA.type)
        offsets = np.concatenate([np.zeros(1, np.int32), self.ends[:rows]])
        empty = offsets[1:] == offsets[:-1]
        keys, items = self.keys.array(self.entries), self.values.array(self.entries)
        return pa.MapArray.from_arrays(
            pa.array(offsets, mask=np.append(empty, False)), keys, items, type=BRONZE_EXTRA.type
        )


class RowGroup:
    """All columns of one row group of a table."""

    def __init__(self, table: Table) -> None:
        self.schema = bronze_schema(table)
        self.columns: list[Any] = [_column(number, column.type) for number, column in enumerate(table.columns)]
        self.extra = ExtraColumn(len(self.columns))
        self.offsets = np.empty(_FIRST_ROWS, np.int64)
        self.rows = 0

    def append(self, block: Block) -> np.ndarray | None:
        """Takes the block's rows in, or none of them: then returns the faults (row × 2: code, column; code 0 is none)."""
        faults = np.zeros((block.count, 2), np.int64)
        found = 0
        for number, column in enumerate(self.columns):
            found += column.append(block.data, block.starts[number], block.ends[number], block.count, self.rows, faults)
        found += self.extra.append(block, self.rows, faults)
        without_id = ~self.columns[0].present[self.rows : self.rows + block.count] & (faults[:, 0] == 0)
        if without_id.any():
            faults[without_id] = codes.MISSING_ID, 0
            found += 1
        if found:
            return faults
        self.extra.entries += block.extras.shape[0]
        self.offsets = grown(self.offsets, self.rows + block.count, self.rows)
        self.offsets[self.rows : self.rows + block.count] = block.offsets
        self.rows += block.count
        return None

    @property
    def text_bytes(self) -> int:
        return sum(column.used(self.rows) for column in self.columns if isinstance(column, TextColumn))

    def batch(self) -> pa.RecordBatch:
        arrays = [column.array(self.rows) for column in self.columns]
        offsets = pa.array(self.offsets[: self.rows])
        return pa.RecordBatch.from_arrays([*arrays, self.extra.array(self.rows), offsets], schema=self.schema)

    def clear(self) -> None:
        self.rows = self.extra.entries = 0


def _column(number: int, type_: Type) -> TextColumn | NumberColumn | BooleanColumn:
    if type_ in (Type.TEXT, Type.TAGS):
        return TextColumn(number)
    return BooleanColumn(number) if type_ is Type.BOOLEAN else NumberColumn(number, type_)
