"""One SQL query on the warehouse and the marts, read only."""

from __future__ import annotations

import re

import adbc_driver_manager
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import StatementOptions
from adbc_driver_postgresql import dbapi as adbc

from so_lakehouse.errors import BadInput
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import server

# COPY, the driver's default, takes neither EXPLAIN nor SHOW nor a comment at the end.
_ANY_STATEMENT = {StatementOptions.USE_COPY.value: "false"}


def query_warehouse(settings: Settings, sql: str) -> pa.Table:
    """The result of one statement. All its tables are read as of one moment, and nothing can be written.

    Postgres' `numeric` comes as whole numbers where all of a column are, else as doubles; a column of dates or moments
    that holds an infinity as texts. Raises `BadInput` with Postgres' own words where it refuses the query or where the
    result has a type that Arrow lacks, `Unavailable` where it does not answer.
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
        except pa.ArrowInvalid as error:  # such as a record without names
            raise BadInput(f"A column is of a type that Arrow lacks ({error}). Write it as a text: …::text") from error


def _postgres_words(error: adbc_driver_manager.Error) -> str:
    found = re.search(r"ERROR:\s+(.*?)\s*(?:\n\nQuery was|\. SQLSTATE|$)", str(error), re.DOTALL)
    return found[1] if found else str(error)


def _plain(table: pa.Table) -> pa.Table:
    """Types that Arrow does not know arrive as named texts: numbers become numbers, the others stay texts."""
    for position, field in enumerate(table.schema):
        column = table.column(position)
        if _is_unknown(field.type):
            raise BadInput(
                f"The column {field.name} is of a type of Postgres that Arrow lacks. Write it as a text: …::text"
            )
        if isinstance(field.type, pa.OpaqueType):
            column = column.cast(field.type.storage_type)
            if field.type.type_name == "numeric":
                column = column.cast(_number(column))
        elif pa.types.is_date32(field.type) or pa.types.is_timestamp(field.type):
            column = _with_infinities(column)
        if column.type != field.type:
            table = table.set_column(position, field.name, column)
    return table


def _is_unknown(kind: pa.DataType) -> bool:
    """Whether the values are bytes as Postgres keeps them, or hold such."""
    if isinstance(kind, pa.OpaqueType):
        return pa.types.is_binary(kind.storage_type)
    return pa.types.is_nested(kind) and any(_is_unknown(kind.field(n).type) for n in range(kind.num_fields))


def _number(column: pa.ChunkedArray) -> pa.DataType:
    """The type for numbers written in decimal: exact where all are whole."""
    texts = list(map(str, column.drop_null().to_pylist()))
    if not all(re.fullmatch(r"-?\d{1,76}", text) for text in texts):
        return pa.float64()
    longest = max((len(text.lstrip("-")) for text in texts), default=0)
    return pa.int64() if longest <= 18 else pa.decimal256(76, 0)


# Postgres counts from 2000 and has its last numbers mean infinity; the driver adds the years since 1970 to them too,
# and they come out at the other end.
_INFINITIES = {
    pa.int32(): {10_957 - 2**31 - 1: "infinity", 10_957 - 2**31: "-infinity"},
    pa.int64(): {946_684_800_000_000 - 2**63 - 1: "infinity", 946_684_800_000_000 - 2**63: "-infinity"},
}


def _with_infinities(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of days or of microseconds as it is, or as texts where one of them is an infinity."""
    counted = column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64())
    words = _INFINITIES[counted.type]
    if not pc.any(pc.is_in(counted, pa.array(words, counted.type))).as_py():
        return column
    told = [words.get(number) or _text(moment) for number, moment in zip(counted.to_pylist(), column, strict=True)]
    return pa.chunked_array([pa.array(told, pa.string())])


def _text(moment: pa.Scalar) -> str | None:
    """As Python spells it, or Arrow where it has none such."""
    try:
        return str(moment.as_py()) if moment.is_valid else None
    except (OverflowError, ValueError):
        return str(moment.cast(pa.string()))
