"""The dump reader: processor time, against its prototype

What counts where 7-Zip keeps all cores busy is the processor time that reading adds: pipe, kernel and Parquet.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.options import Options
from benchmarks.reader import CASES, CHUNKED, archive_of, read_once
from benchmarks.reader_inputs import REAL_DUMPS
from so_lakehouse.dumps.archive import program
from so_lakehouse.settings import PROJECT_ROOT

PROTOTYPE = PROJECT_ROOT.parent / "shared" / "prototypes" / "dump_kernel.py"
CHUNKED_POSTS = next(case for case in CASES if case.packing == CHUNKED)
RUN = """
import json, resource, runpy, subprocess, sys
prototype, program, archive = sys.argv[1:]
kernel = runpy.run_path(prototype)
kernel["block"](b'  <row Id="1" />\\r\\n')
before = resource.getrusage(resource.RUSAGE_SELF)
with subprocess.Popen([program, "x", "-so", "--", archive], stdout=subprocess.PIPE) as process:
    bytes_read, *_ = kernel["run"](process.stdout)
after = resource.getrusage(resource.RUSAGE_SELF)
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps({"cpu": cpu, "bytes": bytes_read, "peak_mib": after.ru_maxrss / 1024}))
"""


def prototype_once(path: Path) -> dict[str, float]:
    """One reading by the prototype, in a process of its own."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-c", RUN, str(PROTOTYPE), program(), str(path)]
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}  # the prototype's own folder is not ours to write to
        done = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def run(options: Options) -> Iterator[str]:
    """Own CPU for each MB of XML and peak memory of both, in turn on one archive."""
    if not (REAL_DUMPS.is_dir() and PROTOTYPE.is_file()):
        yield "Left out: it needs the real dumps and the prototype, which are not part of the project."
        return
    path = archive_of(CHUNKED_POSTS, options)
    home = options.folder / "home"
    theirs, ours = [], []
    for _ in range(options.repeats):
        theirs.append(prototype_once(path))
        ours.append(read_once(path, home, 0, CHUNKED_POSTS.tables))
    xml = ours[0]["unpacked"] / 1e6
    before = statistics.median(taken["cpu"] for taken in theirs) / xml * 1000
    now = statistics.median(taken["own_cpu"] for taken in ours) / xml * 1000
    yield f"| {xml:,.0f} MB of posts | own CPU | peak memory |"
    yield "|---|---|---|"
    peak = max(taken["peak_mib"] for taken in theirs)
    yield f"| prototype (trusts every byte, no quarantine, 20 of 24 columns) | {before:.2f} ms/MB | {peak:,.0f} MiB |"
    yield f"| this reader | {now:.2f} ms/MB | {max(taken['peak_mib'] for taken in ours):,.0f} MiB |"
    yield ""
    yield f"That is {1 - now / before:.0%} less."
