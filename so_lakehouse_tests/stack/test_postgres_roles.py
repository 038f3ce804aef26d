"""One Postgres role per part: each does its work from load to published marts, and is refused everything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import dagster as dg
import psycopg2
import pytest
from psycopg2 import errors

from so_lakehouse.definitions import defs
from so_lakehouse.errors import BadInput
from so_lakehouse.lake.storage import Lake
from so_lakehouse.runner import LayerRun, Runner
from so_lakehouse.settings import Settings
from so_lakehouse.stack import postgres
from so_lakehouse.warehouse import ddl, roles, server
from so_lakehouse.warehouse.query import query_warehouse
from so_lakehouse_tests.pipeline.silver_site import day, small_site
from so_lakehouse_tests.stack.conftest import Stack

DAGSTER, METASTORE = "so_lakehouse_dagster", "so_lakehouse_metastore"


def ask(stack: Stack, role: str, sql: str) -> list[tuple]:
    with closing(psycopg2.connect(stack.address(role))) as connection, connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def runs(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, LayerRun]]:
    """One small site loaded as loader, its marts built and published as dbt, by Dagster as in production."""
    settings = of_parts(stack, tmp_path_factory.mktemp("home"))
    silver = small_site(Lake(settings.lake_uri))
    silver.pass_checks(cut_at=day("2016-09-30"))
    with (
        pytest.MonkeyPatch.context() as patch,
        dg.DagsterInstance.ephemeral() as instance,
        (settings.home / "runs.log").open("w") as log,
    ):
        patch.setenv("LAKEHOUSE_HOME", str(settings.home))
        patch.setenv("LAKEHOUSE_LAKE", "")
        patch.setenv("LAKEHOUSE_POSTGRES", settings.postgres)
        patch.setenv("LAKEHOUSE_POSTGRES_DBT", settings.postgres_dbt)
        patch.setenv("LAKEHOUSE_POSTGRES_READER", settings.postgres_reader)
        runner = Runner(defs, instance, log)
        runner.add_site("beer")
        yield {
            "warehouse": runner.run("warehouse", runner.keys_of("warehouse"), "beer"),
            "marts": runner.run("marts", runner.keys_of("marts"), None),
        }


def of_parts(stack: Stack, home: Path) -> Settings:
    """Settings of a lakehouse whose parts have a role each."""
    return Settings(
        home=home,
        postgres=stack.address(roles.LOADER),
        postgres_dbt=stack.address(roles.DBT),
        postgres_reader=stack.address(roles.READER),
    )


def test_each_part_does_its_work_with_its_own_role(stack: Stack, runs: dict[str, LayerRun]) -> None:
    for run in runs.values():
        assert run.succeeded, (run.error, run.failed_checks)
    questions = "SELECT sum(questions)::int FROM marts.activity_month WHERE site = 'beer'"
    assert ask(stack, roles.DASHBOARD, questions) == [(2,)]
    owners = "SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname = ANY(%s)"
    for owner, schemas in roles.OWNERS.items():
        with closing(psycopg2.connect(stack.address(owner))) as connection, connection.cursor() as cursor:
            cursor.execute(owners, (list(schemas),))
            assert cursor.fetchall() == [(owner,)]


def test_people_ask_everything_and_change_nothing(stack: Stack, runs: dict[str, LayerRun], tmp_path: Path) -> None:
    settings = of_parts(stack, tmp_path)
    for query in ("SELECT count(*) AS n FROM lake.posts", "SELECT count(*) AS n FROM core.fct_question"):
        assert query_warehouse(settings, query).to_pylist()[0]["n"] > 0
    with pytest.raises(errors.ReadOnlySqlTransaction):
        ask(stack, roles.READER, "CREATE TABLE public.mine (n int)")
    with pytest.raises(errors.InsufficientPrivilege):
        ask(stack, roles.READER, "SET default_transaction_read_only = off; COMMIT; DELETE FROM lake.posts")


@pytest.mark.parametrize(
    ("role", "refused"),
    [
        (roles.LOADER, "SELECT 1 FROM marts.build"),
        (roles.LOADER, "SELECT 1 FROM core.fct_question"),
        (roles.LOADER, "CREATE SCHEMA mine"),
        (roles.LOADER, "COPY (SELECT 1) TO PROGRAM 'true'"),
        (roles.DBT, "DELETE FROM lake.posts"),
        (roles.DBT, "UPDATE lake.load_status SET rows = 0"),
        (roles.DBT, "INSERT INTO lake.changed VALUES ('beer', 'posts', NULL, 1)"),
        (roles.DBT, "DROP TABLE lake.posts"),
        (roles.DBT, "CREATE TABLE lake.mine (n int)"),
        (roles.DASHBOARD, "SELECT 1 FROM lake.posts"),
        (roles.DASHBOARD, "SELECT 1 FROM core.dim_user"),
        (roles.DASHBOARD, "SELECT 1 FROM marts_build.activity_month"),
        (roles.DASHBOARD, "SELECT 1 FROM staging.stg_posts"),
        (roles.DASHBOARD, "SET default_transaction_read_only = off; COMMIT; DELETE FROM marts.activity_month"),
        (roles.DASHBOARD, "SET default_transaction_read_only = off; COMMIT; CREATE TABLE marts.mine (n int)"),
        (roles.DASHBOARD, "SET default_transaction_read_only = off; COMMIT; CREATE TEMPORARY TABLE mine (n int)"),
        (roles.DASHBOARD, "SET ROLE so_lakehouse_dbt"),
        (roles.DASHBOARD, "SELECT pg_terminate_backend(pg_backend_pid())"),
        (roles.READER, "SELECT pg_terminate_backend(pg_backend_pid())"),
        (roles.READER, "SELECT pg_cancel_backend(pg_backend_pid())"),
        (DAGSTER, "CREATE ROLE mine"),
        (METASTORE, "CREATE ROLE mine"),
    ],
)
def test_what_a_role_has_no_business_with_is_refused(
    stack: Stack, runs: dict[str, LayerRun], role: str, refused: str
) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        ask(stack, role, refused)


@pytest.mark.parametrize("role", postgres.ROLES)
def test_a_role_reaches_no_database_but_its_own(stack: Stack, role: str) -> None:
    own = postgres.ROLES[role][1]
    for database in {postgres.WAREHOUSE, postgres.DAGSTER, postgres.METASTORE, "postgres", "template1"} - {own}:
        with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
            psycopg2.connect(stack.address(role).replace(f"/{own}", f"/{database}"))


def test_a_slow_page_is_stopped(stack: Stack) -> None:
    assert ask(stack, roles.DASHBOARD, "SHOW statement_timeout") == [(f"{roles.DASHBOARD_SECONDS}s",)]
    with pytest.raises(errors.QueryCanceled):
        ask(stack, roles.DASHBOARD, "SET statement_timeout = '10ms'; SELECT pg_sleep(5)")


def test_nobody_comes_in_without_the_password(stack: Stack) -> None:
    port = stack.settings.stack_postgres_port
    for user in (*postgres.ROLES, "postgres"):
        for password in ("", "postgres", user):
            with pytest.raises(psycopg2.OperationalError, match="password"):
                psycopg2.connect(host="127.0.0.1", port=port, user=user, password=password, dbname="postgres")


def test_setting_up_again_changes_nothing(stack: Stack, runs: dict[str, LayerRun]) -> None:
    everything = (
        "SELECT (SELECT md5(string_agg(r::text, '|' ORDER BY rolname)) FROM pg_authid r),"
        " (SELECT md5(string_agg(s::text, '|' ORDER BY nspname)) FROM pg_namespace s WHERE nspname !~ '^pg_temp'),"
        " (SELECT md5(string_agg(ROW(relname, relowner, relacl, relkind)::text, '|' ORDER BY oid)) FROM pg_class),"
        " (SELECT md5(string_agg(ROW(proname, proowner, proacl)::text, '|' ORDER BY oid)) FROM pg_proc),"
        " (SELECT md5(string_agg(ROW(datname, datdba, datacl)::text, '|' ORDER BY oid)) FROM pg_database)"
    )

    def state() -> list[tuple]:
        admin = postgres.admin_address(stack.settings, stack.secrets, postgres.WAREHOUSE)
        with closing(psycopg2.connect(admin)) as connection, connection.cursor() as cursor:
            cursor.execute(everything)
            return cursor.fetchall()

    before = state()
    postgres.set_up(stack.settings, stack.secrets)
    assert state() == before


def test_a_new_password_in_the_secrets_is_taken_over(stack: Stack) -> None:
    changed = dict(stack.secrets) | {"postgres_reader": "another0password1of2a3reader"}
    postgres.set_up(stack.settings, changed)
    psycopg2.connect(postgres.address(stack.settings, changed, roles.READER)).close()
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(stack.address(roles.READER))
    postgres.set_up(stack.settings, stack.secrets)
    psycopg2.connect(stack.address(roles.READER)).close()


def test_an_upgrade_that_the_loader_may_not_make_says_who_makes_it(
    stack: Stack, runs: dict[str, LayerRun], tmp_path: Path
) -> None:
    """A column of another type: dbt's views stand on it, and they are not the loader's to drop."""
    admin = postgres.admin_address(stack.settings, stack.secrets, postgres.WAREHOUSE)
    with closing(psycopg2.connect(admin)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA staging CASCADE; ALTER TABLE lake.tags ALTER COLUMN count TYPE bigint")
        cursor.execute(f"CREATE SCHEMA staging AUTHORIZATION {roles.DBT}")
        cursor.execute("CREATE VIEW staging.stg_tags AS SELECT site, count FROM lake.tags")
        cursor.execute(f"ALTER VIEW staging.stg_tags OWNER TO {roles.DBT}")
    settings = of_parts(stack, tmp_path)
    with closing(server.connect(settings)) as connection, pytest.raises(BadInput, match="so-lakehouse stack"):
        ddl.prepare(connection)
    postgres.set_up(stack.settings, stack.secrets)
    with closing(server.connect(settings)) as connection:
        assert ddl.prepare(connection) == []


def test_a_database_that_one_account_made_is_handed_over_to_the_roles(stack: Stack, tmp_path: Path) -> None:
    """An earlier release knew one address only: everything in the database belongs to that account."""
    admin = postgres.admin_address(stack.settings, stack.secrets, "postgres")
    with closing(psycopg2.connect(admin)) as connection:
        connection.autocommit = True
        connection.cursor().execute("CREATE DATABASE older")
    older = postgres.admin_address(stack.settings, stack.secrets, "older")
    with closing(psycopg2.connect(older)) as connection:
        ddl.prepare(connection)
        with connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE marts.kept AS SELECT 1 AS n; CREATE SCHEMA core; CREATE TABLE core.t (n int)")
        roles.arrange(connection)
    settings = of_parts(stack, tmp_path)
    moved = replace(settings, postgres=settings.postgres.replace("/lakehouse", "/older"))
    moved = replace(moved, postgres_dbt=settings.postgres_dbt.replace("/lakehouse", "/older"))
    with closing(server.connect(moved, server.Part.DBT)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE marts.kept, core.t")
    with closing(psycopg2.connect(admin)) as connection:
        connection.autocommit = True
        connection.cursor().execute("DROP DATABASE older WITH (FORCE)")
