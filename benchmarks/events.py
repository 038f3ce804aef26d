"""What Dagster records of a run: Dagster's own storage in files, and ours on top of it

A run of 60 assets with three checks each does nothing but tell of them; either storage in a folder of its own.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from benchmarks.options import Options
from so_lakehouse.instance import open_instance
from so_lakehouse.settings import Settings

ASSETS, CHECKS = 60, 3


@dg.multi_asset(
    specs=[dg.AssetSpec(f"asset{number}") for number in range(ASSETS)],
    check_specs=[
        dg.AssetCheckSpec(f"check{n}", asset=f"asset{number}") for number in range(ASSETS) for n in range(CHECKS)
    ],
)
def told() -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    for number in range(ASSETS):
        key = f"asset{number}"
        yield dg.MaterializeResult(key, metadata={"rows": number})
        for n in range(CHECKS):
            yield dg.AssetCheckResult(asset_key=key, check_name=f"check{n}", passed=True)


def run(options: Options) -> Iterator[str]:
    """Seconds of CPU of one run, in turn; the disk's waits are left out, as they differ most."""
    with tempfile.TemporaryDirectory() as folder:
        dagsters, ours = Path(folder, "dagster"), Settings(home=Path(folder, "ours"))
        dagsters.mkdir()
        (dagsters / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        os.environ["DAGSTER_HOME"] = str(dagsters)
        with dg.DagsterInstance.get() as theirs, open_instance(ours) as instance:
            before, now = options.interleaved(lambda: _cpu(theirs), lambda: _cpu(instance))
            events = len(instance.all_logs(instance.get_runs(limit=1)[0].run_id))
    yield "| storage | s of CPU | |"
    yield "|---|---|---|"
    yield f"| Dagster's, {events} events | {before:.1f} | |"
    yield f"| ours | {now:.1f} | {now / before:.2f} times |"


def _cpu(instance: dg.DagsterInstance) -> float:
    began = time.process_time()
    dg.materialize([told], instance=instance)
    return time.process_time() - began
