"""The dump reader's start: the first reading after installing, and every later one

A copy of the package in a new folder stands for a fresh installation: nothing is compiled yet.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.options import Options, timed
from so_lakehouse.settings import PROJECT_ROOT

READ = "from benchmarks.reader_once import read_one_row_of_each_table; read_one_row_of_each_table()"


def read_in(folder: Path, code: str = READ) -> float:
    """Seconds of a new process that reads one row of every table."""
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    return timed(lambda: subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True))


def run(options: Options) -> Iterator[str]:
    """Seconds from process start to the first row of each table: cold, warm, and Python with its libraries alone."""
    folder = options.folder / "installed"
    cold = []
    for _ in range(min(options.repeats, 3)):
        shutil.rmtree(folder, ignore_errors=True)
        for package in ("so_lakehouse", "benchmarks"):
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(PROJECT_ROOT / package, folder / package, ignore=ignore)
        cold.append(read_in(folder))
    warm, bare = options.interleaved(lambda: read_in(folder), lambda: read_in(folder, "import numba, pyarrow.parquet"))
    yield "| start | seconds |"
    yield "|---|---|"
    yield f"| cold: the kernel is compiled | {sorted(cold)[len(cold) // 2]:.1f} |"
    yield f"| warm: it comes from its cache | {warm:.2f} |"
    yield f"| of that, starting Python and importing numba and Arrow | {bare:.2f} |"
