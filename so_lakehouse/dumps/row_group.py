"""One row group: all columns of a table, filled block by block, given on as one Arrow batch.

Belongs here: what stage 1 hands to stage 2, and that a block's rows are taken in whole or not at all. Does not belong
here: one column (`columns.py`), Parquet (`parquet.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from so_lakehouse.dumps.columns import FIRST_ROWS, TextColumn, column_for, grown
from so_lakehouse.dumps.kernel import codes
from so_lakehouse.schema import Table
from so_lakehouse.schema_forms import BRONZE_EXTRA, bronze_schema


@dataclass
class Block:
    """What stage 1 found in one piece of the file: positions of values (by column and row, -1 for absent) in `data`."""

    data: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    count: int
    offsets: np.ndarray  # of each row, in the unpacked member
    extras: np.ndarray  # (row, name from, name to, value from, value to), by row

    def attribute(self, table: Table, row: int, number: int) -> tuple[str, bytes]:
        """(name, value as it is spelled) of what a fault of `RowGroup.append` names by this number."""
        if number < len(table.columns):
            name, positions = table.columns[number].name, (self.starts[number, row], self.ends[number, row])
        else:
            first, last, *positions = self.extras[number - len(table.columns), 1:].tolist()
            name = self.data[first:last].tobytes().decode("utf-8", "backslashreplace")
        return name, self.data[slice(*positions)].tobytes()

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


_AROUND_A_ROW = 12  # bytes: its offset in the file, and where its unknown attributes end


class ExtraColumn:
    """`_extra`: the attributes that the schema does not know, as a map per row; null where a row has none.

    `number` is the first that is no column's: a fault of a block's k-th entry is noted as `number` + k.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.keys, self.values = TextColumn(number), TextColumn(number)
        self.entries = 0
        self.ends = np.zeros(FIRST_ROWS, np.int32)  # entries up to and with each row

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
                faults[entries[entry, 0]] = by_entry[entry, 0], self.number + entry
        return int(wrong.size)

    @property
    def text_bytes(self) -> int:
        return self.keys.used(self.entries) + self.values.used(self.entries)

    def clear(self) -> None:
        self.entries = 0
        self.keys.clear()
        self.values.clear()

    def names(self) -> dict[str, int]:
        """How often each unknown attribute stands in the row group."""
        if not self.entries:
            return {}
        names, times = pc.value_counts(self.keys.array(self.entries)).flatten()
        return {str(name): int(str(count)) for name, count in zip(names, times, strict=True)}

    def array(self, rows: int) -> pa.Array:
        if not self.entries:
            return pa.nulls(rows, BRONZE_EXTRA.type)
        offsets = np.concatenate([np.zeros(1, np.int32), self.ends[:rows]])
        empty = offsets[1:] == offsets[:-1]
        keys, items = self.keys.array(self.entries), self.values.array(self.entries)
        return pa.MapArray.from_arrays(pa.array(offsets, mask=np.append(empty, False)), keys, items)


class RowGroup:
    """All columns of one row group of a table."""

    def __init__(self, table: Table) -> None:
        self.schema = bronze_schema(table)
        self.columns: list[Any] = [column_for(number, column.type) for number, column in enumerate(table.columns)]
        self.texts = [column for column in self.columns if isinstance(column, TextColumn)]
        self.extra = ExtraColumn(len(self.columns))
        self.offsets = np.empty(FIRST_ROWS, np.int64)
        self.rows = 0

    def append(self, block: Block) -> np.ndarray | None:
        """Takes the block's rows in, or none of them and returns their faults: (code, number) of each row.

        Code 0 is no fault; `Block.attribute` tells what the number means.
        """
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
        """Bytes of text in all columns, those unknown to the schema too."""
        return self.extra.text_bytes + sum(column.used(self.rows) for column in self.texts)

    @property
    def bytes(self) -> int:
        """Bytes of all columns."""
        return self.text_bytes + self.rows * (sum(column.row_bytes for column in self.columns) + _AROUND_A_ROW)

    def batch(self) -> pa.RecordBatch:
        arrays = [column.array(self.rows) for column in self.columns]
        offsets = pa.array(self.offsets[: self.rows])
        return pa.RecordBatch.from_arrays([*arrays, self.extra.array(self.rows), offsets], schema=self.schema)

    def clear(self) -> None:
        self.rows = 0
        self.extra.clear()
        for column in self.texts:
            column.clear()

    def shrink(self) -> None:
        """Gives back what a row that was not taken in made the columns grow by."""
        for column in self.texts:
            column.shrink(self.rows)
