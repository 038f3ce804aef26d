"""`so-lakehouse sql`: one query on the warehouse and marts, or with --lake on the lake's files."""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Iterator
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
    width = max(map(len, result.column_names))
    for number, row in enumerate(_rows(result), 1):
        console.print(Text(f"row {number}", style="bold"))
        for name, value in zip(result.column_names, row, strict=True):
            console.print(Text(f"  {name:<{width}}  {'' if value is None else value}"), soft_wrap=True)


def _print_csv(result: pa.Table) -> None:
    writer = csv.writer(sys.stdout)
    writer.writerow(result.column_names)
    for row in _rows(result):
        writer.writerow([json.dumps(value) if isinstance(value, list) else value for value in row])


def _print_json(result: pa.Table) -> None:
    """One array of objects, a row per line, so that it streams and still parses as one document."""
    twice = sorted({name for name in result.column_names if result.column_names.count(name) > 1})
    if twice:
        raise BadInput(f"JSON cannot hold two columns of one name: {', '.join(twice)}. Name them apart with AS.")
    separator = "["
    for row in _rows(result):
        values = {name: _in_json(value) for name, value in zip(result.column_names, row, strict=True)}
        sys.stdout.write(f"{separator}{json.dumps(values, default=str, allow_nan=False)}")
        separator = ",\n "
    sys.stdout.write("[]\n" if separator == "[" else "]\n")


def _in_json(value: Any) -> Any:
    """JSON has no number for these three: they are texts, as in Postgres."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _rows(result: pa.Table) -> Iterator[tuple[Any, ...]]:
    """By position: two columns may have one name (`select count(*), count(distinct site)`)."""
    for batch in result.to_batches():
        yield from zip(*(_values(column) for column in batch.columns), strict=True)


def _values(column: pa.Array) -> list[Any]:
    """The values; as Arrow's texts where Python has none such, as for dates beyond the year 9999."""
    try:
        return column.to_pylist()
    except (OverflowError, ValueError):
        return column.cast(pa.string()).to_pylist()


PRINTERS = {"table": _print_table, "csv": _print_csv, "json": _print_json}
