"""Which Postgres the warehouse lives in, and how every process reaches it.

Belongs here: addresses and connections. Does not belong here: how the embedded server is kept alive (`embedded.py`),
and what the database holds (`ddl.py`). An external server (`LAKEHOUSE_POSTGRES`) and the embedded one differ in their
address alone.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

import psycopg2
from psycopg2.extensions import connection as PostgresConnection
from psycopg2.extensions import parse_dsn

from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import embedded
from so_lakehouse.warehouse.postgres_process import APPLICATION_NAME, DATABASE, SUPERUSER

# Every session reads and writes days and months in UTC, whatever the server's own zone is, and says whose it is.
SESSION = {"options": "-c timezone=UTC", "application_name": APPLICATION_NAME}


def uri(settings: Settings) -> str:
    """libpq address (`postgresql://…`) of the warehouse, with sessions in UTC: for psycopg2, ADBC and SQLAlchemy.

    Starts the embedded server where no external one is set; it then runs at least as long as this process.
    Raises `Unavailable` where it cannot start, `BadInput` where `LAKEHOUSE_POSTGRES` is no Postgres address.
    """
    if settings.postgres:
        address, parameters = settings.postgres, _missing_from(settings.postgres, SESSION)
    else:
        socket_folder = embedded.ensure_running(settings.postgres_folder)
        address = f"postgresql://{SUPERUSER}@/{DATABASE}"
        parameters = {"host": str(socket_folder)} | SESSION
    return f"{address}{'&' if '?' in address else '?'}{urlencode(parameters, quote_via=quote)}"


def _missing_from(address: str, parameters: dict[str, str]) -> dict[str, str]:
    """The parameters that an address of the user's does not set itself."""
    try:
        given = parse_dsn(address)
    except psycopg2.ProgrammingError as error:
        raise BadInput(f"LAKEHOUSE_POSTGRES is no Postgres address: {str(error).strip()}. {_EXAMPLE}") from None
    if not address.startswith(("postgresql://", "postgres://")):
        raise BadInput(f"LAKEHOUSE_POSTGRES is no address. {_EXAMPLE}")
    return {name: value for name, value in parameters.items() if name not in given}


_EXAMPLE = "Write postgresql://user:password@host:5432/database, or leave it empty for the embedded server."


def connect(settings: Settings, *, read_only: bool = False) -> PostgresConnection:
    """A psycopg2 connection in UTC, not in autocommit; the caller closes it.

    `read_only` refuses writes and makes every transaction one repeatable-read snapshot, so that a page or a query that
    reads several tables sees them of one moment. Raises `Unavailable` where the server does not answer.
    """
    address = uri(settings)
    try:
        connection = psycopg2.connect(address)
    except psycopg2.OperationalError as error:
        parts = parse_dsn(address)
        where = (
            f"{parts.get('host', 'localhost')}:{parts.get('port', '5432')}"  # never the address: it may hold a password
        )
        said = " ".join(str(error).split())
        raise Unavailable(
            f"Postgres does not answer at {where}: {said} Start it, or correct LAKEHOUSE_POSTGRES."
        ) from error
    if read_only:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    return connection


def stop(settings: Settings) -> bool:
    """Stops the embedded server where only this process uses it; False where it does not run or is not ours.

    Nobody needs this in the normal course: the last process to end stops it. Raises `Unavailable` where it is in use.
    """
    return not settings.postgres and embedded.stop(settings.postgres_folder)


def dbt_environment(settings: Settings) -> dict[str, str]:
    """The variables that `dbt_project/profiles.yml` reads: host (or socket folder), port, user, password, database."""
    parts = parse_dsn(uri(settings))
    return {
        "SO_LAKEHOUSE_PG_HOST": parts.get("host", "localhost"),
        "SO_LAKEHOUSE_PG_PORT": parts.get("port", "5432"),
        "SO_LAKEHOUSE_PG_USER": parts.get("user", "postgres"),
        "SO_LAKEHOUSE_PG_PASSWORD": parts.get("password", ""),
        "SO_LAKEHOUSE_PG_DBNAME": parts.get("dbname", "postgres"),
    }
