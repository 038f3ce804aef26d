"""A real site over two quarters, by the command line: a team's whole stack gives what a folder gives, table by table,
on either maker's object store."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.stack import dagster_services, postgres
from so_lakehouse.stack import environment as stack_environment
from so_lakehouse.stack import object_store as servers
from so_lakehouse.warehouse.query import query_warehouse
from so_lakehouse_tests.conftest import postgres_home
from so_lakehouse_tests.pipeline.writer import environment
from so_lakehouse_tests.stack.conftest import Stack, need_program
from so_lakehouse_tests.stack.object_store import empty
from so_lakehouse_tests.stack.spark_client import ask

RELEASES = ("2016-09", "2016-12")
# When something happened, and names that are made anew: no two runs agree in these.
OF_THE_RUN = {
    *("applied_at", "first_seen", "resolved_at", "loaded_at", "begun_at", "finished_at", "published_at", "since"),
    *("lake_table_id", "build_id", "made_of"),
}


@pytest.fixture(scope="session")
def in_a_folder(real_dumps) -> Any:
    """The embedded default."""
    with postgres_home() as home:
        settings = Settings(home=home)
        run(environment(settings), real_dumps)
        yield contents(settings)


@pytest.fixture(params=[servers.VERSITYGW, servers.MINIO])
def emptied(team: Stack, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The team's stack with this object store at the same address, which the others never learn of: cluster, metastore
    and Postgres are the same processes for both. Lake, warehouse and the metastore's names are those of a new stack."""
    chosen = replace(team.settings, stack_s3=request.param, stack_programs=need_program(request.param).parent)
    used = replace(team, settings=chosen)
    team.down("s3")
    used.up("s3")
    empty(Lake.of(Settings.from_environment(stack_environment.variables(chosen, team.secrets))))
    with closing(psycopg2.connect(postgres.admin_address(chosen, team.secrets))) as admin:
        admin.autocommit = True
        admin.cursor().execute(f"DROP DATABASE {postgres.WAREHOUSE} WITH (FORCE)")
    postgres.set_up(chosen, team.secrets)
    yield used
    used.down("s3")
    team.up("s3")


def test_the_same_tables_come_out_of_a_teams_stack_and_a_foreign_client_reads_every_row_by_name(
    in_a_folder, real_dumps, emptied, tmp_path
):
    """A Spark worker of its own, the metastore, Postgres over TCP with a role for each part, also Dagster's."""
    dagster_services.configure(emptied.settings)
    variables = stack_environment.variables(emptied.settings, emptied.secrets)
    settings = Settings.from_environment(variables)
    run(variables, real_dumps)
    require_equal(settings, in_a_folder)
    require_same_rows_by_name(emptied, settings, tmp_path)


def require_equal(settings: Settings, in_a_folder: dict[str, list[str]]) -> None:
    found = contents(settings)
    assert found.keys() == in_a_folder.keys()
    assert [name for name, rows in found.items() if rows != in_a_folder[name]] == []
    assert not Lake.of(settings).list("staging"), "nothing is left of the way"
    assert not (settings.home / "lake").exists(), "nothing was written to this machine's folder"


def require_same_rows_by_name(team: Stack, settings: Settings, folder: Path) -> None:
    """The client sums up what it reads by name, and what our own reader has read."""
    names, asked = [*TABLES, "ledger", "tombstones"], []
    for name in names:
        rows, file = query_lake(Lake.of(settings), f"SELECT * FROM silver.{name}"), folder / f"{name}.parquet"
        pq.write_table(rows, file)
        columns = ", ".join(f"`{column}`" for column in rows.column_names)
        for table in (f"silver.{name}", f"parquet.`file://{file}`"):
            asked.append(f"SELECT count(*), sum(hash({columns})) FROM {table}")
    dropped = [f"DROP TABLE silver.{name}" for name in names]  # so that the next store's names are its own
    told = ask(team, folder, *asked, *dropped)[: len(asked)]
    by_name, ours = dict(zip(names, told[::2], strict=True)), dict(zip(names, told[1::2], strict=True))
    assert by_name == ours
    assert by_name["posts"][0][0] > 0


def run(variables: dict[str, str], mirror: Path) -> None:
    words = ("run", "--site", "beer", "--quarter", *RELEASES, "--mirror", str(mirror))
    command = [
        sys.executable,
        "-c",
        "from so_lakehouse.cli import main; main()",
    ]  # of this checkout
    done = subprocess.run(
        [*command, *words],
        cwd=PROJECT_ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def contents(settings: Settings) -> dict[str, list[str]]:
    """Every table's rows, in one order, without what belongs to a run."""
    lake = Lake.of(settings)
    names = [f"{layer}.{name}" for layer in ("bronze", "silver") for name in TABLES]
    found = {name: query_lake(lake, f"SELECT * FROM {name}") for name in [*names, "silver.ledger", "silver.tombstones"]}
    found["quarantine.rows"] = query_lake(lake, "SELECT * FROM quarantine.rows")
    tables = """
        SELECT table_schema || '.' || table_name AS name FROM information_schema.tables
        WHERE table_schema IN ('lake', 'core', 'marts') AND table_type = 'BASE TABLE' AND table_name <> 'writer'
    """
    for name in query_warehouse(settings, tables)["name"].to_pylist():
        found[name] = query_warehouse(settings, f"SELECT * FROM {name}")
    return {name: plain(table) for name, table in found.items()}


def plain(table: pa.Table) -> list[str]:
    """The rows as texts, sorted. By columns: as Python objects, a quarter of a million of them take a minute."""
    kept = [as_text(table[name]) for name in table.column_names if name not in OF_THE_RUN]
    rows = pc.binary_join_element_wise(*kept, "\x1f", null_handling="replace", null_replacement="\0")
    return sorted(rows.to_pylist())


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        return pa.chunked_array([[repr(value) for value in column.to_pylist()]], pa.string())
    return column.cast(pa.string())
