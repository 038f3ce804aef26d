"""Dagster and the command line work on the same dumps of two sites at once: both end well, nothing is lost, nothing is
there twice, and the ledger adds up."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from so_lakehouse.lake import lock
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.simulate.dumps import write_mirror
from so_lakehouse.simulate.truth import Truth
from so_lakehouse.warehouse.query import query_warehouse
from so_lakehouse_tests.stack.whole_stack import COMMAND, Running

SITES = ("simulated-brewing", "simulated-databases")
QUARTER, RELEASE = "2025-10-01", "2025-12-31"
RAW_TO_BRONZE = ("raw/dump", *(f"bronze/dump/{table}" for table in TABLES))
SILVER = tuple(f"silver/{table}" for table in TABLES)
WAITS = "waiting to write silver."
MOST_SECONDS = 300  # for one thing, on a machine that does much else


@pytest.fixture
def truth(whole_stack: Running) -> Truth:
    """What the dumps that lie in the mirror hold."""
    return write_mirror(Path(whole_stack.environment["LAKEHOUSE_MIRROR"]), SITES, [QUARTER], people=40)


@contextmanager
def command_line(stack: Running, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """`so-lakehouse run` of both sites, by somebody who keeps a Dagster of his own: nothing but the lake's locks stands
    between him and the others. What it says is in the folder's `said`."""
    own = {"LAKEHOUSE_DAGSTER": str(folder / "dagster"), "PYTHONUNBUFFERED": "1"}
    command, environment = [*COMMAND, "run", "--site", *SITES], stack.used() | own
    with (folder / "said").open("w") as said:
        started = subprocess.Popen(
            command, env=environment, cwd=PROJECT_ROOT, stdout=said, stderr=subprocess.STDOUT, text=True
        )
        try:
            yield started
        finally:
            started.kill()
            started.wait()


def until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + MOST_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


def test_runs_of_dagster_and_of_the_command_line_at_once(whole_stack: Running, truth: Truth, tmp_path: Path) -> None:
    settings, said = Settings.from_environment(whole_stack.used()), tmp_path / "said"
    lake, work = Lake.of(settings), whole_stack.stack.settings.stack_folder / "spark"
    before = set(work.glob("work-*/app-*"))
    for site in SITES:
        whole_stack.add_site(site)
    with command_line(whole_stack, tmp_path) as command:
        # Whoever comes to silver waits, so that all of them begin at once.
        with lock.writing(lake, [f"silver.{name}" for name in TABLES], "hold", settings):
            read = [whole_stack.launch(*RAW_TO_BRONZE, quarter=QUARTER, site=site) for site in SITES]
            assert {whole_stack.ended(run, MOST_SECONDS)["status"] for run in read} == {"SUCCESS"}
            merged = [whole_stack.launch(*SILVER, site=site) for site in reversed(SITES)]
            until(lambda: WAITS in said.read_text(), "the command line comes to silver")
            until(lambda: any(WAITS in str(whole_stack.run(run)) for run in merged), "Dagster comes to silver")
        assert {whole_stack.ended(run, MOST_SECONDS)["status"] for run in merged} == {"SUCCESS"}
        assert command.wait(MOST_SECONDS) == 0, said.read_text()
    applications = set(work.glob("work-*/app-*")) - before
    assert any(list(one.glob("*/stderr")) for one in applications), "Spark's work was done in the worker"
    assert not [jar for one in applications for jar in one.rglob("*.jar")], "each run would have sent it 690 MB"

    for table in TABLES:
        held = f'select site, count(*) as n, count(distinct "Id") as keys from silver.{table} group by site'
        found = {row["site"]: (row["n"], row["keys"]) for row in query_lake(lake, held).to_pylist()}
        told = {site: truth[RELEASE][site][table] for site in SITES}
        kept = {site: row["rows_in_file"] - row["fabricated"] for site, row in told.items()}
        assert found == {site: (rows, rows) for site, rows in kept.items() if rows}, table
        in_ledger = f"select * from silver.ledger where table_name = '{table}'"
        entries = {row["site"]: row for row in query_lake(lake, in_ledger).to_pylist()}
        assert query_lake(lake, in_ledger).num_rows == len(SITES), f"{table}: each dump is applied once"
        for site, row in entries.items():
            assert (row["rows_in"], row["rows_inserted"]) == (told[site]["rows_in_file"], kept[site])
            assert row["rows_in"] == row["rows_inserted"] + row["rows_quarantined"]
    loaded = query_warehouse(settings, "select site, count(*) as n from marts.load_status group by site").to_pylist()
    assert {row["site"] for row in loaded} == set(SITES), "and the marts show both"
