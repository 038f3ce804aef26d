"""docs/operations.md, Back up and restore, by its own lines: what is backed up of the whole stack is on a new machine
what it was, table by table and object by object.

The new machine is a second stack of this one, with a folder and ports of its own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields, replace
from hashlib import sha256
from pathlib import Path

import psycopg2
import pytest

from so_lakehouse.lake import delta
from so_lakehouse.lake.query import tables
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.stack import object_store, postgres
from so_lakehouse.stack.secrets import kept, read_variables
from so_lakehouse.warehouse import roles
from so_lakehouse_tests.pipeline.evidence import write_dump
from so_lakehouse_tests.stack.conftest import Stack, new_stack
from so_lakehouse_tests.stack.whole_stack import Running, so_lakehouse

DATABASES = (postgres.WAREHOUSE, postgres.DAGSTER, postgres.METASTORE)
TABLES = (
    "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema$)' ORDER BY 1"
)
FORM = (
    "SELECT n.nspname::text, c.relname::text, c.relkind::text, pg_get_userbyid(c.relowner)::text,"
    " (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(c.relacl) a)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^(pg_|information_schema$)'"
    " UNION ALL SELECT '', proname::text, 'f', '', (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(proacl) a)"
    " FROM pg_proc WHERE proname IN ('pg_terminate_backend', 'pg_cancel_backend')"
    " UNION ALL SELECT '', datname::text, 'd', pg_get_userbyid(datdba)::text,"
    " (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a) FROM pg_database"
    " WHERE datname = current_database() ORDER BY 1, 2"
)
Rows = dict[str, tuple[int, str]]


def documented() -> tuple[str, str]:
    """What the page says to do on the old machine and on the new one."""
    page = (PROJECT_ROOT / "docs" / "operations.md").read_text()
    back_up, restore = re.findall(r"```\n(BACKUP=.*?)```", page, re.DOTALL)
    return back_up, restore


def do(script: str, environment: dict[str, str], folder: Path) -> None:
    told = environment | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", "-euc", script]
    done = subprocess.run(command, env=told, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def rows(stack: Stack, database: str) -> Rows:
    """Table → number of its rows, and a checksum over all that they hold."""
    found = {}
    where = postgres.admin_address(stack.settings, stack.secrets, database)
    with closing(psycopg2.connect(where)) as connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
        for (name,) in cursor.fetchall():
            cursor.execute(f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t")
            found[name] = cursor.fetchone()
    return found


def form(stack: Stack, database: str) -> list[tuple]:
    where = postgres.admin_address(stack.settings, stack.secrets, database)
    with closing(psycopg2.connect(where)) as connection, connection.cursor() as cursor:
        cursor.execute(FORM)
        return cursor.fetchall()


def objects(stack: Stack) -> dict[str, dict[str, str]]:
    """Bucket → object → checksum of its bytes; names that end in / are folders to those that make them."""
    client = object_store.client(stack.settings, object_store.ROOT, stack.secrets["s3_root"])
    return {
        bucket: {
            entry["Key"]: sha256(client.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()).hexdigest()
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            for entry in page.get("Contents", ())
            if not entry["Key"].endswith("/")
        }
        for bucket in object_store.BUCKETS
    }


def fill(whole_stack: Running) -> None:
    """Something in each part, where this test runs alone."""
    lake = Lake.of(Settings.from_environment(whole_stack.used()))
    write_dump(lake, "2016-09-11", {"posts": [{"Id": 1, "Title": "one"}, {"Id": 2}]}, "backup", unread={"posts": [3]})
    delta.make_reachable(lake)  # as whoever reads a dump does
    with closing(psycopg2.connect(whole_stack.stack.address(roles.LOADER))) as connection, connection:
        changed = "INSERT INTO lake.changed SELECT 'backup', 'posts', NULL, n FROM generate_series(1, 1000) n"
        connection.cursor().execute(changed)
    whole_stack.ended(whole_stack.launch("marts/published"))


@pytest.fixture
def new_machine(whole_stack: Running) -> Iterator[tuple[Stack, dict[str, str]]]:
    """A stack that has nothing yet, not even secrets; and the environment of who works there."""
    with new_stack() as made:
        (made.settings.stack_folder / "secrets").unlink()
        settings = replace(made.settings, stack_programs=whole_stack.stack.settings.stack_programs)
        told = {
            entry.metadata["variable"]: str(getattr(settings, entry.name))
            for entry in fields(Settings)
            if entry.name.startswith("stack_") or entry.name == "home"
        }
        yield replace(made, settings=settings), whole_stack.environment | told


def test_what_is_backed_up_is_on_a_new_machine_what_it_was(
    whole_stack: Running, new_machine: tuple[Stack, dict[str, str]], tmp_path: Path
) -> None:
    fill(whole_stack)
    back_up, restore = documented()
    old, (new, there) = whole_stack.stack, new_machine
    do(back_up, whole_stack.environment, tmp_path)
    held = {name: rows(old, name) for name in DATABASES}
    assert held[postgres.WAREHOUSE]["lake.changed"][0] >= 1000
    assert all(held[postgres.DAGSTER][f"public.{name}"][0] for name in ("runs", "job_ticks", "instigators"))
    assert held[postgres.METASTORE]['public."DBS"'][0] >= 1
    assert all(objects(old).values()), "the lake and logs of runs"

    do(restore, there, tmp_path)
    new = replace(new, secrets=kept(new.settings.stack_folder))
    assert dict(new.secrets) == dict(old.secrets)
    for name in DATABASES:
        assert rows(new, name) == held[name], name
        assert form(new, name) == form(old, name), name
    assert objects(new) == objects(old)

    again = so_lakehouse(there, "stack", "up", "postgres", "s3")  # which finds all of it in its form
    assert again.returncode == 0, again.stderr
    for name in DATABASES:
        assert (rows(new, name), form(new, name)) == (held[name], form(old, name)), name

    # And the commands of this project read it.
    file = new.settings.stack_folder / "environment"
    used = there | {name: value.strip("'") for name, value in read_variables(file).items()}
    lake = Lake.of(Settings.from_environment(used))
    assert tables(lake) == tables(Lake.of(Settings.from_environment(whole_stack.used())))
    asked = "select count(*), min(Title) from bronze.posts where site = 'backup'"
    said = so_lakehouse(used, "sql", "--lake", "--format", "csv", asked)
    assert (said.returncode, said.stdout.splitlines()[1:]) == (0, ["2,one"]), said.stderr
    twice = [sys.executable, "-m", "so_lakehouse.stack.objects", "in", str(tmp_path / "backup")]
    refused = subprocess.run(twice, env=used, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "is not empty" in refused.stderr
