"""Random files of a dump: legal ones with what they mean, and damaged ones with what must still hold.

Belongs here: generation from a seed and judging by the standard library's XML parser. The tests are in
`unit/test_reader_differential.py`; under bounds checks they are run once more by `unit/test_reader_bounds.py`.
"""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta
from typing import Any

from so_lakehouse.dumps.faults import Refused
from so_lakehouse.errors import BadInput
from so_lakehouse.schema import TABLES, Column, Table, Type
from so_lakehouse_tests.dump_reading import Reading, document, read

INTEGERS = {Type.SMALLINT: 2**15, Type.INTEGER: 2**31, Type.BIGINT: 2**63}
NAMED = {"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "'": "&apos;"}
ALPHABETS = (
    "abcdefghij ",
    "<>&\"'",
    "\n\t\r",
    "äßλЖ中日\u0080\u07ff\u0800\ud7ff\ue000\ufffd",
    "😀\U00010000\U0010ffff",
    "p>/=&lt;&#x41;]]>--",
)
SPACES = (" ", " ", " ", " ", "\n", "\r\n", "\t", "  \r\n\t ")


# --- legal files


def random_text(dice: random.Random) -> str:
    length = dice.choice((0, 1, 3, 10, 31, 32, 33, 100, 600))
    alphabets = dice.sample(ALPHABETS, dice.randint(1, len(ALPHABETS)))
    return "".join(dice.choice(dice.choice(alphabets)) for _ in range(length))


def spelled_text(dice: random.Random, text: str, quote: str) -> str:
    """The text as an attribute's value: what must be a reference is one, what may be one sometimes is."""
    share = dice.choice((0.0, 0.05, 1.0))

    def spelled(character: str) -> str:
        must = character in "<&\n\t\r" or character == quote
        if not must and dice.random() >= share:
            return character
        decimal, hexadecimal = (
            f"&#{'0' * dice.choice((0, 0, 3))}{ord(character)};",
            f"&#x{ord(character):{dice.choice('xX')}};",
        )
        return dice.choice(
            [NAMED[character]] * 3 + [decimal, hexadecimal] if character in NAMED else [decimal, hexadecimal]
        )

    return "".join(map(spelled, text))


def random_value(dice: random.Random, column: Column) -> tuple[Any, str]:
    """(value, text that means it) for a column."""
    if column.type in INTEGERS:
        bound = INTEGERS[column.type]
        value = dice.choice((0, 1, -1, bound - 1, -bound, dice.randrange(bound), dice.randrange(100_000) % bound))
        return value, str(value)
    if column.type is Type.BOOLEAN:
        flag = dice.random() < 0.5
        return flag, dice.choice((str(flag), str(flag).lower(), str(int(flag))))
    if column.type is Type.TIMESTAMP:
        moment = datetime(1, 1, 1, tzinfo=UTC) + timedelta(milliseconds=dice.randrange(315_537_897_600_000))
        return moment, moment.replace(tzinfo=None).isoformat(timespec="milliseconds")
    text = random_text(dice)
    return text, text


def random_row(dice: random.Random, table: Table, key: int) -> tuple[dict[str, Any], str]:
    """(what a row means, how it is spelled); columns and unknown attributes in any order."""
    chosen = [column for column in table.columns[1:] if dice.random() < 0.6]
    meaning: dict[str, Any] = {"Id": key}
    texts = {"Id": str(key)}
    for column in chosen:
        meaning[column.name], texts[column.name] = random_value(dice, column)
    extra = {f"Unknown{k}": random_text(dice) for k in range(dice.choice((0, 0, 0, 1, 3)))}
    texts |= extra
    if extra:
        meaning["_extra"] = extra
    order = list(texts)
    if dice.random() < 0.5:
        dice.shuffle(order)
    plain = dice.random() < 0.5
    spelled = "<row"
    for name in order:
        quote = '"' if plain else dice.choice("\"'")
        around = "" if plain else dice.choice(("", "", " ", "\n"))
        spelled += (" " if plain else dice.choice(SPACES)) + f"{name}{around}={around}{quote}"
        spelled += spelled_text(dice, texts[name], quote) + quote
    return meaning, spelled + (" />" if plain else dice.choice(("/>", " />", "></row>", " >\r\n</row >")))


def random_file(seed: int) -> tuple[Table, list[dict[str, Any]], bytes]:
    """(table, what its rows mean, a legal file that says so)."""
    dice = random.Random(seed)
    table = dice.choice(list(TABLES.values()))
    pairs = [random_row(dice, table, key) for key in range(1, dice.choice((0, 1, 5, 60)) + 1)]
    spelled = []
    for _, row in pairs:
        if dice.random() < 0.05:
            spelled.append(b"<!-- <row Id='0' Body=' -->")
        spelled.append(row.encode())
    before = dice.choice(("", '<?xml version="1.0" encoding="utf-8"?>\r\n', "<!-- licence -->\n"))
    content = document(
        *spelled, root=table.root.encode(), before=before.encode(), after=dice.choice((b"", b"\r\n", b"<!-- -->"))
    )
    return (
        table,
        [meaning for meaning, _ in pairs],
        content.replace(b"\r\n  <row", dice.choice((b"\r\n  <row", b"\n<row", b"<row"))),
    )


def by_the_standard_library(content: bytes) -> list[dict[str, str]]:
    return [dict(row.attrib) for row in ElementTree.fromstring(content)]


def check_legal(seed: int) -> int:
    """Reads one legal file, whole and in small blocks; it must mean what was meant and what the library reads."""
    table, meaning, content = random_file(seed)
    reading = read(content, table.name)
    assert reading.refused == []
    found = [{name: value for name, value in row.items() if name != "_offset"} for row in reading.rows]
    assert found == meaning
    texts = [column.name for column in table.columns if column.type in (Type.TEXT, Type.TAGS)]
    for row, attributes in zip(reading.rows, by_the_standard_library(content), strict=True):
        for name in texts:
            assert row.get(name) == attributes.get(name)
        assert row.get("_extra", {}) == {
            name: value for name, value in attributes.items() if name.startswith("Unknown")
        }
    for block_bytes in (64, 1000):
        assert read(content, table.name, block_bytes) == reading
    return len(meaning)


# --- damaged files

TOKENS = (
    b"<",
    b">",
    b"/",
    b'"',
    b"'",
    b"&",
    b";",
    b"=",
    b" ",
    b"\n",
    b"\0",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"<row ",
    b"<row",
    b"/>",
    b"</row>",
    b"</posts>",
    b"<!--",
    b"-->",
    b"<?",
    b"?>",
    b"]]>",
    b"&#0;",
    b"&#xD800;",
    b"&#x110000;",
    b"&amp",
    b"&nbsp;",
    b'Id="',
    b'Id="1" ',
    b'Score="x"',
    b"row",
    b" / >",
    b"<posts>",
    b'"/><row Id="5"/>',
)

# A row, a comment or white space, told apart by a regular expression that shares nothing with the kernel.
_ATTRIBUTE = rb"""[ \t\r\n]+[^ \t\r\n=<>/"'&]+[ \t\r\n]*=[ \t\r\n]*(?:"[^"<]*"|'[^'<]*')"""
_ROW = rb"<row(?:" + _ATTRIBUTE + rb")*[ \t\r\n]*(?:/>|>[ \t\r\n]*</row[ \t\r\n]*>)"
_PIECES = re.compile(rb"(?P<row>" + _ROW + rb")|<!--.*?-->|<\?.*?\?>|[ \t\r\n]+", re.DOTALL)
_OPENINGS = re.compile(rb"<row[ \t\r\n/>]")
_ELEMENTS = re.compile(rb"(?:\A|[\r\n])[ \t]*<[A-Za-z]")
_VALUE_FAULTS = {
    "not_an_integer",
    "out_of_range",
    "not_a_timestamp",
    "not_a_boolean",
    "missing_id",
    "too_many_attributes",
}


def damaged_file(seed: int) -> tuple[Table, bytes]:
    """A legal file of plain rows with a few bytes changed, cut out, doubled or put in."""
    dice = random.Random(seed)
    table = TABLES["posts"]
    rows = [random_row(dice, table, key)[1].encode() for key in range(1, dice.choice((2, 4, 8)))]
    content = bytearray(document(*rows))
    for _ in range(dice.choice((1, 1, 2, 5, 20))):
        at = dice.randrange(len(content))
        action = dice.randrange(4)
        if action == 0:
            content[at] = dice.randrange(256)
        elif action == 1:
            content[at:at] = dice.choice(TOKENS)
        elif action == 2:
            del content[at : at + dice.choice((1, 2, 10, 100))]
        else:
            content[at:at] = content[at : at + dice.randrange(60)]
    return table, bytes(content)


def check_damaged(seed: int) -> str:
    """Reads a damaged file; returns what became of it. Every byte must be a row's, a refused row's, or between rows."""
    table, content = damaged_file(seed)
    try:
        reading = read(content, table.name)
    except BadInput:
        for block_bytes in (9, 50):
            try:
                read(content, table.name, block_bytes)
            except BadInput:
                continue
            raise AssertionError("an error in one block, none in small ones") from None
        return "error"
    assert read(content, table.name, 37) == reading
    _nothing_is_lost(content, reading)
    for row in reading.rows:
        _row_is_what_the_library_reads(content, row)
    for refused in reading.refused:
        assert content[refused.offset :].startswith(refused.raw)
        if refused.reason not in _VALUE_FAULTS:
            assert not _is_xml(refused.raw), refused
    return "refused" if reading.refused else "whole"


def _nothing_is_lost(content: bytes, reading: Reading) -> None:
    inside = content[: content.rindex(b"</")]
    at = re.compile(rb"<posts[^<>]*>").search(_without_comments(inside)).end()  # type: ignore[union-attr]
    offsets, refused = {row["_offset"] for row in reading.rows}, {row.offset: row for row in reading.refused}
    found = 0
    while at < len(inside):
        if at in refused:
            at += len(refused[at].raw)
            continue
        piece = _PIECES.match(inside, at)
        assert piece is not None, (at, inside[at : at + 60])
        if piece["row"]:
            assert at in offsets
            found += 1
        at = piece.end()
    assert found == len(reading.rows)
    unread = sum(_rows_begun(content, row) for row in reading.refused)
    assert found + unread == reading.tally.rows_in_file


def _rows_begun(content: bytes, refused: Refused) -> int:
    """How many rows begin in what was refused; where none does, how many lines open another element; at least one."""
    raw = content[refused.offset : refused.offset + len(refused.raw) + 1]  # with what ends a `<row` at its very end
    return len(_OPENINGS.findall(raw)) or max(1, len(_ELEMENTS.findall(refused.raw)))


def _without_comments(text: bytes) -> bytes:
    """The text with its comments blanked, so that positions stay."""
    return re.sub(rb"<!--.*?-->|<\?.*?\?>", lambda match: b" " * len(match[0]), text, flags=re.DOTALL)


def _is_xml(raw: bytes) -> bool:
    """Whether the library takes these bytes for an empty row."""
    try:
        element = ElementTree.fromstring(raw)
    except (ElementTree.ParseError, ValueError):
        return False
    return element.tag == "row" and not list(element) and not (element.text or "").strip()


def _row_is_what_the_library_reads(content: bytes, row: dict[str, Any]) -> None:
    piece = _PIECES.match(content, row["_offset"])
    assert piece is not None
    assert piece["row"]
    if not _is_xml(piece["row"]):
        return  # the kernel keeps control characters and odd names, which the library refuses
    attributes = dict(ElementTree.fromstring(piece["row"]).attrib)
    assert int(attributes["Id"]) == row["Id"]
    for column in TABLES["posts"].columns:
        if column.type in (Type.TEXT, Type.TAGS):
            assert row.get(column.name) == attributes.get(column.name)
    unknown = {name: value for name, value in attributes.items() if name not in TABLES["posts"].column_names}
    assert row.get("_extra", {}) == unknown
