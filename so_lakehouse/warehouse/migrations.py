"""Numbered migrations of the warehouse's database: what a comparison with the projection cannot tell.

Belongs here: the loader's bookkeeping, schemas, a rename. Does not belong here: tables of the projection (`ddl.py`).
A migration is applied once, in the order of its number, and recorded in `lake.migration`.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg2.extensions import cursor as PostgresCursor

from so_lakehouse.errors import BadInput
from so_lakehouse.warehouse.catalogue import one


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
    Migration(
        3,
        "Which releases gave schema lake its form",
        (
            "CREATE TABLE lake.release (release text PRIMARY KEY, since timestamptz NOT NULL DEFAULT now())",
            "COMMENT ON TABLE lake.release IS 'Releases that altered schema lake; older ones leave it alone.'",
        ),
    ),
    Migration(
        4,
        "What a build of the marts is made of and gives, and loads that were refused",
        (
            "ALTER TABLE lake.mart_build ADD COLUMN made_of text, ADD COLUMN marts text[]",
            "COMMENT ON COLUMN lake.mart_build.made_of IS 'Fingerprint of the loads and of dbt''s project; the same one"
            " again needs no build.'",
            "COMMENT ON COLUMN lake.mart_build.marts IS 'The marts that this build gives.'",
            "COMMENT ON COLUMN marts.build.load_id IS 'The newest load when the build began: it and all before it are"
            " in the marts.'",
            """CREATE TABLE lake.refused (
                 site text NOT NULL,
                 table_name text NOT NULL,
                 check_name text NOT NULL,
                 detail text NOT NULL,
                 refused_at timestamptz NOT NULL DEFAULT now(),
                 PRIMARY KEY (site, table_name, check_name))""",
            "COMMENT ON TABLE lake.refused IS 'Checks that stopped the last load of a site; nothing of it is here.'",
        ),
    ),
    Migration(
        5,
        "Who may write which part of a lake in an object store",
        (
            # It may be there: before this migration, whoever took the first lock made it.
            """CREATE TABLE IF NOT EXISTS lake.writer (
                 lake text NOT NULL,
                 part text NOT NULL,
                 holder text NOT NULL,
                 renewed bigint NOT NULL DEFAULT 0,
                 renewed_at timestamptz NOT NULL DEFAULT now(),
                 told jsonb NOT NULL,
                 PRIMARY KEY (lake, part))""",
            "COMMENT ON TABLE lake.writer IS 'Write locks of lakes in object stores; a row that is there is held.'",
            "COMMENT ON COLUMN lake.writer.renewed IS 'How often the holder has said that it goes on.'",
            "COMMENT ON COLUMN lake.writer.told IS 'The holder, for people and for who waits: process, machine, work.'",
        ),
    ),
    Migration(
        6,
        "How far counters are whole, beside rows",
        (
            "ALTER TABLE lake.load_status ADD COLUMN counters_complete_to timestamptz",
            # Until now both were the cut of the newest dump.
            "UPDATE lake.load_status SET counters_complete_to = complete_to",
            "COMMENT ON COLUMN lake.load_status.complete_to IS 'Rows are whole up to here, UTC.'",
            "COMMENT ON COLUMN lake.load_status.counters_complete_to IS 'Counters are whole up to here, UTC: the newest"
            " dump''s cut.'",
        ),
    ),
)

# Held by whoever brings a database up, in the transaction that does it.
LOCK = "SELECT pg_advisory_xact_lock(hashtext('so_lakehouse.ddl'))"

LEFT_ALONE = (
    "Nothing was changed. Use that release or a newer one (git pull, make setup), or point LAKEHOUSE_POSTGRES at a "
    "database of its own."
)


def bring_up(cursor: PostgresCursor) -> list[str]:
    """Applies what this database has not had yet; returns the statements. The caller holds `LOCK` and commits.

    Raises `BadInput` where the database has had migrations that this release does not know.
    """
    cursor.execute("SELECT to_regclass('lake.migration') IS NOT NULL")
    if not one(cursor):
        cursor.execute("CREATE SCHEMA IF NOT EXISTS lake")
        cursor.execute(
            "CREATE TABLE lake.migration (number integer PRIMARY KEY, reason text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
    cursor.execute("SELECT coalesce(max(number), 0) FROM lake.migration")
    newest, known = one(cursor), MIGRATIONS[-1].number
    if newest > known:
        raise BadInput(
            f"The warehouse has had migration {newest}, and this release of so_lakehouse knows {known}: a newer one "
            f"made it. {LEFT_ALONE}"
        )
    applied: list[str] = []
    for migration in MIGRATIONS:
        if migration.number > newest:
            for statement in migration.statements:
                cursor.execute(statement)
            cursor.execute(
                "INSERT INTO lake.migration (number, reason) VALUES (%s, %s)", (migration.number, migration.reason)
            )
            applied.extend(migration.statements)
    return applied
