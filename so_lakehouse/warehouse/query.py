"""One SQL query on the warehouse and the marts, read only."""

from __future__ import annotations

import re

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_postgresql import StatementOptions
from adbc_driver_postgresql import dbapi as adbc

from so_lakehouse.errors import BadInput
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import server

# COPY, the driver's default, takes neither EXPLAIN nor SHOW nor a comment at the end.
_ANY_STATEMENT = {StatementOptions.USE_COPY.value: "false"}


def query_warehouse(settings: Settings, sql: str) -> pa.Table:
    """The result of one statement. All its tables are read as of one moment, and nothing can be written.

    Postgres' `numeric` comes as whole numbers where all of a column are, else as doubles. Raises `BadInput` with
    Postgres' own words where it refuses the query, `Unavailable` where it does not answer.
    """
    if not sql.strip():
        raise BadInput("There is no query. Write one, such as: select * from marts.activity_month")
    with (
        adbc.connect(server.reader_uri(settings)) as connection,
        connection.cursor(adbc_stmt_kwargs=_ANY_STATEMENT) as cursor,
    ):
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            cursor.execute(sql)
            return _plain(cursor.fetch_arrow_table())
        except adbc_driver_manager.Error as error:
            raise BadInput(_postgres_words(error)) from error


def _postgres_words(error: adbc_driver_manager.Error) -> str:
    found = re.search(r"ERROR:\s+(.*?)\s*(?:\n\nQuery was|\. SQLSTATE|$)", str(error), re.DOTALL)
    return found[1] if found else str(error)


def _plain(table: pa.Table) -> pa.Table:
    """Types that Arrow does not know arrive as named texts: numbers become numbers, the others stay texts."""
    for position, field in enumerate(table.schema):
        if isinstance(field.type, pa.OpaqueType):
            column = table.column(position).cast(field.type.storage_type)
            if field.type.type_name == "numeric":
                column = column.cast(pa.int64() if _all_whole(column) else pa.float64())
            table = table.set_column(position, field.name, column)
    return table


def _all_whole(column: pa.ChunkedArray) -> bool:
    """Whether every number, written in decimal, fits a whole number of 64 bits."""
    texts = column.drop_null().to_pylist()
    return all(re.fullmatch(r"-?\d{1,18}", str(text)) for text in texts)
