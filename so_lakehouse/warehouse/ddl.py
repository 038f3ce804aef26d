"""The warehouse's tables in Postgres: created from the declared projection, brought up to date when it changes.

Belongs here: what exists in schema `lake` and how an older database becomes today's. Does not belong here: rows.

Two ways lead from an older release to this one. What a comparison cannot tell (bookkeeping tables, a rename) is a
numbered entry of `migrations.py`. What the projection declares is compared with the database and altered: columns,
types, nullability, indexes, descriptions in place, and a table with another key is made anew. The loader then reloads
each site, because the projection's fingerprint in `lake.load_status` no longer fits.
"""

from __future__ import annotations

import hashlib

from psycopg2 import DataError, errors
from psycopg2.extensions import connection as PostgresConnection
from psycopg2.extensions import cursor as PostgresCursor

from so_lakehouse import release
from so_lakehouse.errors import BadInput
from so_lakehouse.sql import literal, quoted
from so_lakehouse.warehouse import catalogue, migrations
from so_lakehouse.warehouse.catalogue import one
from so_lakehouse.warehouse.migrations import LEFT_ALONE
from so_lakehouse.warehouse.projection import PROJECTIONS, Field, Projection

PARTITION_SCHEMA = "lake_partition"

# dbt's views keep the columns that they read from being dropped or retyped; its next build makes them anew.
DBT_VIEWS = ("staging", "intermediate", "core")


def fingerprint(projection: Projection) -> str:
    """Names what a projection makes of silver: another one means that the rows must be made again."""
    made = [(field.name, field.type, field.expression) for field in projection.fields]
    return hashlib.sha256(repr((made, projection.key, projection.measures)).encode()).hexdigest()[:12]


def prepare(connection: PostgresConnection) -> list[str]:
    """Brings the database to what this release declares, in one transaction; returns the statements that were needed.

    Safe to call from several processes at once and before every load: an up-to-date database is only looked at.
    Raises `BadInput` where a newer release made the database, or where something of somebody else's stands on a column
    that goes, or where this role may not alter what must be altered; nothing is changed then.
    """
    try:
        return _prepare(connection)
    except errors.InsufficientPrivilege as error:
        raise BadInput(
            f"The warehouse must be brought to this release's form, and this role may not: {str(error).strip()}\n"
            "Nothing was changed. Its administrator does it: so-lakehouse stack up (docs/operations.md, Upgrade)."
        ) from error


def _prepare(connection: PostgresConnection) -> list[str]:
    with connection, connection.cursor() as cursor:
        cursor.execute(migrations.LOCK)
        applied = migrations.bring_up(cursor)
        needed = [statement for table in PROJECTIONS.values() for statement in _statements(cursor, table)]
        if needed:
            _refuse_newer(cursor)
            for statement in needed:
                _execute(cursor, statement)
            cursor.execute("INSERT INTO lake.release (release) VALUES (%s) ON CONFLICT DO NOTHING", (release.THIS,))
    return applied + needed


def _refuse_newer(cursor: PostgresCursor) -> None:
    cursor.execute("SELECT release FROM lake.release")
    newer = [made_by for (made_by,) in cursor.fetchall() if release.is_newer(made_by, than=release.THIS)]
    if newer:
        raise BadInput(
            f"The warehouse has the form of so_lakehouse {newer[0]}, and this is {release.THIS}. {LEFT_ALONE}"
        )


def _execute(cursor: PostgresCursor, statement: str) -> None:
    try:
        cursor.execute(statement)
    except (errors.DependentObjectsStillExist, errors.FeatureNotSupported) as error:
        raise BadInput(
            f"The warehouse cannot be brought to this release's form, because something else stands on it: "
            f"{str(error).strip()}\nNothing was changed. Drop what it names, load again, and create it anew."
        ) from error
    except DataError as error:
        raise BadInput(
            f"The warehouse cannot be brought to this release's form: {str(error).strip()} ({statement}). Nothing was "
            "changed. Drop that table (DROP TABLE lake.… CASCADE) and load every site: it is made anew from silver."
        ) from error


def _statements(cursor: PostgresCursor, projection: Projection) -> list[str]:
    """What must be run to make the table as it is declared."""
    existing = catalogue.columns(cursor, f"lake.{projection.name}")
    if not existing:
        return _made_anew(projection)
    if _key(cursor, projection) != projection.key:
        return [*_without_views(cursor, projection), f"DROP TABLE lake.{projection.name}", *_made_anew(projection)]
    altered = _altered(cursor, projection, existing)
    return altered + _missing_indexes(cursor, projection)


