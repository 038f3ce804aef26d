"""What can be wrong with a row, by name and in words, and the row's key where it can still be read.

Belongs here: row-level faults, which cost that row only. What is wrong with a whole file is an error (`framing.py`,
`unpack.py`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from so_lakehouse.dumps.kernel import codes

# code of the kernel: (short reason, stored and counted; what it means, for people)
REASONS: dict[int, tuple[str, str]] = {
    codes.UNESCAPED_LESS_THAN: ("unescaped_less_than", "a value holds `<`, or its closing quote is missing"),
    codes.MALFORMED_ATTRIBUTE: ("malformed_attribute", 'an attribute is not spelled name="value"'),
    codes.MISSING_SPACE: ("missing_space", "no white space between two attributes, or a quote inside a value"),
    codes.DOUBLED_ATTRIBUTE: ("doubled_attribute", "an attribute stands twice"),
    codes.CONTENT: ("content", "the row is not empty: something stands between its tags"),
    codes.TOO_MANY_ATTRIBUTES: ("too_many_attributes", "more unknown attributes than a row may have"),
    codes.NOT_A_ROW: ("not_a_row", "something between rows that is no row"),
    codes.UNKNOWN_REFERENCE: ("unknown_reference", "an `&` that begins no reference that XML knows"),
    codes.ILLEGAL_CHARACTER: ("illegal_character", "a NUL, a surrogate or a character beyond U+10FFFF"),
    codes.INVALID_UTF8: ("invalid_encoding", "bytes that are no text in the file's encoding"),
    codes.MISSING_ID: ("missing_id", "no Id"),
    codes.NOT_AN_INTEGER: ("not_an_integer", "not a whole number"),
    codes.OUT_OF_RANGE: ("out_of_range", "a number too large for its column"),
    codes.NOT_A_TIMESTAMP: ("not_a_timestamp", "not a date and time of the calendar, or finer than a microsecond"),
    codes.NOT_A_BOOLEAN: ("not_a_boolean", "neither true nor false"),
}

_SHOWN = 80  # bytes of a value or of its surroundings that a detail shows
_ATTRIBUTE = re.compile(rb"""[ \t\r\n]+([^\s=<>/"'&]+)[ \t\r\n]*=[ \t\r\n]*(?:"([^"<]*)"|'([^'<]*)')(?=[ \t\r\n/>])""")
_OPENING = re.compile(rb"<row[ \t\r\n/>]")
_ELEMENT = re.compile(rb"(?:\A|[\r\n])[ \t]*<[A-Za-z]")
_INTEGER = re.compile(rb"-?[0-9]{1,19}")


@dataclass(frozen=True)
class Refused:
    """One quarantined row: its offset in the unpacked member, why, its key where readable, its bytes."""

    offset: int
    reason: str
    detail: str
    key: int | None
    raw: bytes


def spelling_detail(code: int, raw: bytes, position: int, rows: int = 1) -> str:
    """What is wrong with a row's spelling and where; `position` counts from the row's first byte, in UTF-8.

    `rows`: how many begin in these bytes, because a fault hid where the next one does.
    """
    near = raw[max(position - _SHOWN // 2, 0) : position + _SHOWN // 2]
    several = f" ({rows:,} rows begin in what cannot be read)" if rows > 1 else ""
    return f"{REASONS[code][1]}, at byte {position} of the row: …{_shown(near)}…{several}"


def lines_of_elements(raw: bytes) -> int:
    """How many lines of what is no row open some other element; at least 1."""
    return max(1, sum(1 for _ in _ELEMENT.finditer(raw)))


def value_detail(code: int, attribute: str, value: bytes) -> str:
    """What is wrong with one value; long ones are cut."""
    if code == codes.MISSING_ID:
        return REASONS[code][1]
    return f"{attribute}: {REASONS[code][1]}: {_shown(value[:_SHOWN])}{'…' if len(value) > _SHOWN else ''}"


def readable_key(raw: bytes) -> int | None:
    """The row's Id if it stands, once and whole, before anything that cannot be read; None otherwise.

    A wrong key would protect the wrong row from deletion, so nothing is guessed. Where a second row opens in what
    cannot be read, one key would not protect both.
    """
    if not raw.startswith(b"<row") or _OPENING.search(raw, 1):
        return None
    found: list[bytes] = []
    at = 4
    while match := _ATTRIBUTE.match(raw, at):
        at = match.end()
        if match[1] == b"Id":
            found.append(match[2] if match[2] is not None else match[3])
    if len(found) != 1 or not _INTEGER.fullmatch(found[0]):
        return None
    key = int(found[0])
    return key if -(2**63) <= key < 2**63 else None


def _shown(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace").replace("\0", "\\0")
