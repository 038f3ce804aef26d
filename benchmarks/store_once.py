"""Lands one archive in the lake of the settings and reads it into bronze; prints what it took as JSON.

Not a benchmark itself: `store.py` starts it, so that memory is that of one process. Arguments: archive, tables.
"""

from __future__ import annotations

import json
import resource
import shutil
import sys
import time
from pathlib import Path

from benchmarks.reader_once import read_one_row_of_each_table
from so_lakehouse.dumps.bronze import read_dump
from so_lakehouse.lake.manifests import Archive, RawManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings

QUARTER, SITE = "2016-07-01", "benchmark"


def main() -> None:
    archive, *tables = sys.argv[1:]
    read_one_row_of_each_table()
    settings = Settings.from_environment()
    lake, path = Lake.of(settings), Path(archive)
    lake.delete("raw")
    lake.delete("bronze")
    arrived = settings.landing_folder / path.name  # as a download leaves it
    arrived.parent.mkdir(parents=True)
    shutil.copyfile(path, arrived)
    began = time.perf_counter()
    relative = f"raw/dump/{path.name}"
    lake.adopt(arrived, relative)
    landed = time.perf_counter()
    entry = Archive(path.name, relative, path.stat().st_size, lake.sha256(relative), path.as_uri())
    raw = RawManifest(SITE, QUARTER, "r", 1, "2016-09-30", (entry,), "benchmark", "", "")
    checked = time.perf_counter()
    manifests = read_dump(lake, raw, tables, settings)
    ended = time.perf_counter()
    taken = {
        "landing": landed - began,
        "reading": ended - checked,
        "seconds": landed - began + ended - checked,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "unpacked": sum(manifest.bytes_unpacked for manifest in manifests.values()),
    }
    print(json.dumps(taken))


if __name__ == "__main__":
    main()
