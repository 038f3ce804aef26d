"""Reads the streams of a plan, side by side, into Parquet and quarantine files.

Belongs here: threads, and what happens to the others when one fails. Does not belong here: what is published
(`bronze.py`).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from so_lakehouse.dumps.archive import Member
from so_lakehouse.dumps.encoding import ReadInto
from so_lakehouse.dumps.parquet import QuarantineWriter, TableWriter
from so_lakehouse.dumps.plan import ReadingPlan, Stream
from so_lakehouse.dumps.table_reader import TableReader
from so_lakehouse.dumps.tally import Tally
from so_lakehouse.dumps.unpack import Unpacking, unpacking
from so_lakehouse.errors import BadInput
from so_lakehouse.lake.storage import Lake
from so_lakehouse.progress import Progress
from so_lakehouse.schema import table as table_of

# Row groups in memory: a stream holds one more than it has writers, each up to 60 MiB. Six keep all under 600 MiB.
MAX_STREAMS = 3
_ROW_GROUPS = 6
_TOLD_EVERY = 4 << 20  # bytes between two calls of `progress`


@dataclass(frozen=True)
class TableRead:
    """What became of one member."""

    tally: Tally
    files: tuple[str, ...]
    quarantine_file: str
    size: int
    seconds: float


class Stopped(Exception):
    """This stream ends because another one failed."""


def read_streams(
    lake: Lake, plan: ReadingPlan, folders: Mapping[str, str], threads: int, progress: Progress
) -> dict[str, TableRead]:
    """Reads every member into `folders[table]`; returns what became of each table.

    The first error ends all streams and is raised. `threads` is 7zz's (0: its own choice).
    """
    if not plan.streams:
        return {}
    cores = len(os.sched_getaffinity(0))
    side_by_side = min(len(plan.streams), MAX_STREAMS, cores)
    writers = max(1, min(_ROW_GROUPS // side_by_side - 1, cores // (2 * side_by_side)))
    reading = _Reading(lake, plan.size, folders, threads, writers, progress)
    with ThreadPoolExecutor(side_by_side, thread_name_prefix="dump") as pool:
        futures = [pool.submit(reading.stream, stream) for stream in plan.streams]
        try:
            errors = [error for future in futures if (error := future.exception()) is not None]
        except BaseException:  # interrupted while waiting
            reading.stop()
            raise
    for error in errors:
        if not isinstance(error, Stopped):
            raise error
    return reading.done


class _Reading:
    """What the streams of one dump share: counters, and the sign to stop."""

    def __init__(
        self, lake: Lake, total: int, folders: Mapping[str, str], threads: int, writers: int, progress: Progress
    ) -> None:
        self.lake, self.total, self.folders, self.progress = lake, total, folders, progress
        self.threads, self.writers = threads, writers
        self.done: dict[str, TableRead] = {}
        self._unpacked = self._told = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def stop(self) -> None:
        """Makes every stream end at its next read."""
        self._stop.set()

    def stream(self, stream: Stream) -> None:
        try:
            with unpacking(stream.path, stream.members, stream.where, self.threads) as process:
                for member in stream.members:
                    self._member(process, member, stream.where)
                process.finish()
        except BaseException:
            self.stop()
            raise

    def _member(self, process: Unpacking, member: Member, where: str) -> None:
        assert member.table is not None
        table, began = table_of(member.table), time.monotonic()
        folder = self.folders[table.name]
        self.lake.make_folder(folder)
        process.begin(member)
        quarantine = QuarantineWriter(self.lake, f"{folder}/quarantine.parquet")
        try:
            with TableWriter(self.lake, folder, table, self.writers) as writer:
                reader = TableReader(self._counted(process, member), table, f"{where} > {member.name}", quarantine.put)
                for group in reader.row_groups(writer.empty):
                    writer.put(group)
            quarantine_file = quarantine.close()
        except BaseException as error:
            quarantine.drop()
            if isinstance(error, BadInput):
                process.verify()  # a damaged archive gives damaged XML: say the cause, not the consequence
            raise
        seconds = time.monotonic() - began
        self.done[table.name] = TableRead(reader.tally, writer.files, quarantine_file, member.size, seconds)

    def _counted(self, process: Unpacking, member: Member) -> ReadInto:
        def read(target: memoryview) -> int:
            if self._stop.is_set():
                raise Stopped(member.name)
            count = process.readinto(target)
            with self._lock:
                self._unpacked += count
                if self._unpacked - self._told >= _TOLD_EVERY or not process.left:
                    self._told = self._unpacked
                    self.progress(f"reading {member.name}", self._unpacked, self.total)
            return count

        return read
