"""One SQL query on the warehouse and the marts, read only."""

from __future__ import annotations

import pyarrow as pa
from adbc_driver_manager import Error as AdbcError
from adbc_driver_manager import OperationalError, ProgrammingError
from adbc_driver_postgresql import dbapi as adbc

from so_lakehouse.errors import BadInput
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import server


def query_warehouse(settings: Settings, sql: str) -> pa.Table:
    """The result of one query. All its tables are read as of one moment, and nothing can be written.

    Raises `BadInput` where Postgres refuses the query (with its words), `Unavailable` where it does not answer.
    """
    try:
        with adbc.connect(server.uri(settings)) as connection, connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SET LOCAL timezone = 'UTC'")
            cursor.execute(sql)
            return cursor.fetch_arrow_table()
    except (ProgrammingError, OperationalError, AdbcError) as error:
        raise BadInput(str(error)) from error
