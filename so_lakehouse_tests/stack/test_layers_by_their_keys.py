"""A site's whole way in an object store, where each layer has a key of its own and nobody has another: a dump, a day of
the API, and the next dump, which is reconciled with what was known before.

What a key may do is the same on the other maker's server (test_s3_keys.py), and dumps go their way there by these keys
too (test_beer_in_s3.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.partitions import site_day_key, site_quarter_key
from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.simulate.api_server import running
from so_lakehouse.simulate.dumps import write_mirror
from so_lakehouse.simulate.served import SimulationServer, morning_after
from so_lakehouse.simulate.simulation import Simulation
from so_lakehouse.stack import environment
from so_lakehouse.stack import object_store as servers
from so_lakehouse.warehouse.query import query_warehouse
from so_lakehouse_tests.pipeline.command_line import environment as nothing_but
from so_lakehouse_tests.stack.conftest import Stack
from so_lakehouse_tests.stack.object_store import empty

SITE = "simulated-brewing"
BEFORE, NEXT = "2025-07-01", "2025-10-01"
DAY = date(2025, 10, 1)  # the first after the cut of the one before
LAYERS = [
    *(("raw", site_quarter_key(SITE, BEFORE)), ("bronze", site_quarter_key(SITE, BEFORE)), ("silver", SITE)),
    *(("raw api", site_day_key(SITE, f"{DAY}")), ("bronze api", site_day_key(SITE, f"{DAY}")), ("silver", SITE)),
    *(("raw", site_quarter_key(SITE, NEXT)), ("bronze", site_quarter_key(SITE, NEXT)), ("reconciliation", SITE)),
    *(("silver", SITE), ("warehouse", SITE)),
]


@pytest.fixture
def lake(object_store) -> Lake:
    """That for which the keys are made, as its administrator reaches it."""
    lake = Lake(environment.LAKE, object_store.store())
    empty(lake)
    return lake


@pytest.mark.parametrize("s3", [servers.VERSITYGW], indirect=True)
def test_every_layer_is_made_with_its_own_key(s3: Stack, lake: Lake, warehouse: Settings, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    write_mirror(mirror, [SITE], [BEFORE, NEXT], people=100, launch=date(2025, 1, 1))
    of_the_stack = environment.variables(s3.settings, s3.secrets)
    keys = {name: value for name, value in of_the_stack.items() if name.startswith("LAKEHOUSE_S3_")}
    with running(SimulationServer(Simulation.load(mirror), morning_after(DAY))) as api:
        variables = nothing_but(warehouse.home) | keys | api.settings
        variables |= {
            "LAKEHOUSE_LAKE": environment.LAKE,
            "LAKEHOUSE_POSTGRES": warehouse.postgres,
            "LAKEHOUSE_MIRROR": str(mirror),
            "LAKEHOUSE_API_START": f"{DAY}",
            "PYTHONPATH": str(PROJECT_ROOT),
            # The key of what goes across layers is nobody's: no layer may need it.
            "LAKEHOUSE_S3_ACCESS_KEY": "nobody",
            "LAKEHOUSE_S3_SECRET_KEY": "nobodys-secret",
        }
        told = made(variables, tmp_path / "log")
    assert [(one["layer"], one["error"], one["refused"]) for one in told] == [(name, None, []) for name, _ in LAYERS]
    assert all(one["made"] for one in told)

    found = query_lake(lake, "select table_name, rows_present from reconciliation.tables").to_pylist()
    assert {row["table_name"] for row in found if row["rows_present"]} == {"posts", "comments", "users"}
    inputs = query_lake(lake, "select distinct source from silver.ledger").to_pylist()
    assert {"dump", "api/questions"} <= {row["source"] for row in inputs}
    asked = "select table_name, rows_present from lake.reconciliation"
    reader = replace(warehouse, lake=environment.LAKE)
    assert sorted(map(str, query_warehouse(reader, asked).to_pylist())) == sorted(map(str, found))


def made(variables: dict[str, str], log: Path) -> list[dict]:
    """What came of each layer."""
    words = [word for layer, partition in LAYERS for word in (layer, str(partition))]
    command = [sys.executable, "-m", "so_lakehouse_tests.stack.layers_process", SITE, *words]
    with log.open("w") as said:
        done = subprocess.run(
            command, cwd=PROJECT_ROOT, env=variables, stdout=subprocess.PIPE, stderr=said, text=True, check=False
        )
    assert done.returncode == 0, log.read_text()[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"layer"')]
