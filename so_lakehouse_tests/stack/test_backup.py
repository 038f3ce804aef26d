"""docs/operations.md, Back up and restore: a dump of a database makes the same one, with its owners and its rights."""

from __future__ import annotations

import subprocess
from contextlib import closing
from pathlib import Path

import psycopg2

from so_lakehouse.stack import postgres
from so_lakehouse.warehouse import roles
from so_lakehouse_tests.stack.conftest import Stack

FORM = (
    "SELECT n.nspname::text, c.relname::text, c.relkind::text, pg_get_userbyid(c.relowner)::text,"
    " (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(c.relacl) a)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = ANY(%s) ORDER BY 1, 2"
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
    programs = Path(postgres.service(stack.settings, lambda: None).command()[0]).parent
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
