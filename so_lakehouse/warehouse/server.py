"""Which Postgres the warehouse lives in, and how every process reaches it.

Belongs here: addresses and connections. Does not belong here: how the embedded server is kept alive (`embedded.py`),
and what the database holds (`ddl.py`). An external server (`LAKEHOUSE_POSTGRES`) and the embedded one differ in their
address alone.
"""

from __future__ import annotations

from contextlib import closing, suppress
from enum import Enum
from urllib.parse import quote

import psycopg2
from psycopg2.extensions import connection as PostgresConnection
from psycopg2.extensions import parse_dsn

from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import embedded
from so_lakehouse.warehouse.postgres_process import APPLICATION_NAME, DATABASE, SUPERUSER

# Every session reads and writes days and months in UTC, whatever the server's own zone is.
UTC = "-c timezone=UTC"

# What of an address dbt's profile does not name, by the variable that libpq reads it from: without these dbt would
# connect with less protection than was asked for.
LIBPQ_VARIABLES = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL",
    "sslcrldir": "PGSSLCRLDIR",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslsni": "PGSSLSNI",
    "sslcertmode": "PGSSLCERTMODE",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "channel_binding": "PGCHANNELBINDING",
    "require_auth": "PGREQUIREAUTH",
    "requirepeer": "PGREQUIREPEER",
    "gssencmode": "PGGSSENCMODE",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "passfile": "PGPASSFILE",
    "options": "PGOPTIONS",
}

READER = "so_lakehouse_reader"

NO_ADDRESS = (
    "is no Postgres address. Write postgresql://user:password@host:5432/database (in the password @ "
    "as %40, / as %2F, ? as %3F and % as %25), or leave it empty for the embedded server."
)


class Part(Enum):
    """Who connects; each may have a role of its own, named by the variable."""

    LOADER = "LAKEHOUSE_POSTGRES"
    DBT = "LAKEHOUSE_POSTGRES_DBT"
    READER = "LAKEHOUSE_POSTGRES_READER"


def uri(settings: Settings, part: Part = Part.LOADER) -> str:
    """libpq address (`postgresql://…`) of the warehouse, with sessions in UTC: for psycopg2, ADBC and SQLAlchemy.

    Starts the embedded server where no external one is set; it then runs at least as long as this process.
    Raises `Unavailable` where it cannot start, `BadInput` where a setting is no Postgres address.
    """
    if settings.postgres:
        variable, address = _address(settings, part)
        return _in_utc(address, variable)
    socket_folder = embedded.ensure_running(settings.postgres_folder)
    return _in_utc(f"postgresql://{SUPERUSER}@/{DATABASE}?host={quote(str(socket_folder), safe='')}")


def _address(settings: Settings, part: Part) -> tuple[str, str]:
    """The variable and address of the part's own role, or of the one that does everything."""
    own = {Part.DBT: settings.postgres_dbt, Part.READER: settings.postgres_reader}.get(part)
    return (part.value, own) if own else (Part.LOADER.value, settings.postgres)


def reader_uri(settings: Settings) -> str:
    """As `uri`, for people's own queries.

    On the embedded server, whose own account may run programs and read files, it names one that may only read tables;
    on an external server it is the account that the settings name. Raises `Unavailable` where nobody answers.
    """
    with closing(connect(settings, Part.READER)) as connection, connection, connection.cursor() as cursor:
        if settings.postgres:
            return uri(settings, Part.READER)
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (READER,))
        if not cursor.fetchone():
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('so_lakehouse.reader'))")
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (READER,))
        if not cursor.rowcount:
            cursor.execute(f"CREATE ROLE {READER} LOGIN IN ROLE pg_read_all_data")
    return uri(settings).replace(f"//{SUPERUSER}@", f"//{READER}@", 1)


def _in_utc(address: str, variable: str = Part.LOADER.value) -> str:
    """The address with sessions in UTC that say whose they are; its other options and a name of its own stay."""
    given = _parts(address, variable)
    before, _, query = address.partition("?")
    parameters = [parameter for parameter in query.split("&") if parameter and not parameter.startswith("options=")]
    if "application_name" not in given:
        parameters.append(f"application_name={quote(APPLICATION_NAME, safe='')}")
    others = given.get("options", "").removesuffix(UTC).strip()
    parameters.append(f"options={quote(f'{others} {UTC}'.strip(), safe='')}")
    return f"{before}?{'&'.join(parameters)}"


def _parts(address: str, variable: str = Part.LOADER.value) -> dict[str, str]:
    """What an address says, by libpq's names. Raises `BadInput` without libpq's words: they quote the password."""
    parts: dict[str, str] = {}
    if address.startswith(("postgresql://", "postgres://")):
        with suppress(psycopg2.ProgrammingError):
            parts = parse_dsn(address)
    # A bare @ or / in the password ends up in another part, which later messages would show.
    if not parts or "@" in parts.get("dbname", "") or not parts.get("port", "0").replace(",", "").isdigit():
        raise BadInput(f"{variable} {NO_ADDRESS}")
    return parts


def connect(settings: Settings, part: Part = Part.LOADER, *, read_only: bool = False) -> PostgresConnection:
    """A psycopg2 connection in UTC, not in autocommit; the caller closes it.

    `read_only` refuses writes and makes every transaction one repeatable-read snapshot, so that a page or a query that
    reads several tables sees them of one moment. Raises `Unavailable` where the server does not answer.
    """
    address = uri(settings, part)
    try:
        connection = psycopg2.connect(address)
    except psycopg2.OperationalError as error:
        parts = parse_dsn(address)
        where = (
            f"{parts.get('host', 'localhost')}:{parts.get('port', '5432')}"  # never the address: it may hold a password
        )
        said = " ".join(str(error).split())
        raise Unavailable(
            f"Postgres does not answer at {where}: {said} Start it, or correct {_address(settings, part)[0]}."
        ) from None
    if read_only:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    return connection


def stop(settings: Settings) -> bool:
    """Stops the embedded server where only this process uses it; False where it does not run or is not ours.

    Nobody needs this in the normal course: the last process to end stops it. Raises `Unavailable` where it is in use.
    """
    return not settings.postgres and embedded.stop(settings.postgres_folder)


def dbt_environment(settings: Settings) -> dict[str, str]:
    """The variables that `dbt_project/profiles.yml` reads: host (or socket folder), port, user, password, database;
    and those by which libpq takes over what else the address says of the connection's protection and session."""
    parts = _parts(uri(settings, Part.DBT))
    named = {
        "SO_LAKEHOUSE_PG_HOST": parts.get("host", "localhost"),
        "SO_LAKEHOUSE_PG_PORT": parts.get("port", "5432"),
        "SO_LAKEHOUSE_PG_USER": parts.get("user", "postgres"),
        "SO_LAKEHOUSE_PG_PASSWORD": parts.get("password", ""),
        "SO_LAKEHOUSE_PG_DBNAME": parts.get("dbname", "postgres"),
    }
    return named | {variable: parts[name] for name, variable in LIBPQ_VARIABLES.items() if name in parts}
