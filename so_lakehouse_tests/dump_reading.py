"""What the reader's tests share: a file of a dump made from bytes, and everything that reading it gave.

Belongs here: making and reading one unpacked member in memory. Does not belong here: archives (`small_archives.py`).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from so_lakehouse.dumps.faults import Refused
from so_lakehouse.dumps.row_group import RowGroup
from so_lakehouse.dumps.table_reader import BLOCK_BYTES, TableReader
from so_lakehouse.dumps.tally import Tally
from so_lakehouse.schema import TABLES

DECLARATION = b'<?xml version="1.0" encoding="utf-8"?>\r\n'


@dataclass(frozen=True)
class Reading:
    """Rows without their null columns, in the file's order; refused rows; counts."""

    rows: list[dict[str, Any]]
    refused: list[Refused]
    tally: Tally

    @property
    def ids(self) -> list[int]:
        return [row["Id"] for row in self.rows]

    @property
    def reasons(self) -> list[str]:
        return [row.reason for row in self.refused]


def document(*rows: bytes, root: bytes = b"posts", before: bytes = DECLARATION, after: bytes = b"") -> bytes:
    """A file with these rows, a line each, as the publisher lays them out."""
    lines = b"".join(b"  " + row + b"\r\n" for row in rows)
    return before + b"<" + root + b">\r\n" + lines + b"</" + root + b">" + after


def read(
    content: bytes, table: str = "posts", block_bytes: int = BLOCK_BYTES, where: str = "beer: Posts.xml"
) -> Reading:
    """Reads a whole member from memory, in blocks of this size."""
    refused: list[Refused] = []
    reader = TableReader(io.BytesIO(content).readinto, TABLES[table], where, refused.append, block_bytes)
    rows: list[dict[str, Any]] = []
    for group in reader.row_groups(lambda: RowGroup(TABLES[table])):
        batch = group.batch()
        batch.validate(full=True)
        rows += [_known(row) for row in batch.to_pylist()]
    return Reading(rows, refused, reader.tally)


def read_row(row: bytes, table: str = "posts") -> Reading:
    """Reads a file with this one row."""
    return read(document(row, root=TABLES[table].root.encode()), table)


def value_of(attribute: str, spelled: bytes, table: str = "posts") -> Any:
    """What a row says of one attribute that is spelled so; None where it says nothing."""
    reading = read_row(b'<row Id="1" ' + attribute.encode() + b'="' + spelled + b'" />', table)
    assert not reading.refused, reading.refused
    return reading.rows[0].get(attribute)


def refusal_of(attribute: str, spelled: bytes, table: str = "posts") -> Refused:
    """Why a row with one attribute that is spelled so is refused."""
    reading = read_row(b'<row Id="1" ' + attribute.encode() + b'="' + spelled + b'" />', table)
    assert len(reading.refused) == 1, reading.rows
    return reading.refused[0]


def _known(row: dict[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in row.items() if value is not None}
    if "_extra" in known:
        known["_extra"] = dict(known["_extra"])
    return known


def names(values: Sequence[dict[str, Any]], column: str) -> list[Any]:
    """One column of rows."""
    return [row.get(column) for row in values]
