"""The kernel under bounds checks: no load and no store outside its arrays, on whatever bytes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from so_lakehouse.settings import PROJECT_ROOT

CASES = """
import numpy as np
from so_lakehouse.dumps.kernel import bytes as vectors
from so_lakehouse_tests.reader_cases import check_damaged, check_legal

try:
    vectors.equal(np.zeros(40, np.uint8), 9, 0)
except IndexError:
    pass
else:
    raise SystemExit("the bounds checks are off")
for seed in range({start}, {start} + 25):
    check_legal(seed)
outcomes = {{check_damaged(seed) for seed in range({start}, {start} + 250)}}
print("checked", len(outcomes))
"""


@pytest.mark.parametrize("start", [0, 50_000])
def test_no_load_or_store_leaves_its_array(start: int) -> None:
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1"}
    command = [sys.executable, "-c", CASES.format(start=start)]
    # From the project's root: dbt, run in this process by another test, moves the working directory to its own project.
    done = subprocess.run(
        command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert (done.returncode, done.stdout) == (0, "checked 3\n"), done.stderr[-3000:]
