"""Which role may do what in the warehouse's database, and how a database comes to be so.

Belongs here: ownership and rights. Does not belong here: passwords and other databases (`stack/postgres.py`), tables
(`ddl.py`). Run as the database's administrator, again after every upgrade; what is as it should be stays.
"""

from __future__ import annotations

from collections.abc import Iterator

from psycopg2.extensions import connection as PostgresConnection
from psycopg2.extensions import cursor as PostgresCursor

from so_lakehouse.sql import literal, quoted
from so_lakehouse.warehouse import ddl

LOADER = "so_lakehouse_loader"
DBT = "so_lakehouse_dbt"
READER = "so_lakehouse_reader"
DASHBOARD = "so_lakehouse_dashboard"

# Who makes, alters and drops what is in a schema.
OWNERS = {
    LOADER: ("lake", "lake_partition"),
    DBT: ("staging", "intermediate", "core", "marts_build", "marts", "test_failures"),
}

# People of one role would end each other's sessions. Who works ends its own (dbt does where somebody stops it).
ENDING_SESSIONS = "FUNCTION pg_terminate_backend(int, bigint), pg_cancel_backend(int)"

DASHBOARD_SECONDS = 30  # a page that waits longer than this has lost its reader


def arrange(connection: PostgresConnection) -> None:
    """Gives an administrator's database the form of this release, each schema its owner and each role its rights.

    The roles exist. Raises `BadInput` as `ddl.prepare` does.
    """
    ddl.prepare(connection)
    with connection, connection.cursor() as cursor:
        for owner, schemas in OWNERS.items():
            for schema in schemas:
                cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner}")
                for statement in list(_given_to(cursor, owner, schema)):
                    cursor.execute(statement)
        for statement in _rights(connection.info.dbname):
            cursor.execute(statement)


def _given_to(cursor: PostgresCursor, owner: str, schema: str) -> Iterator[str]:
    """What of a schema belongs to somebody else. A table's own sequences and indexes go with it."""
    cursor.execute("SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = %s", (schema,))
    if cursor.fetchall() != [(owner,)]:
        yield f"ALTER SCHEMA {schema} OWNER TO {owner}"
    cursor.execute(
        "SELECT relname, relkind FROM pg_class WHERE relnamespace = to_regnamespace(%s)"
        " AND relkind IN ('r', 'p', 'v') AND pg_get_userbyid(relowner) <> %s",
        (schema, owner),
    )
    for name, kind in cursor.fetchall():
        yield f"ALTER {'VIEW' if kind == 'v' else 'TABLE'} {schema}.{quoted(name)} OWNER TO {owner}"


def _rights(database: str) -> list[str]:
    """Everything that a role may besides its own; granting it again changes nothing."""
    named = quoted(database)
    return [
        f"REVOKE ALL ON DATABASE {named} FROM PUBLIC",
        f"GRANT CONNECT ON DATABASE {named} TO {LOADER}, {DBT}, {READER}, {DASHBOARD}",
        f"GRANT TEMPORARY ON DATABASE {named} TO {LOADER}, {DBT}",
        f"GRANT CREATE ON DATABASE {named} TO {DBT}",  # dbt asks for its schemas at every start
        f"REVOKE EXECUTE ON {ENDING_SESSIONS} FROM PUBLIC",
        f"GRANT EXECUTE ON {ENDING_SESSIONS} TO {LOADER}, {DBT}",
        f"GRANT USAGE ON SCHEMA lake TO {DBT}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA lake TO {DBT}",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {LOADER} IN SCHEMA lake GRANT SELECT ON TABLES TO {DBT}",
        f"GRANT INSERT, UPDATE, DELETE ON lake.mart_build TO {DBT}",
        f"GRANT pg_read_all_data TO {READER}",
        f"ALTER ROLE {READER} SET default_transaction_read_only = on",
        f"GRANT USAGE ON SCHEMA marts TO {DASHBOARD}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA marts TO {DASHBOARD}",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {DBT} IN SCHEMA marts GRANT SELECT ON TABLES TO {DASHBOARD}",
        f"ALTER ROLE {DASHBOARD} SET statement_timeout = {literal(f'{DASHBOARD_SECONDS}s')}",
        f"ALTER ROLE {DASHBOARD} SET default_transaction_read_only = on",
    ]
