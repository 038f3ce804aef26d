"""What a test of the warehouse asks: columns, indexes, any SQL, whether it equals silver; and bringing one up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from adbc_driver_postgresql import dbapi as adbc

from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.lake.storage import Lake
from so_lakehouse.quality.warehouse import EQUALS_SILVER
from so_lakehouse.settings import Settings
from so_lakehouse.sql import literal
from so_lakehouse.warehouse import ddl, server
from so_lakehouse.warehouse.feed import SilverTable
from so_lakehouse.warehouse.gate import passed_tables
from so_lakehouse.warehouse.projection import PROJECTIONS
from so_lakehouse.warehouse.verify import equals_silver

COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, col_description(c.oid, a.attnum)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'lake'::regnamespace AND c.relkind IN ('r', 'p')
"""
INDEXES = "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'lake'"


def prepare(settings: Settings) -> list[str]:
    connection = server.connect(settings)
    try:
        return ddl.prepare(connection)
    finally:
        connection.close()


def run(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    connection = server.connect(settings)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def form(settings: Settings) -> tuple[list, list]:
    """Every column and index of schema `lake`, in no order of creation."""
    return sorted(run(settings, COLUMNS), key=str), sorted(run(settings, INDEXES))


def rows(settings: Settings) -> dict[str, list]:
    """Every row of every projected table, by column name."""
    return {
        name: sorted(run(settings, f"SELECT to_jsonb(t)::text FROM lake.{name} t"), key=str) for name in PROJECTIONS
    }


def compare_site(
    lake: Lake, settings: Settings, site: str, tables: Iterable[str] = tuple(PROJECTIONS)
) -> dict[str, CheckOutcome]:
    """For each named warehouse table that silver offers, by name: does the warehouse equal silver's projection?

    A load compares before it commits. This compares again, with the silver version that the last load recorded.
    """
    offered = passed_tables(lake, site)
    found = {}
    with adbc.connect(server.uri(settings)) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT table_name, lake_version FROM lake.load_status WHERE site = {literal(site)}")
        loaded = dict(cursor.fetchall())
        for projection in (PROJECTIONS[name] for name in tables):
            if projection.source not in offered:
                continue
            if projection.name in loaded:
                silver = SilverTable(lake, projection.source, loaded[projection.name])
                found[projection.name] = equals_silver(cursor, silver, projection, site)
            else:
                detail = f"lake.{projection.name} holds nothing of {site}. Load the warehouse of {site}."
                found[projection.name] = CheckOutcome(EQUALS_SILVER.name, False, EQUALS_SILVER.blocking, detail)
    return found


def assert_equals_silver(lake: Lake, settings: Settings, site: str = "beer") -> None:
    compared = compare_site(lake, settings, site)
    assert set(compared) == set(PROJECTIONS)
    assert [outcome.detail for outcome in compared.values() if not outcome.passed] == []


def changed_months(settings: Settings, load_id: int, table: str) -> list[str]:
    """Months that a load named for a table, as YYYY-MM."""
    found = run(
        settings, f"SELECT month FROM lake.changed WHERE load_id = {load_id} AND table_name = '{table}' ORDER BY month"
    )
    return [f"{month:%Y-%m}" for (month,) in found]