def _altered(
    cursor: PostgresCursor, projection: Projection, existing: dict[str, tuple[str, bool, str | None]]
) -> list[str]:
    """Statements for the columns; `existing`: name → (type, required, description)."""
    table = f"ALTER TABLE lake.{projection.name}"
    unviewed = [f"{table} DROP COLUMN {quoted(name)}" for name in existing if name not in projection.field_names]
    statements = []
    for field in projection.fields:
        name = quoted(field.name)
        if field.name not in existing:
            statements += [f"{table} ADD COLUMN {name} {field.type}", _comment(projection, field)]
            if not field.nullable and not _holds(cursor, projection, "true"):
                statements.append(f"{table} ALTER COLUMN {name} SET NOT NULL")
            continue
        kind, required, comment = existing[field.name]
        if kind != _catalogue_type(field):
            unviewed.append(f"{table} ALTER COLUMN {name} TYPE {field.type} USING {name}::{field.type}")
        if field.nullable and required:
            statements.append(f"{table} ALTER COLUMN {name} DROP NOT NULL")
        # A column that is new and required has no values before every site has been loaded again.
        if not field.nullable and not required and not _holds(cursor, projection, f"{name} IS NULL"):
            statements.append(f"{table} ALTER COLUMN {name} SET NOT NULL")
        if comment != field.description:
            statements.append(_comment(projection, field))
    return [*(_without_views(cursor, projection) if unviewed else []), *unviewed, *statements]


def _without_views(cursor: PostgresCursor, projection: Projection) -> list[str]:
    """Drops dbt's views of this table alone, and by name: one of somebody else's on them stops it and is told."""
    views = catalogue.views_on(cursor, f"lake.{projection.name}", DBT_VIEWS)
    return [f"DROP VIEW {', '.join(views)}"] if views else []


def _holds(cursor: PostgresCursor, projection: Projection, condition: str) -> bool:
    """Whether some row meets the condition."""
    cursor.execute(f"SELECT EXISTS (SELECT 1 FROM lake.{projection.name} WHERE {condition})")
    return one(cursor)


def _key(cursor: PostgresCursor, projection: Projection) -> tuple[str, ...]:
    """The columns of the table's unique constraint, in order."""
    cursor.execute(
        "SELECT a.attname::text FROM pg_constraint c CROSS JOIN unnest(c.conkey) WITH ORDINALITY k(number, position)"
        " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number"
        " WHERE c.conrelid = to_regclass(%s) AND c.contype IN ('p', 'u') ORDER BY k.position",
        (f"lake.{projection.name}",),
    )
    return tuple(name for (name,) in cursor.fetchall())


def _missing_indexes(cursor: PostgresCursor, projection: Projection) -> list[str]:
    """Declared indexes that the table lacks; others that somebody added are theirs."""
    cursor.execute(
        "SELECT array_agg(a.attname::text ORDER BY k.position) FROM pg_index i"
        " CROSS JOIN unnest(i.indkey) WITH ORDINALITY k(number, position)"
        " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number"
        " WHERE i.indrelid = to_regclass(%s) GROUP BY i.indexrelid",
        (f"lake.{projection.name}",),
    )
    existing = {tuple(columns) for (columns,) in cursor.fetchall()}
    return [
        statement
        for columns, statement in zip(projection.indexes, _indexes(projection), strict=True)
        if columns not in existing
    ]


def _made_anew(projection: Projection) -> list[str]:
    """An empty table; what was loaded into one of this name counts as never loaded."""
    forget = f"DELETE FROM lake.load_status WHERE table_name = {literal(projection.name)}"
    return [_create(projection), *_indexes(projection), *_comments(projection), forget]


def _create(projection: Projection) -> str:
    columns = [_column(field) for field in projection.fields]
    partitioned = " PARTITION BY LIST (site)" if projection.partitioned else ""
    return f"CREATE TABLE lake.{projection.name} ({', '.join([*columns, unique_key(projection)])}){partitioned}"


def unique_key(projection: Projection) -> str:
    """The constraint that makes a table's key unique; a primary key where every part of it is present."""
    columns = ", ".join(quoted(name) for name in projection.key)
    if any(projection[name].nullable for name in projection.key):
        return f"UNIQUE NULLS NOT DISTINCT ({columns})"
    return f"PRIMARY KEY ({columns})"


def index_columns(projection: Projection) -> list[str]:
    """The column lists of a table's further indexes, as `CREATE INDEX ON table` takes them."""
    return [f"({', '.join(quoted(name) for name in columns)})" for columns in projection.indexes]


def _indexes(projection: Projection) -> list[str]:
    return [f"CREATE INDEX ON lake.{projection.name} {columns}" for columns in index_columns(projection)]


def _comments(projection: Projection) -> list[str]:
    table = f"COMMENT ON TABLE lake.{projection.name} IS {literal(projection.description)}"
    return [table, *(_comment(projection, field) for field in projection.fields)]


def _comment(projection: Projection, field: Field) -> str:
    return f"COMMENT ON COLUMN lake.{projection.name}.{quoted(field.name)} IS {literal(field.description)}"


def _column(field: Field) -> str:
    return f"{quoted(field.name)} {field.type}{'' if field.nullable else ' NOT NULL'}"


def _catalogue_type(field: Field) -> str:
    return {"timestamptz": "timestamp with time zone"}.get(field.type, field.type)
