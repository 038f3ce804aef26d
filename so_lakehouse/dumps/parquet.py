"""How bronze is written: Parquet that is quick to write and good to read.

Belongs here: encodings, compression, statistics, row groups, and the thread that writes while the next row group is
being read. Does not belong here: which files make a table (`bronze.py`).
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from so_lakehouse.dumps.faults import Refused
from so_lakehouse.dumps.row_group import RowGroup
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import Table, Type
from so_lakehouse.schema_forms import QUARANTINE_SCHEMA

# Text with few different values; every other text is different in nearly every row, and a dictionary of it only costs.
_REPEATED_TEXT = frozenset({"ContentLicense", "Name", "Tags"})
_DELTA = (Type.BIGINT, Type.TIMESTAMP, Type.INTEGER)  # neighbours differ little: keys and dates nearly rise

_REFUSED_BYTES_AT_ONCE = 8 << 20
_REFUSED_ROWS_AT_ONCE = 1 << 14  # a short row costs more around its bytes than in them


def writer_options(table: Table) -> dict[str, Any]:
    """Arguments of pyarrow's ParquetWriter for a bronze table.

    zstd at its fastest regular level; statistics on all but free text, whose smallest and largest values help nobody.
    """
    text = {column.name for column in table.columns if column.type in (Type.TEXT, Type.TAGS)}
    dictionary = [
        column.name for column in table.columns if column.type is Type.SMALLINT or column.name in _REPEATED_TEXT
    ]
    delta = {column.name: "DELTA_BINARY_PACKED" for column in table.columns if column.type in _DELTA}
    return {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": dictionary,
        "column_encoding": delta | {"_offset": "DELTA_BINARY_PACKED"},
        "write_statistics": [column.name for column in table.columns if column.name not in text] + ["_offset"],
        "write_page_checksum": False,
    }


# Bytes of refused rows never repeat and may be long: a dictionary and statistics would each hold them once more.
_QUARANTINE_OPTIONS: dict[str, Any] = {
    "compression": "zstd",
    "use_dictionary": ["reason"],
    "write_statistics": ["byte_offset", "reason", "id"],
}


class _Part:
    """One Parquet file and the thread that writes it."""

    def __init__(self, lake: Lake, path: str, schema: pa.Schema, options: dict[str, Any]) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="parquet")
        self._writer = pq.ParquetWriter(lake.path(path), schema, filesystem=lake.fs, **options)

    def put(self, group: RowGroup) -> Future[None]:
        return self._thread.submit(self._write, group)

    def _write(self, group: RowGroup) -> None:
        self._writer.write_batch(group.batch(), row_group_size=group.rows)

    def close(self) -> None:
        """Waits for what is being written and ends the file."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._writer.close()


class TableWriter:
    """Writes row groups into files of a folder while the next row group is filled.

    `empty` gives a row group to fill and `put` writes a filled one; `close` waits for all, or `drop` gives up. With
    several `threads`, row groups go to as many files in turn.
    """

    def __init__(self, lake: Lake, folder: str, table: Table, threads: int = 1) -> None:
        self._lake, self._folder, self._threads = lake, folder, threads
        self._options = writer_options(table)
        self._groups = deque(RowGroup(table) for _ in range(threads + 1))
        self._pending: deque[Future[None]] = deque()
        self._parts: list[_Part] = []
        self._put = 0
        self._part(0)  # an empty table is a file without rows

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of the files in the lake."""
        return tuple(part.path for part in self._parts)

    def empty(self) -> RowGroup:
        """A row group without rows; waits until one is free. Raises what went wrong in writing."""
        if len(self._pending) == len(self._groups):
            self._pending.popleft().result()
        self._groups.rotate(-1)
        group = self._groups[-1]
        group.clear()
        return group

    def put(self, group: RowGroup) -> None:
        self._pending.append(self._part(self._put % self._threads).put(group))
        self._put += 1

    def _part(self, number: int) -> _Part:
        if number == len(self._parts):
            path = f"{self._folder}/part-{number}.parquet"
            self._parts.append(_Part(self._lake, path, self._groups[0].schema, self._options))
        return self._parts[number]

    def close(self) -> None:
        """Waits until all is written. Raises what went wrong in writing."""
        for pending in self._pending:
            pending.result()
        for part in self._parts:
            part.close()

    def drop(self) -> None:
        """Lets go of the files after an error; whoever had the error deletes them."""
        for part in self._parts:
            with suppress(OSError, pa.ArrowException):
                part.close()


def _binary(values: list[bytes]) -> pa.Array:
    """The values as an array; a single one is not copied."""
    if len(values) > 1:
        return pa.array(values, pa.binary())
    offsets = pa.array([0, len(values[0])], pa.int32()).buffers()[1]
    return pa.Array.from_buffers(pa.binary(), 1, [None, offsets, pa.py_buffer(values[0])])


class QuarantineWriter:
    """Collects refused rows and writes them, if there are any, to one file."""

    def __init__(self, lake: Lake, path: str) -> None:
        self._lake, self._path = lake, path
        self._rows: list[Refused] = []
        self._bytes = 0
        self._writer: pq.ParquetWriter | None = None

    def put(self, row: Refused) -> None:
        if len(row.raw) >= _REFUSED_BYTES_AT_ONCE and self._rows:
            self._flush()  # a long row goes alone: then it need not be copied
        self._rows.append(row)
        self._bytes += len(row.raw)
        if self._bytes >= _REFUSED_BYTES_AT_ONCE or len(self._rows) >= _REFUSED_ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            target = self._lake.path(self._path)
            self._writer = pq.ParquetWriter(target, QUARANTINE_SCHEMA, filesystem=self._lake.fs, **_QUARANTINE_OPTIONS)
        columns = zip(*((row.offset, row.reason, row.detail, row.key) for row in self._rows), strict=True)
        fields = list(QUARANTINE_SCHEMA)[:-1]
        arrays = [pa.array(values, field.type) for values, field in zip(columns, fields, strict=True)]
        raw = _binary([row.raw for row in self._rows])
        self._writer.write_batch(pa.RecordBatch.from_arrays([*arrays, raw], schema=QUARANTINE_SCHEMA))
        self._rows, self._bytes = [], 0

    def close(self) -> str:
        """Path of the file in the lake; empty where no row was refused."""
        if self._rows:
            self._flush()
        if self._writer is None:
            return ""
        self._writer.close()
        return self._path

    def drop(self) -> None:
        """Lets go of the file after an error; whoever had the error deletes it."""
        if self._writer is not None:
            with suppress(OSError, pa.ArrowException):
                self._writer.close()
