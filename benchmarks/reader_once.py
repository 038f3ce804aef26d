"""Reads one archive in a process of its own, told by arguments, and prints what it took as JSON.

Not a benchmark itself: `reader.py` starts it, so that memory and processor time are those of one reading.
Arguments: archive, folder for the lake, threads of 7zz (0: its choice), tables.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path

from so_lakehouse.dumps.bronze import read_dump
from so_lakehouse.dumps.row_group import RowGroup
from so_lakehouse.dumps.table_reader import TableReader
from so_lakehouse.lake.manifests import Archive, RawManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.settings import Settings


def dump_of(lake: Lake, archive: Path) -> RawManifest:
    """A landed dump that is this archive; a link stands for the copy that landing would make."""
    digest = hashlib.sha256(str(archive).encode()).hexdigest()
    relative = f"raw/{digest[:8]}/{archive.name}"
    target = Path(lake.path(relative))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    target.symlink_to(archive)
    entry = Archive(archive.name, relative, archive.stat().st_size, digest, archive.as_uri())
    return RawManifest("benchmark", digest[:8], "r", 1, "2016-09-30", (entry,), "benchmark", "", "")


def read_one_row_of_each_table() -> None:
    """Loads the kernel: what that takes is told by `reader_start.py`, and is not part of a reading."""
    for table in TABLES.values():
        content = f"<{table.root}><row Id='1' New='x' /></{table.root}>".encode()
        reader = TableReader(io.BytesIO(content).readinto, table, "start", print)
        assert [group.rows for group in reader.row_groups(functools.partial(RowGroup, table))] == [1]


def main() -> None:
    archive, home, threads, *tables = sys.argv[1:]
    read_one_row_of_each_table()
    settings = Settings(home=Path(home), unpack_threads=int(threads))
    lake = Lake.of(settings)
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    manifests = read_dump(lake, dump_of(lake, Path(archive)), tables, settings)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    taken = {
        "seconds": seconds,
        "own_cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mib": after.ru_maxrss / 1024,
        "unpacked": sum(manifest.bytes_unpacked for manifest in manifests.values()),
        "rows": sum(manifest.rows for manifest in manifests.values()),
        "parquet": sum(lake.size(path) for manifest in manifests.values() for path in manifest.files),
        "files": [lake.path(path) for manifest in manifests.values() for path in manifest.files],
    }
    assert all(asdict(manifest)["quarantined"] == 0 for manifest in manifests.values())
    print(json.dumps(taken))


if __name__ == "__main__":
    main()
