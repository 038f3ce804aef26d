"""What Postgres' catalogue says of a table; asked here, changed elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg2.extensions import cursor as PostgresCursor


def columns(cursor: PostgresCursor, table: str) -> dict[str, tuple[str, bool, str | None]]:
    """Type, whether it is required, and description of each column, in order; empty where there is no such table."""
    cursor.execute(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum)"
        " FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (table,),
    )
    return {column: (kind, required, description) for column, kind, required, description in cursor.fetchall()}


def views_on(cursor: PostgresCursor, table: str, schemas: Sequence[str]) -> list[str]:
    """The views in these schemas that read a table, or another view that does, as SQL names them."""
    cursor.execute(
        "WITH RECURSIVE readers AS (SELECT to_regclass(%s)::oid AS oid UNION"
        " SELECT rule.ev_class FROM readers JOIN pg_depend d ON d.refobjid = readers.oid"
        " AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_rewrite'::regclass"
        " JOIN pg_rewrite rule ON rule.oid = d.objid)"
        " SELECT format('%%I.%%I', nspname, relname) FROM readers JOIN pg_class c ON c.oid = readers.oid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relkind = 'v' AND nspname = ANY(%s) ORDER BY 1",
        (table, list(schemas)),
    )
    return [view for (view,) in cursor.fetchall()]


def one(cursor: PostgresCursor) -> Any:
    """The only value of a query's only row."""
    row = cursor.fetchone()
    assert row is not None, "a query without a row where one is certain"
    return row[0]
