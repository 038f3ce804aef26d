"""Dagster's database on the stack's Postgres: an earlier Dagster's takes this one's form, and keeps its runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import dagster as dg
import psycopg2
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickStatus

from so_lakehouse.errors import Unavailable
from so_lakehouse.stack import dagster_database, dagster_services, environment
from so_lakehouse.stack.dagster_database import POOLS
from so_lakehouse_tests.stack.conftest import Stack

# What the last change of Dagster's tables made (alembic 7e2f3204cf8e, of January 2025), taken back.
TO_AN_EARLIER_FORM = """
ALTER TABLE concurrency_limits DROP COLUMN using_default_limit;
UPDATE alembic_version SET version_num = '6b7fb194ff9c'
"""
FORM = (
    "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns"
    " WHERE table_schema = 'public' UNION ALL SELECT 'version', version_num, '' FROM alembic_version"
    " UNION ALL SELECT 'index', indexname::text, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"
)


def ask(stack: Stack, sql: str) -> list[tuple]:
    with closing(psycopg2.connect(stack.address(dagster_services.ROLE))) as connection, connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def instance(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    dagster_services.configure(stack.settings)
    for name, value in environment.variables(stack.settings, stack.secrets).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as opened:
        yield opened


def test_an_earlier_dagsters_tables_take_this_ones_form_and_their_runs_stay(
    stack: Stack, instance: dg.DagsterInstance
) -> None:
    dagster_database.set_up(instance)
    run = instance.add_run(dg.DagsterRun(job_name="earlier", status=dg.DagsterRunStatus.SUCCESS))
    try:
        form = ask(stack, FORM)
        ask(stack, TO_AN_EARLIER_FORM)
        assert ask(stack, FORM) != form
        for set_up in (
            lambda: dagster_services.set_up_database(stack.settings, stack.secrets),  # as `stack up`
            lambda: dagster_database.set_up(instance),  # and once more
        ):
            set_up()
            assert ask(stack, FORM) == form
            assert dict(ask(stack, 'SELECT concurrency_key, "limit" FROM concurrency_limits')) == POOLS
            assert instance.get_run_by_id(run.run_id) == run
    finally:
        instance.delete_run(run.run_id)


def test_looks_that_found_nothing_go_after_three_days_and_others_after_thirty(instance: dg.DagsterInstance) -> None:
    kept = instance.get_tick_retention_settings(InstigatorType.SENSOR)
    assert {status: kept[status] for status in (TickStatus.SKIPPED, TickStatus.SUCCESS, TickStatus.FAILURE)} == {
        TickStatus.SKIPPED: 3,
        TickStatus.SUCCESS: 30,
        TickStatus.FAILURE: 30,
    }
    assert set(instance.get_tick_retention_settings(InstigatorType.SCHEDULE).values()) <= {30, -1}


def test_a_database_of_a_later_dagster_is_left_alone_and_told(stack: Stack, instance: dg.DagsterInstance) -> None:
    (version,) = ask(stack, "SELECT version_num FROM alembic_version")
    ask(stack, "UPDATE alembic_version SET version_num = 'later'")
    try:
        with pytest.raises(Unavailable, match=r"Dagster's database cannot be brought .*later"):
            dagster_services.set_up_database(stack.settings, stack.secrets)
        assert ask(stack, "SELECT version_num FROM alembic_version") == [("later",)]
    finally:
        ask(stack, f"UPDATE alembic_version SET version_num = '{version[0]}'")
