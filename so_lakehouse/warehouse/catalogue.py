"""What Postgres' catalogue says of a table; asked here, changed elsewhere."""

from __future__ import annotations

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


def one(cursor: PostgresCursor) -> Any:
    """The only value of a query's only row."""
    row = cursor.fetchone()
    assert row is not None, "a query without a row where one is certain"
    return row[0]
