"""Reads the streams of a plan, side by side, into Parquet and quarantine files.

Belongs here: threads, and what happens to the others when one fails. Does not belong here: what is published
(`bronze.py`).
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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

# Row groups in memory: a table being read holds one more than it has writers, each up to 45 MiB, and the table before
# it may still be writing its own. Six for those that are being read, and eight in all, keep all under 600 MiB.
MAX_STREAMS = 3
_ROW_GROUPS = 6
_ROW_GROUPS_IN_ALL = 8
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


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_streams(
    lake: Lake, plan: ReadingPlan, folders: Mapping[str, str], threads: int, progress: Progress
) -> dict[str, TableRead]:
    """Reads every member into `folders[table]`; returns what became of each table.

    The first error ends all streams and is raised. `threads` is 7zz's (0: its own choice).
    """
    if not plan.streams:
        return {}
    cores = usable_cores()
    side_by_side = min(len(plan.streams), MAX_STREAMS, cores)
    writers = max(1, min(_ROW_GROUPS // side_by_side - 1, cores // (2 * side_by_side)))
    overlaps = 2 * side_by_side * (writers + 1) <= _ROW_GROUPS_IN_ALL
    reading = _Reading(lake, plan.size, folders, threads, writers, overlaps, progress)
    with ThreadPoolExecutor(side_by_side, thread_name_prefix="dump") as pool:
        futures = [pool.submit(reading.stream, stream) for stream in plan.streams]
        try:
            errors = [error for future in futures if (error := future.exception()) is not None]
        except BaseException:  # interrupted while waiting
            reading.interrupt()
            raise
    for error in errors:
        if not isinstance(error, Stopped):
            raise error
    return reading.done


class _Reading:
    """What the streams of one dump share: counters, and the sign to stop."""

    def __init__(
        self,
        lake: Lake,
        total: int,
        folders: Mapping[str, str],
        threads: int,
        writers: int,
        overlaps: bool,
        progress: Progress,
    ) -> None:
        self.lake, self.total, self.folders, self.progress = lake, total, folders, progress
        self.threads, self.writers, self.overlaps = threads, writers, overlaps
        self.done: dict[str, TableRead] = {}
        self._unpacked = self._told = 0
        self._lock = threading.Lock()
        self._running: set[Unpacking] = set()
        self._stop = threading.Event()

    def stop(self) -> None:
        """Makes every stream end at its next read."""
        self._stop.set()

    def interrupt(self) -> None:
        """Makes every stream end now, even one that waits for 7zz or only verifies its archive."""
        self.stop()
        with self._lock:
            for process in self._running:
                process.kill()

    @contextmanager
    def _unpacking(self, stream: Stream) -> Iterator[Unpacking]:
        """A process that `interrupt` can reach as long as it lives."""
        with unpacking(stream.path, stream.members, stream.where, self.threads) as process:
            with self._lock:
                self._running.add(process)
            try:
                yield process
            finally:
                with self._lock:
                    self._running.remove(process)

    def stream(self, stream: Stream) -> None:
        """Reads the members of one stream; where they overlap, a table is being written while the next one is read."""
        writing: deque[_Member] = deque()
        try:
            with self._unpacking(stream) as process:
                for member in stream.members:
                    writing.append(_Member(self, member, stream.where))
                    writing[-1].read(process)
                    if len(writing) > self.overlaps:
                        writing.popleft().close()
                process.finish()
            while writing:
                writing.popleft().close()
        except BaseException:
            self.stop()
            for member_reading in writing:
                member_reading.drop()
            raise

    def counted(self, process: Unpacking, name: str) -> ReadInto:
        """Reads from the process, tells the progress, and ends where another stream failed."""

        def read(target: memoryview) -> int:
            if self._stop.is_set():
                raise Stopped(name)
            count = process.readinto(target)
            with self._lock:
                self._unpacked += count
                if self._unpacked - self._told >= _TOLD_EVERY or not process.left:
                    self._told = self._unpacked
                    self.progress(f"reading {name}", self._unpacked, self.total)
            return count

        return read


class _Member:
    """One member on its way into the files of its table."""

    def __init__(self, reading: _Reading, member: Member, where: str) -> None:
        assert member.table is not None
        self._reading, self._member, self._where = reading, member, where
        self._table = table_of(member.table)
        self._began = time.monotonic()
        folder = reading.folders[self._table.name]
        reading.lake.make_folder(folder)
        self._quarantine = QuarantineWriter(reading.lake, f"{folder}/quarantine.parquet")
        self._writer = TableWriter(reading.lake, folder, self._table, reading.writers)
        self._tally = Tally()

    def read(self, process: Unpacking) -> None:
        """Reads it to its end; the last row groups may still be being written."""
        process.begin(self._member)
        name = self._member.name
        source = self._reading.counted(process, name)
        try:
            reader = TableReader(source, self._table, f"{self._where} > {name}", self._quarantine.put)
            for group in reader.row_groups(self._writer.empty):
                self._writer.put(group)
        except BadInput:
            self._reading.stop()
            self._reading.progress(f"{name} cannot be read; checking whether the archive is whole", 0, None)
            process.verify()  # a damaged archive gives damaged XML: say the cause, not the consequence
            raise
        self._tally = reader.tally

    def close(self) -> None:
        """Waits until it is written, and notes what became of it."""
        try:
            self._writer.close()
            quarantine_file = self._quarantine.close()
        except BaseException:
            self.drop()
            raise
        seconds = time.monotonic() - self._began
        read = TableRead(self._tally, self._writer.files, quarantine_file, self._member.size, seconds)
        self._reading.done[self._table.name] = read

    def drop(self) -> None:
        """Lets go of its files after an error."""
        self._writer.drop()
        self._quarantine.drop()
