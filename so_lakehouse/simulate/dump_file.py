"""One XML file of a dump, byte for byte as the publisher's writer makes it.

Source: the archives of 2014-2023 (a test compares): BOM, declaration, root, one `<row … />` per line with the
attributes in the schema's order, absent where null, no line end after the closing root; `& < > "` and control
characters escaped, nothing else.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from so_lakehouse.schema import Table
from so_lakehouse.simulate.quirks import Quirks
from so_lakehouse.simulate.snapshot import Row

# In the publisher's order of frequency. Characters below U+0020 are upper-case hexadecimal references, so that a
# value never holds a line end; but a tab stands as it is (in real PostHistory.xml), and a parser that follows the
# letter of XML makes it a space. Replacing one character after the other is four times as fast as `str.translate`;
# `&` must be the first.
_MARKUP = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("\n", "&#xA;"), ("\r", "&#xD;"))
_RARE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")

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
    for character, reference in _MARKUP:
        if character in text:
            text = text.replace(character, reference)
    return _RARE.sub(lambda found: f"&#x{ord(found[0]):X};", text)


def _attributes(row: Row, columns: list[str], quirks: Quirks) -> str:
    return " ".join([f'{name}="{_spelled(name, row[name], quirks)}"' for name in columns if row.get(name) is not None])


def _spelled(name: str, value: object, quirks: Quirks) -> str:
    if isinstance(value, int):  # and True, False
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, tuple):
        text = f"|{'|'.join(value)}|" if quirks.tag_notation == "||" else "".join(f"<{tag}>" for tag in value)
        return escaped(text)
    if name == "RevisionGUID":
        return str(value).upper() if quirks.guid_upper_case else str(value)
    return escaped(str(value))
