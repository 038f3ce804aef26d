"""One XML file of a dump, byte for byte as the publisher's writer makes it.

Source: the archives of 2014-2023 (a test compares): BOM, declaration, root, one `<row … />` per line with the
attributes in the schema's order, absent where null, no line end after the closing root; `& < > "` and control
characters escaped, nothing else.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from so_lakehouse.schema import Table
from so_lakehouse.simulate.quirks import Quirks
from so_lakehouse.simulate.snapshot import Row

# Characters below U+0020 are upper-case hexadecimal references, so that a value never holds a line end; but a tab
# stands as it is (in real PostHistory.xml), and a parser that follows the letter of XML turns it into a space.
_ESCAPES = {code: f"&#x{code:X};" for code in range(0x20) if chr(code) != "\t"}
_ESCAPES |= {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;"}

LICENCE_COMMENT = (
    "<!--",
    "  SIMULATED data of the project so_lakehouse. No person or post in it is real.",
    "  Its form follows the Stack Exchange data dump; its content is free of rights (CC0).",
    "-->",
)


def write_dump_file(path: Path, table: Table, rows: Iterable[Row], quirks: Quirks) -> int:
    """Writes all rows of a table to `path`, as they come; returns how many. Constant memory."""
    count = 0
    end = quirks.line_end
    with path.open("wb", buffering=1 << 20) as file:
        if quirks.byte_order_mark:
            file.write(codecs.BOM_UTF16_LE if quirks.encoding == "utf-16-le" else codecs.BOM_UTF8)

        def write(line: str) -> None:
            file.write(line.encode(quirks.encoding))

        write(f'<?xml version="1.0" encoding="{quirks.encoding.removesuffix("-le")}"?>{end}')
        if quirks.licence_comment:
            write(end.join(LICENCE_COMMENT) + end)
        write(f"<{table.root}>{end}")
        columns = [name for name in table.column_names if name not in quirks.omitted_columns]
        for row in rows:
            write(f"{quirks.indent}<row {_attributes(row, columns, quirks)} />{end}")
            count += 1
        write(f"</{table.root}>")
    return count


def escaped(text: str) -> str:
    """An attribute's text as the publisher writes it."""
    return text.translate(_ESCAPES)


def _attributes(row: Row, columns: list[str], quirks: Quirks) -> str:
    written = ((name, row.get(name)) for name in columns)
    return " ".join(
        f'{name}="{escaped(_spelled(name, value, quirks))}"' for name, value in written if value is not None
    )


def _spelled(name: str, value: object, quirks: Quirks) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, tuple):
        return f"|{'|'.join(value)}|" if quirks.tag_notation == "||" else "".join(f"<{tag}>" for tag in value)
    if name == "RevisionGUID" and quirks.guid_upper_case:
        return str(value).upper()
    return str(value)
