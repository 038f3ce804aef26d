"""The warehouse's tables in Postgres: created from the declared projection, brought up to date when it changes.

Belongs here: what exists in schema `lake` and how an older database becomes today's. Does not belong here: rows.

Two ways lead from an older release to this one. What the projection declares (columns, types, nullability, indexes,
descriptions) is compared with the database and altered; the loader then reloads each site, because the projection's
fingerprint in `lake.load_status` no longer fits. What a comparison cannot tell (bookkeeping tables, a rename) is a
numbered entry of `MIGRATIONS`, applied once and recorded in `lake.migration`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from psycopg2.extensions import connection as PostgresConnection
from psycopg2.extensions import cursor as PostgresCursor

from so_lakehouse.warehouse.projection import PROJECTIONS, Field, Projection


@dataclass(frozen=True)
class Migration:
    """One step that is applied once, in the order of `number`; never edited after a release."""

    number: int
    reason: str
    statements: tuple[str, ...]


MIGRATIONS: tuple[Migration, ...] = (
    Migration(
        1,
        "Schemas and the loader's bookkeeping",
        (
            "CREATE SCHEMA IF NOT EXISTS lake_partition",
            "COMMENT ON SCHEMA lake IS 'The projection of silver: current facts, no texts, nothing personal.'",
            "COMMENT ON SCHEMA lake_partition IS 'The partitions of lake''s large tables, one per site: read lake.'",
            """CREATE TABLE lake.load_status (
                 site text NOT NULL,
                 table_name text NOT NULL,
                 lake_table_id text NOT NULL,
                 lake_version bigint NOT NULL,
                 data_version text NOT NULL,
                 projection text NOT NULL,
                 rows bigint NOT NULL,
                 complete_to timestamptz,
                 load_id bigint NOT NULL,
                 loaded_at timestamptz NOT NULL DEFAULT now(),
                 PRIMARY KEY (site, table_name))""",
            "COMMENT ON TABLE lake.load_status IS 'What of silver each site''s tables hold.'",
            "COMMENT ON COLUMN lake.load_status.lake_table_id IS 'Identity of the Delta table; another one: reload.'",
            "COMMENT ON COLUMN lake.load_status.lake_version IS 'Version of the Delta table that was read.'",
            "COMMENT ON COLUMN lake.load_status.data_version IS 'Version of this site''s data in it.'",
            "COMMENT ON COLUMN lake.load_status.projection IS 'Fingerprint of the projection that was applied.'",
            "COMMENT ON COLUMN lake.load_status.rows IS 'Rows of this site in this table.'",
            "COMMENT ON COLUMN lake.load_status.complete_to IS 'No gap in presence up to here, UTC.'",
            "COMMENT ON COLUMN lake.load_status.load_id IS 'The load that last changed rows.'",
            """CREATE TABLE lake.changed (
                 site text NOT NULL,
                 table_name text NOT NULL,
                 month date,
                 load_id bigint NOT NULL,
                 UNIQUE NULLS NOT DISTINCT (site, table_name, load_id, month))""",
            "CREATE INDEX ON lake.changed (load_id)",
            "COMMENT ON TABLE lake.changed IS 'Which months each load changed, deletions included. Rows of posts name"
            " the month of creation of every post in a thread touched by a changed post, tag or vote.'",
            "COMMENT ON COLUMN lake.changed.month IS 'First day of the month; absent for tables without a date.'",
            "COMMENT ON COLUMN lake.changed.load_id IS 'Grows in the order in which loads became visible.'",
        ),
    ),
    Migration(
        2,
        "Builds of the marts, and which of them readers see",
        (
            "CREATE SCHEMA IF NOT EXISTS marts",
            "CREATE SCHEMA IF NOT EXISTS marts_build",
            "COMMENT ON SCHEMA marts IS 'Aggregates for everybody: whole builds with every test green.'",
            "COMMENT ON SCHEMA marts_build IS 'Where dbt builds the marts: read schema marts instead.'",
            """CREATE TABLE lake.mart_build (
                 number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                 build_id text NOT NULL UNIQUE,
                 load_id bigint NOT NULL,
                 begun_at timestamptz NOT NULL DEFAULT now(),
                 finished_at timestamptz,
                 published_at timestamptz)""",
            "COMMENT ON TABLE lake.mart_build IS 'Builds of the marts; finished means every test was green.'",
            """CREATE TABLE marts.build (
                 build_id text PRIMARY KEY,
                 load_id bigint NOT NULL,
                 published_at timestamptz NOT NULL,
                 marts text[] NOT NULL)""",
            "COMMENT ON TABLE marts.build IS 'Builds as they were published; the newest is what the marts hold.'",
            "COMMENT ON COLUMN marts.build.load_id IS 'The newest load of the warehouse that the build read.'",
        ),
    ),
)

PARTITION_SCHEMA = "lake_partition"


def quoted(name: str) -> str:
    """A name as a Postgres identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a Postgres literal, for statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"


