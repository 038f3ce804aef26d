"""How the live files of a silver table lie, read from Delta's log without a JVM, and whether that is worth mending.

Belongs here: the facts and the rules by which maintenance decides. Not here: mending (`spark/maintenance.py`).

A merge of few keys reads every file whose range of keys holds one of them. In files ordered by key that is one file;
each file of later changes, whose keys lie anywhere, is one more.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from so_lakehouse.lake import ledger, paths
from so_lakehouse.lake.storage import Lake

# A file that a merge must read although only a few of its keys are wanted should not be Delta's usual gigabyte.
FILE_BYTES = 128 * 2**20
# Ordering rewrites the whole site, so it waits until that much of it lies out of order.
LOOSE_SHARE = 0.1


@dataclass(frozen=True)
class DataFile:
    """One live file. `path` is relative to the lake; `lowest` and `highest` are keys, None in tables without `Id`."""

    path: str
    bytes: int
    rows: int = 0  # dead ones included
    lowest: int | None = None
    highest: int | None = None
    dead_rows: int = 0  # deleted, but still among the file's bytes: a deletion vector hides them


def live_files(lake: Lake, table: str, site: str) -> list[DataFile]:
    """The files of one site in a table's newest version; empty where there is no table."""
    delta = ledger.open_delta(lake, table)
    if delta is None:
        return []
    adds = pa.table(delta.get_add_actions(flatten=True))
    named = [name for name in ("path", "size_bytes", "num_records", "min.Id", "max.Id") if name in adds.column_names]
    dead = _dead_rows(delta.deletion_vectors())
    return [
        DataFile(
            path=f"{paths.silver(table)}/{add['path']}",
            bytes=add["size_bytes"],
            rows=add["num_records"] or 0,
            lowest=add.get("min.Id"),
            highest=add.get("max.Id"),
            dead_rows=dead.get(name_of(add["path"]), 0),
        )
        for add in adds.filter(pc.field("partition.site") == site).select(named).to_pylist()
    ]


def name_of(path: str) -> str:
    """A file's name, which no other file of its table has; folders are spelled differently by different readers."""
    return path.rpartition("/")[2]


def _dead_rows(vectors: pa.RecordBatchReader) -> dict[str, int]:
    """Deleted rows by file name; a selection vector says of each row whether it is alive."""
    return {
        name_of(path.as_py()): pc.sum(pc.invert(alive.values)).as_py() or 0
        for batch in pa.RecordBatchReader.from_stream(vectors)
        for path, alive in zip(batch["filepath"], batch["selection_vector"], strict=True)
    }


def is_out_of_order(files: Collection[DataFile]) -> bool:
    """Whether so much of these files overlaps in keys that ordering all of them anew is worth it."""
    return loose_bytes(files) > LOOSE_SHARE * sum(file.bytes for file in files)


def loose_bytes(files: Collection[DataFile]) -> int:
    """Bytes outside the heaviest row of files that follow each other without sharing a key."""
    ranges = sorted((f.highest, f.lowest, f.bytes) for f in files if f.highest is not None and f.lowest is not None)
    ends = [highest for highest, _, _ in ranges]
    heaviest = [0]  # of the first n files: the bytes of the heaviest row of them
    for _, lowest, size in ranges:
        before = bisect_left(ends, lowest)  # this many files end before this one begins
        heaviest.append(max(heaviest[-1], heaviest[before] + size))
    return sum(size for _, _, size in ranges) - heaviest[-1]


def small_files(files: Sequence[DataFile]) -> list[DataFile]:
    """Files that are worth joining: at least two of them, each under half of what a file should have."""
    small = [file for file in files if file.bytes < FILE_BYTES // 2]
    return small if len(small) > 1 else []
