"""`so-lakehouse sql`: one query on the warehouse and marts, or with --lake on the lake's files.

Bytes, such as those of a row in quarantine, are printed as the text that they are in UTF-8, or where they are none in
base64. Lists and structs are JSON, in CSV too. Intervals are spelled as Postgres does.
"""

from __future__ import annotations

import argparse
import base64
import csv
import json
import math
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.table import Table
from rich.text import Text

from so_lakehouse.errors import BadInput
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse.query import query_warehouse

# A terminal is no place for a million rows; csv and json print all of them.
TABLE_ROWS = 200
NARROWEST = 10  # characters below which a column of a table says nothing


def main(arguments: argparse.Namespace) -> int:
    settings = Settings.from_environment()
    query = sys.stdin.read() if arguments.query == "-" else arguments.query
    result = query_lake(Lake.of(settings), query) if arguments.lake else query_warehouse(settings, query)
    PRINTERS[arguments.format](result)
    return 0


def _print_table(result: pa.Table) -> None:
    """A table; where its columns cannot stand side by side, a block for each row with a line for each column."""
    console = Console()
    if NARROWEST * result.num_columns > console.width:
        _print_blocks(console, result.slice(0, TABLE_ROWS))
    else:
        table = Table()
        for name in result.column_names:
            table.add_column(Text(name), overflow="fold")
        for row in _rows(result.slice(0, TABLE_ROWS)):
            table.add_row(*(Text("" if value is None else str(value)) for value in row))
        console.print(table)
    if result.num_rows > TABLE_ROWS:
        console.print(f"{TABLE_ROWS} of {result.num_rows:,} rows; --format csv or json prints all.")


def _print_blocks(console: Console, result: pa.Table) -> None:
    if not result.num_rows:
        console.print(f"no rows of {', '.join(result.column_names)}", soft_wrap=True, highlight=False)
    width = max(map(len, result.column_names))
    for number, row in enumerate(_rows(result), 1):
        console.print(Text(f"row {number}", style="bold"))
        for name, value in zip(result.column_names, row, strict=True):
            console.print(Text(f"  {name:<{width}}  {'' if value is None else value}"), soft_wrap=True)


def _print_csv(result: pa.Table) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(result.column_names)
    for row in _rows(result):
        writer.writerow([_json(value) if isinstance(value, list | dict) else value for value in row])


def _print_json(result: pa.Table) -> None:
    """One array of objects, a row per line, so that it streams and still parses as one document."""
    twice = sorted({name for name in result.column_names if result.column_names.count(name) > 1})
    if twice:
        raise BadInput(f"JSON cannot hold two columns of one name: {', '.join(twice)}. Name them apart with AS.")
    separator = "["
    for row in _rows(result):
        sys.stdout.write(f"{separator}{_json(dict(zip(result.column_names, row, strict=True)))}")
        separator = ",\n "
    sys.stdout.write("[]\n" if separator == "[" else "]\n")


def _json(value: Any) -> str:
    return json.dumps(_in_json(value), default=str, allow_nan=False)


def _in_json(value: Any) -> Any:
    """JSON has no number for these three: they are texts, as in Postgres."""
    if isinstance(value, dict):
        return {name: _in_json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_in_json(inner) for inner in value]
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _rows(result: pa.Table) -> Iterator[tuple[Any, ...]]:
    """By position: two columns may have one name (`select count(*), count(distinct site)`)."""
    for batch in result.to_batches():
        yield from zip(*(_values(column) for column in batch.columns), strict=True)


def _values(column: pa.Array) -> list[Any]:
    """The values as they are printed; Arrow's texts where Python has none such, as for dates beyond the year 9999."""
    try:
        values = column.to_pylist()
    except (OverflowError, ValueError) as error:
        if pa.types.is_nested(column.type):
            raise BadInput(f"A value cannot be printed ({error}). Write its column as a text: …::text") from error
        return column.cast(pa.string()).to_pylist()
    if pa.types.is_string(column.type) or (
        pa.types.is_primitive(column.type) and not pa.types.is_interval(column.type)
    ):
        return values  # nearly all columns
    return [_printed(value) for value in values]


def _printed(value: Any) -> Any:
    """Bytes and intervals as texts, in lists and structs too."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return base64.b64encode(value).decode("ascii")
    if isinstance(value, pa.MonthDayNano):
        return _interval(value)
    if isinstance(value, dict):
        return {name: _printed(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):  # a map is a list of pairs
        return [_printed(inner) for inner in value]
    return value


def _interval(value: pa.MonthDayNano) -> str:
    """As Postgres spells it: 1 year 2 mons -3 days +04:05:06.5"""
    months, days, nanoseconds = value
    years = int(months / 12)  # towards zero
    words, sign = [], ""  # after a negative part a positive one says so
    for count, unit in ((years, "year"), (months - 12 * years, "mon"), (days, "day")):
        if count:
            words.append(f"{sign if count > 0 else ''}{count} {unit}{'' if count == 1 else 's'}")
            sign = "+" if count < 0 else ""
    if nanoseconds or not words:
        minutes, left = divmod(abs(nanoseconds), 60 * 10**9)
        seconds = f"{left // 10**9:02}" + f".{left % 10**9:09}".rstrip("0").rstrip(".")
        words.append(f"{'-' if nanoseconds < 0 else sign}{minutes // 60:02}:{minutes % 60:02}:{seconds}")
    return " ".join(words)


PRINTERS = {"table": _print_table, "csv": _print_csv, "json": _print_json}
