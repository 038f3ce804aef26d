"""What a test of the warehouse's form asks Postgres: columns, indexes, any SQL; and bringing a database up."""

from __future__ import annotations

from typing import Any

from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import ddl, server

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
