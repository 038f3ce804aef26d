"""Columns that grow: the kernel appends block after block, and a whole row group leaves as Arrow arrays.

Belongs here: the buffers of one column and their Arrow form. Does not belong here: how a value is read (`kernel/`),
which columns there are (`row_group.py`).

The buffers are used again for the next row group: an array is valid until the next `append` at row 0.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from so_lakehouse.dumps.kernel.bytes import PADDING
from so_lakehouse.dumps.kernel.numbers import append_booleans, append_integers
from so_lakehouse.dumps.kernel.text import MARKS, SHORT, append_text
from so_lakehouse.dumps.kernel.timestamps import append_timestamps
from so_lakehouse.schema import Type
from so_lakehouse.schema_forms import ARROW

FIRST_ROWS = 4_096
_FIRST_BYTES = 40 << 20  # address space, not memory, until it is written to: a row group and a block fit without a copy


def grown(array: np.ndarray, size: int, used: int) -> np.ndarray:
    """The array, or a larger one with its first `used` elements, so that `size` fit."""
    if array.size >= size:
        return array
    larger = np.empty(max(size, array.size * 2), array.dtype)
    larger[:used] = array[:used]
    return larger


def buffer(array: np.ndarray) -> pa.Buffer:
    """The array's memory, not copied."""
    return pa.py_buffer(array.data)


def _validity(present: np.ndarray) -> tuple[pa.Buffer | None, int]:
    nulls = present.size - int(np.count_nonzero(present))
    return (buffer(np.packbits(present, bitorder="little")) if nulls else None), nulls


class TextColumn:
    """Strings: one buffer of bytes and where each begins."""

    row_bytes = 5  # besides the text

    def __init__(self, number: int) -> None:
        self.number = number
        self.bytes = np.empty(_FIRST_BYTES, np.uint8)
        self.marks = np.empty(MARKS, np.int32)
        self.offsets = np.zeros(FIRST_ROWS, np.int32)
        self.present = np.empty(FIRST_ROWS, np.bool_)

    def append(
        self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray, count: int, row: int, faults: np.ndarray
    ) -> int:
        used = int(self.offsets[row]) if row else 0
        room = int((ends[:count] - starts[:count]).sum(where=starts[:count] >= 0, dtype=np.int64))
        self.bytes = grown(self.bytes, used + room + PADDING, used)
        self.offsets = grown(self.offsets, row + count + 1, row + 1)
        self.present = grown(self.present, row + count, row)
        _, found = append_text(
            data,
            starts,
            ends,
            count,
            self.bytes,
            self.offsets,
            self.present,
            row,
            used,
            self.number,
            faults,
            self.marks,
        )
        return int(found)

    def used(self, rows: int) -> int:
        """Bytes of text in the first `rows` rows."""
        return int(self.offsets[rows]) if rows else 0

    def clear(self) -> None:
        """Gives back what a long text made it grow by."""
        self.shrink(0)

    def shrink(self, rows: int) -> None:
        """As `clear`, but for the first `rows` rows, which stay."""
        used = self.used(rows)
        if self.bytes.size > 2 * _FIRST_BYTES >= 2 * used:
            smaller = np.empty(_FIRST_BYTES, np.uint8)
            smaller[:used] = self.bytes[:used]
            self.bytes = smaller

    def array(self, rows: int) -> pa.Array:
        validity, nulls = _validity(self.present[:rows])
        values = buffer(self.bytes[: self.used(rows)])
        offsets = buffer(self.offsets[: rows + 1])
        return pa.StringArray.from_buffers(rows, offsets, values, validity, nulls)


_DTYPES: dict[Type, type[np.signedinteger]] = {
    Type.SMALLINT: np.int16,
    Type.INTEGER: np.int32,
    Type.BIGINT: np.int64,
    Type.TIMESTAMP: np.int64,
}


class NumberColumn:
    """Integers and timestamps: one fixed width."""

    def __init__(self, number: int, type_: Type) -> None:
        self.number, self.type = number, ARROW[type_]
        self.is_timestamp = type_ is Type.TIMESTAMP
        dtype = _DTYPES[type_]
        self.low, self.high = np.iinfo(dtype).min, np.iinfo(dtype).max
        self.values = np.empty(FIRST_ROWS, dtype)
        self.present = np.empty(FIRST_ROWS, np.bool_)
        self.row_bytes = self.values.itemsize + self.present.itemsize
        self.room, self.marks = np.empty(SHORT + PADDING, np.uint8), np.empty(MARKS, np.int32)

    def append(
        self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray, count: int, row: int, faults: np.ndarray
    ) -> int:
        self.values = grown(self.values, row + count, row)
        self.present = grown(self.present, row + count, row)
        target = (self.values, self.present, row, self.number, faults, self.room, self.marks)
        if self.is_timestamp:
            return int(append_timestamps(data, starts, ends, count, *target))
        return int(append_integers(data, starts, ends, count, self.low, self.high, *target))

    def array(self, rows: int) -> pa.Array:
        validity, nulls = _validity(self.present[:rows])
        return pa.Array.from_buffers(self.type, rows, [validity, buffer(self.values[:rows])], nulls)


class BooleanColumn:
    """Booleans: a byte each until they leave as bits."""

    row_bytes = 2

    def __init__(self, number: int) -> None:
        self.number = number
        self.values = np.empty(FIRST_ROWS, np.uint8)
        self.present = np.empty(FIRST_ROWS, np.bool_)
        self.room, self.marks = np.empty(SHORT + PADDING, np.uint8), np.empty(MARKS, np.int32)

    def append(
        self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray, count: int, row: int, faults: np.ndarray
    ) -> int:
        self.values = grown(self.values, row + count, row)
        self.present = grown(self.present, row + count, row)
        target = (self.values, self.present, row, self.number, faults, self.room, self.marks)
        return int(append_booleans(data, starts, ends, count, *target))

    def array(self, rows: int) -> pa.Array:
        validity, nulls = _validity(self.present[:rows])
        bits = buffer(np.packbits(self.values[:rows], bitorder="little"))
        return pa.Array.from_buffers(pa.bool_(), rows, [validity, bits], nulls)


def column_for(number: int, type_: Type) -> TextColumn | NumberColumn | BooleanColumn:
    """An empty column for values of a type; `number` is what its faults name it by."""
    if type_ in (Type.TEXT, Type.TAGS):
        return TextColumn(number)
    return BooleanColumn(number) if type_ is Type.BOOLEAN else NumberColumn(number, type_)
