"""The stack's Postgres: one server, a database for each use, a role for each part.

Belongs here: databases, roles' passwords, and the server as a native process. Does not belong here: what roles may do
in the warehouse (`warehouse/roles.py`).
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from contextlib import closing
from urllib.parse import quote

import psycopg2
from psycopg2.extensions import connection as PostgresConnection
from psycopg2.extensions import encrypt_password

from so_lakehouse.errors import Unavailable
from so_lakehouse.settings import Settings
from so_lakehouse.sql import literal
from so_lakehouse.stack.network import MACHINE, Network
from so_lakehouse.stack.ports import Port
from so_lakehouse.stack.process import Service
from so_lakehouse.warehouse import roles
from so_lakehouse.warehouse.postgres_process import SUPERUSER, PostgresProcess, as_account

FAST_SHUTDOWN = signal.SIGINT  # SIGTERM waits until every client has left

WAREHOUSE = "lakehouse"
DAGSTER = "dagster"
METASTORE = "metastore"

# Role → its secret, and the database that it connects to.
ROLES = {
    roles.LOADER: ("postgres_loader", WAREHOUSE),
    roles.DBT: ("postgres_dbt", WAREHOUSE),
    roles.READER: ("postgres_reader", WAREHOUSE),
    roles.DASHBOARD: ("postgres_dashboard", WAREHOUSE),
    "so_lakehouse_dagster": ("postgres_dagster", DAGSTER),
    "so_lakehouse_metastore": ("postgres_metastore", METASTORE),
}
OWNED = {DAGSTER: "so_lakehouse_dagster", METASTORE: "so_lakehouse_metastore"}


def address(settings: Settings, secrets: Mapping[str, str], role: str) -> str:
    """libpq address of one role."""
    secret, database = ROLES[role]
    return Network(settings).postgres(role, secrets[secret], database)


def admin_address(settings: Settings, secrets: Mapping[str, str], database: str = "postgres") -> str:
    """As the superuser: over the private socket of a native server, with the password among containers."""
    if settings.stack_network == MACHINE:
        folder = quote(str(_process(settings).socket_folder), safe="")
        return f"postgresql://{SUPERUSER}@/{database}?host={folder}&port={settings.stack_postgres_port}"
    return Network(settings).postgres(SUPERUSER, secrets["postgres_admin"], database)


def service(settings: Settings, prepare_databases: Callable[[], None]) -> Service:
    """The server of the wheel, over TCP with passwords; `prepare_databases` runs once it answers."""
    process = _process(settings)
    return Service(
        name="postgres",
        command=lambda: as_account(process.command()),
        ports=[Port(settings.stack_postgres_port, "LAKEHOUSE_STACK_POSTGRES_PORT")],
        healthy=process.answers,
        prepare=process.prepare,
        started=prepare_databases,
        stop_signal=FAST_SHUTDOWN,
    )


def set_up(settings: Settings, secrets: Mapping[str, str]) -> None:
    """Makes databases, roles and rights; what is there and right stays as it is. A changed password is taken over."""
    with closing(_connect(admin_address(settings, secrets))) as admin:
        admin.autocommit = True
        for role, (secret, _) in ROLES.items():
            _make_role(admin, role, secrets[secret])
        for database in (WAREHOUSE, DAGSTER, METASTORE):
            _make_database(admin, database)
        with admin.cursor() as cursor:  # in these a role could do what is taken from it in its own
            cursor.execute("REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC")
    for role in ROLES:
        _take_over_password(settings, secrets, role)
    with closing(_connect(admin_address(settings, secrets, WAREHOUSE))) as admin:
        roles.arrange(admin)


def _make_role(admin: PostgresConnection, role: str, password: str) -> None:
    with admin.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,))
        if not cursor.fetchone():
            cursor.execute(f"CREATE ROLE {role} LOGIN PASSWORD {_verifier(admin, role, password)}")


def _make_database(admin: PostgresConnection, database: str) -> None:
    with admin.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
        if not cursor.fetchone():
            cursor.execute(f"CREATE DATABASE {database}")
        cursor.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
        if owner := OWNED.get(database):
            cursor.execute(f"ALTER DATABASE {database} OWNER TO {owner}")


def _take_over_password(settings: Settings, secrets: Mapping[str, str], role: str) -> None:
    """Only where the role cannot log in with it: setting a password anew writes another verifier each time."""
    try:
        psycopg2.connect(address(settings, secrets, role)).close()
    except psycopg2.OperationalError as error:
        if "password authentication failed" not in str(error):
            return  # it may not yet connect to the warehouse; its password is right
        with closing(_connect(admin_address(settings, secrets))) as admin, admin, admin.cursor() as cursor:
            cursor.execute(f"ALTER ROLE {role} PASSWORD {_verifier(admin, role, secrets[ROLES[role][0]])}")


def _verifier(admin: PostgresConnection, role: str, password: str) -> str:
    """What the server keeps instead of the password, made here, so that no log of statements shows it."""
    return literal(encrypt_password(password, role, scope=admin, algorithm="scram-sha-256"))


def _connect(where: str) -> PostgresConnection:
    try:
        return psycopg2.connect(where)
    except psycopg2.OperationalError as error:
        said = " ".join(str(error).split())
        raise Unavailable(f"The stack's Postgres does not let its administrator in: {said}") from None


def _process(settings: Settings) -> PostgresProcess:
    return PostgresProcess((settings.stack_folder / "postgres").resolve(), settings.stack_postgres_port)
