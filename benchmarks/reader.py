"""The dump reader: archive to bronze Parquet, against 7-Zip alone

Each reading is a process of its own, in turn with plain `7zz x -so > /dev/null` of the same archive.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.options import Options, timed
from benchmarks.reader_inputs import REAL_DUMPS, SHARES, archive, xml_file
from so_lakehouse.dumps.archive import inventory, program
from so_lakehouse.settings import Settings

# The dictionary is smaller than what is repeated: else 7-Zip would find the repetitions and be done too soon.
CHUNKED = ("-m0=LZMA2:d=1m:c=16m", "-mx=3")
SOLID = ("-m0=BZip2", "-mx=5", "-ms=64g")
STREAMS = ("-m0=LZMA2:d=1m:c=4g", "-mx=3", "-ms=off", "-mmt=2")


@dataclass(frozen=True)
class Case:
    """One archive and how it is unpacked; `target` is the ratio to reach."""

    title: str
    tables: tuple[str, ...]
    packing: tuple[str, ...]
    threads: int
    target: float


CASES = (
    Case("one table, BZip2, 7zz on one core", ("posts",), ("-m0=BZip2", "-mx=5"), 1, 1.08),
    Case("one table, BZip2, 7zz on all cores", ("posts",), ("-m0=BZip2", "-mx=5"), 0, 1.2),
    Case("one table, LZMA2 in chunks, 7zz on all cores", ("posts",), CHUNKED, 0, 1.5),
    Case("five tables, an LZMA2 stream each", tuple(SHARES), STREAMS, 0, 0.95),
    Case("five tables in one BZip2 block", tuple(SHARES), SOLID, 0, 1.2),
)


def read_once(path: Path, home: Path, threads: int, tables: tuple[str, ...]) -> dict[str, Any]:
    """One reading in a process of its own; see `reader_once.py`."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    command = [sys.executable, "-m", "benchmarks.reader_once", str(path), str(home), str(threads), *tables]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def unpack_only(path: Path, threads: int) -> float:
    """Seconds of 7-Zip alone."""
    limit = [f"-mmt={threads}"] if threads else []
    return timed(
        lambda: subprocess.run([program(), "x", "-so", *limit, "--", str(path)], stdout=subprocess.DEVNULL, check=True)
    )


def measure(case: Case, path: Path, options: Options) -> tuple[float, list[dict[str, Any]]]:
    """(median seconds of 7-Zip alone, all readings), taken in turn."""
    readings: list[dict[str, Any]] = []

    def read() -> float:
        readings.append(read_once(path, options.folder / "home", case.threads, case.tables))
        return readings[-1]["seconds"]

    alone, _ = options.interleaved(lambda: unpack_only(path, case.threads), read)
    return alone, readings


def of(readings: list[dict[str, Any]], what: str) -> float:
    return statistics.median(reading[what] for reading in readings)


def archive_of(case: Case, options: Options) -> Path:
    shares = SHARES if len(case.tables) > 1 else {"posts": 1.0}
    files = [xml_file(options, table, options.megabytes * shares[table]) for table in case.tables]
    name = "-".join(
        [case.tables[0] if len(files) == 1 else "all", *(part.strip("-").replace("=", "") for part in case.packing)]
    )
    return archive(options, name.replace(":", "-"), files, *case.packing)


def run(options: Options) -> Iterator[str]:
    """Ratios to 7-Zip alone, processor time for each MB of XML, memory at three sizes."""
    if not REAL_DUMPS.is_dir():
        yield f"Left out: the inputs are made from real dumps, and there are none at {REAL_DUMPS.name}."
        return
    read_once(archive(options, "warm", [xml_file(options, "tags", 0.01)]), options.folder / "home", 0, ("tags",))
    yield "| archive | XML | 7zz alone | read into bronze | ratio | to reach | own CPU | Parquet | peak memory |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for case in CASES:
        path = archive_of(case, options)
        if case.packing == SOLID:
            assert len({member.block for member in inventory(path, case.title, Settings()).members}) == 1
        alone, readings = measure(case, path, options)
        xml = readings[0]["unpacked"] / 1e6
        seconds = of(readings, "seconds")
        yield (
            f"| {case.title} | {xml:,.0f} MB | {alone:.2f} s | {seconds:.2f} s | {seconds / alone:.2f} | {case.target} "
            f"| {of(readings, 'own_cpu') / xml * 1000:.2f} ms/MB | {of(readings, 'parquet') / 1e6:,.0f} MB "
            f"| {max(reading['peak_mib'] for reading in readings):,.0f} MiB |"
        )
    yield ""
    yield "Own CPU is pipe, kernel and Parquet together, without 7zz. Peak memory is the reading process, without 7zz."
    yield ""
    yield "| XML of one table | peak memory |"
    yield "|---|---|"
    for share in (0.25, 0.5, 1.0):
        size = options.megabytes * share
        path = archive(options, f"memory-{size:.0f}", [xml_file(options, "posts", size)], "-m0=Copy")
        yield f"| {size:,.0f} MB | {read_once(path, options.folder / 'home', 0, ('posts',))['peak_mib']:,.0f} MiB |"
