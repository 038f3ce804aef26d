"""Loading the definitions: what `dagster dev`, every run's process and the command line wait for

In an empty environment: no lakehouse, no variables, no network needed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from benchmarks.options import Options, timed

ALL = "from so_lakehouse.definitions import defs; defs.resolve_asset_graph()"
LIBRARIES = "import gc; gc.disable(); import dagster_pyspark, so_lakehouse.defs.dbt_library; gc.freeze()"


def run(options: Options) -> Iterator[str]:
    """Wall seconds of a new process, in turn with one that only imports what the definitions are made of."""
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.environ["PATH"], "HOME": home, "LAKEHOUSE_HOME": f"{home}/none"}

        def process(code: str) -> float:
            return timed(lambda: subprocess.run([sys.executable, "-c", code], env=environment, check=True))

        every, libraries = options.interleaved(lambda: process(ALL), lambda: process(LIBRARIES))
    yield "| process | seconds |"
    yield "|---|---|"
    yield f"| all definitions | {every:.2f} |"
    yield f"| of that, importing Dagster and its dbt and Spark libraries | {libraries:.2f} |"