def fingerprint(projection: Projection) -> str:
    """Names what a projection makes of silver: another one means that the rows must be made again."""
    made = [(field.name, field.type, field.expression) for field in projection.fields]
    return hashlib.sha256(repr((made, projection.key, projection.measures)).encode()).hexdigest()[:12]


def prepare(connection: PostgresConnection) -> list[str]:
    """Brings the database to what this release declares, in one transaction; returns the statements that were needed.

    Safe to call from several processes at once and before every load: an up-to-date database is only looked at.
    """
    applied: list[str] = []
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('so_lakehouse.ddl'))")
        cursor.execute("SELECT to_regclass('lake.migration') IS NOT NULL")
        if not _one(cursor):
            cursor.execute("CREATE SCHEMA IF NOT EXISTS lake")
            cursor.execute(
                "CREATE TABLE lake.migration (number integer PRIMARY KEY, reason text NOT NULL,"
                " applied_at timestamptz NOT NULL DEFAULT now())"
            )
        cursor.execute("SELECT coalesce(max(number), 0) FROM lake.migration")
        newest = _one(cursor)
        for migration in MIGRATIONS:
            if migration.number > newest:
                applied.extend(migration.statements)
                for statement in migration.statements:
                    cursor.execute(statement)
                cursor.execute(
                    "INSERT INTO lake.migration (number, reason) VALUES (%s, %s)", (migration.number, migration.reason)
                )
        for projection in PROJECTIONS.values():
            for statement in _statements(cursor, projection):
                cursor.execute(statement)
                applied.append(statement)
    return applied


def _statements(cursor: PostgresCursor, projection: Projection) -> list[str]:
    """What must be run to make the table as it is declared."""
    cursor.execute(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum)"
        " FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
        (f"lake.{projection.name}",),
    )
    existing = {name: (kind, required, comment) for name, kind, required, comment in cursor.fetchall()}
    if not existing:
        return [_create(projection), *_indexes(projection), *_comments(projection)]
    table = f"ALTER TABLE lake.{projection.name}"
    statements = [f"{table} DROP COLUMN {quoted(name)}" for name in existing if name not in projection.field_names]
    for field in projection.fields:
        name = quoted(field.name)
        if field.name not in existing:
            statements.append(f"{table} ADD COLUMN {_column(field)}")
            statements.append(_comment(projection, field))
            continue
        kind, required, comment = existing[field.name]
        if kind != _catalogue_type(field):
            statements.append(f"{table} ALTER COLUMN {name} TYPE {field.type} USING {name}::{field.type}")
        if required == field.nullable:
            statements.append(f"{table} ALTER COLUMN {name} {'DROP' if field.nullable else 'SET'} NOT NULL")
        if comment != field.description:
            statements.append(_comment(projection, field))
    return statements + _missing_indexes(cursor, projection)


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


def _one(cursor: PostgresCursor):
    row = cursor.fetchone()
    assert row is not None, "a query without a row where one is certain"
    return row[0]
