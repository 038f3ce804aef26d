"""docs/operations.md, Back up and restore: a dump of a database makes the same one, with its owners and its rights; a
copy of the lake's objects makes the same lake in another bucket."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from so_lakehouse.lake import delta, paths
from so_lakehouse.lake.query import query_lake, tables
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.stack import postgres
from so_lakehouse.warehouse import roles
from so_lakehouse.warehouse.postgres_process import PostgresProcess
from so_lakehouse_tests.pipeline.evidence import write_dump
from so_lakehouse_tests.pipeline.writer import environment
from so_lakehouse_tests.stack.conftest import Stack
from so_lakehouse_tests.stack.object_store import Server

FORM = (
    "SELECT n.nspname::text, c.relname::text, c.relkind::text, pg_get_userbyid(c.relowner)::text,"
    " (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(c.relacl) a)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = ANY(%s)"
    " UNION ALL SELECT '', proname::text, 'f', '', (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(proacl) a)"
    " FROM pg_proc WHERE proname IN ('pg_terminate_backend', 'pg_cancel_backend') ORDER BY 1, 2"
)
SCHEMAS = [schema for schemas in roles.OWNERS.values() for schema in schemas]


def form(address: str) -> list[tuple]:
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        cursor.execute(FORM, (SCHEMAS,))
        return cursor.fetchall()


def test_a_restored_warehouse_has_the_same_rows_owners_and_rights(stack: Stack, tmp_path: Path) -> None:
    with (
        closing(psycopg2.connect(stack.address(roles.LOADER))) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM lake.changed WHERE site = 'backup'")
        cursor.execute("INSERT INTO lake.changed SELECT 'backup', 'posts', NULL, n FROM generate_series(1, 1000) n")
    programs = Path(PostgresProcess(stack.settings.stack_folder / "postgres").command()[0]).parent
    admin = postgres.admin_address(stack.settings, stack.secrets, postgres.WAREHOUSE)
    dump = tmp_path / "lakehouse.dump"
    subprocess.run([programs / "pg_dump", "--format=custom", f"--file={dump}", admin], check=True)

    restored = postgres.admin_address(stack.settings, stack.secrets, "restored")
    maintenance = postgres.admin_address(stack.settings, stack.secrets, "postgres")
    subprocess.run([programs / "psql", "--quiet", maintenance, "--command=CREATE DATABASE restored"], check=True)
    try:
        subprocess.run([programs / "pg_restore", f"--dbname={restored}", "--exit-on-error", dump], check=True)
        assert form(restored) == form(admin)
        with closing(psycopg2.connect(restored)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*), sum(load_id) FROM lake.changed WHERE site = 'backup'")
            assert cursor.fetchall() == [(1000, 500500)]
            roles.arrange(connection)
        assert form(restored) == form(admin)
    finally:
        command = "--command=DROP DATABASE restored WITH (FORCE)"
        subprocess.run([programs / "psql", "--quiet", maintenance, command], check=True)


def test_a_restored_lake_answers_as_the_first_did(object_store: Server, s3_settings: Settings, tmp_path: Path) -> None:
    lake = Lake.of(s3_settings)
    write_dump(lake, "2016-09-11", {"posts": [{"Id": 1, "Title": "one"}, {"Id": 2}]}, unread={"posts": [3]})
    delta.make_reachable(lake)  # as whoever reads a dump does
    place, options = lake.uri(paths.silver("ledger")), lake.options
    for number in range(3):
        write_deltalake(place, pa.table({"n": [number]}), mode="append", storage_options=options)
    DeltaTable(place, storage_options=options).delete("n = 1")

    backup, restore = documented()
    run(backup, s3_settings, tmp_path / "backup")
    elsewhere = object_store.settings(replace(s3_settings, home=tmp_path / "elsewhere"), object_store.new_bucket())
    run(restore, elsewhere, tmp_path / "backup")
    restored = Lake.of(elsewhere)
    assert [(file.path, file.bytes) for file in restored.files("")] == [(f.path, f.bytes) for f in lake.files("")]
    assert tables(restored) == tables(lake)
    for name in ("silver.ledger", "bronze.posts", "quarantine.rows"):
        answers = [query_lake(one, f"SELECT * FROM {name}").to_pylist() for one in (lake, restored)]
        assert answers[0]
        assert sorted(map(str, answers[0])) == sorted(map(str, answers[1]))


def documented() -> list[str]:
    """The two programs of the page: into a folder, and back."""
    page = (PROJECT_ROOT / "docs" / "operations.md").read_text()
    return re.findall(r'BACKUP=\$PWD/backup python -c "\n(.*?)"\n', page, re.DOTALL)


def run(program: str, settings: Settings, folder: Path) -> None:
    variables = os.environ | environment(settings) | {"BACKUP": str(folder)}
    subprocess.run([sys.executable, "-c", program], env=variables, cwd=PROJECT_ROOT, check=True)
