"""Stage 2, convert: the bytes of a value to the text they stand for.

Belongs here: character references, white space in values, UTF-8. Does not belong here: numbers (`numbers.py`), Arrow (`dumps/columns.py`).

| in the value | becomes | source |
|---|---|---|
| `&lt;` `&gt;` `&amp;` `&quot;` `&apos;` | the character | XML 1.0 §4.6 |
| `&#10;` `&#xA;` | that character, control characters included | the publisher writes them; XML 1.0 would refuse some |
| a reference to 0, a surrogate, beyond U+10FFFF; a NUL byte | a fault | no text can hold it, or Postgres cannot |
| any other `&` | a fault | XML 1.0 §4.1 |
| tab, LF, CR LF, CR as such | one space | XML 1.0 §2.11 and §3.3.3 |
| any other byte | itself, if all are UTF-8 | XML 1.0 §2.2 |
"""

from __future__ import annotations

import numpy as np

from so_lakehouse.dumps.kernel import codes
from so_lakehouse.dumps.kernel.bytes import WIDTH, below, copy, equal, lowest, word
from so_lakehouse.dumps.kernel.compiled import compiled

_AMPERSAND, _HASH, _X, _SEMICOLON, _SPACE, _LF, _CR, _TAB = 38, 35, 120, 59, 32, 10, 13, 9

# The references that make up nearly all of a dump are looked up by their first three bytes, in one multiplication.
_COMMON = {
    b"lt;": 60,
    b"gt;": 62,
    b"amp;": 38,
    b"quot;": 34,
    b"apos;": 39,
    b"#xA;": 10,
    b"#xD;": 13,
    b"#x9;": 9,
    b"#39;": 39,
}
_SLOTS = 64


def _slot(key: int, factor: int) -> int:
    return ((key * factor) & 0xFFFFFFFF) >> 26


def _table() -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """A factor that gives each common reference its own slot; per slot its bytes, their mask, and (length, character)."""
    keys = [int.from_bytes(name[:3], "little") for name in _COMMON]
    factor = next(f for f in range(0x9E3779B1, 0xFFFFFFFF, 2) if len({_slot(key, f) for key in keys}) == len(keys))
    expected = np.full(_SLOTS, 1, np.uint64)  # with mask 0: never equal
    masks = np.zeros(_SLOTS, np.uint64)
    meaning = np.zeros((_SLOTS, 2), np.int64)
    for key, (name, character) in zip(keys, _COMMON.items(), strict=True):
        slot = _slot(key, factor)
        expected[slot] = int.from_bytes(name, "little")
        masks[slot] = (1 << 8 * len(name)) - 1
        meaning[slot] = len(name) + 1, character
    return factor, expected, masks, meaning


_FACTOR, _EXPECTED, _MASKS, _MEANING = _table()


@compiled
def put_character(out, to, character):
    """Writes one character as UTF-8; returns the position after it."""
    if character < 0x80:
        out[to] = character
        return to + 1
    if character < 0x800:
        out[to] = 0xC0 | character >> 6
        out[to + 1] = 0x80 | character & 0x3F
        return to + 2
    if character < 0x10000:
        out[to] = 0xE0 | character >> 12
        out[to + 1] = 0x80 | character >> 6 & 0x3F
        out[to + 2] = 0x80 | character & 0x3F
        return to + 3
    out[to] = 0xF0 | character >> 18
    out[to + 1] = 0x80 | character >> 12 & 0x3F
    out[to + 2] = 0x80 | character >> 6 & 0x3F
    out[to + 3] = 0x80 | character & 0x3F
    return to + 4


@compiled
def digit(byte):
    """Value of a hexadecimal digit; 99 for any other byte."""
    if 48 <= byte <= 57:
        return byte - 48
    if 65 <= byte <= 70:
        return byte - 55
    if 97 <= byte <= 102:
        return byte - 87
    return 99


@compiled
def numeric_reference(data, at, stop):
    """(position after it, character, fault) of the reference whose `&#` stands at `at`."""
    at += 2
    base = 10
    if at < stop and data[at] == _X:
        base = 16
        at += 1
    first, character = at, 0
    while at < stop and data[at] != _SEMICOLON:
        value = digit(data[at])
        if value >= base:
            return at, 0, codes.UNKNOWN_REFERENCE
        character = min(character * base + value, 0x110000)  # however many digits there are
        at += 1
    if at >= stop or at == first:
        return at, 0, codes.UNKNOWN_REFERENCE
    if character == 0 or 0xD800 <= character <= 0xDFFF or character > 0x10FFFF:
        return at, 0, codes.ILLEGAL_CHARACTER
    return at + 1, character, 0


@compiled
def put_special(data, at, stop, out, to):
    """Converts the `&` or control character at `at`. Returns (position after it, position in `out`, fault)."""
    byte = data[at]
    if byte == _AMPERSAND:
        eight = word(data, at + 1)
        slot = ((eight & 0xFFFFFF) * _FACTOR & 0xFFFFFFFF) >> 26
        if eight & _MASKS[slot] == _EXPECTED[slot] and at + _MEANING[slot, 0] <= stop:
            out[to] = _MEANING[slot, 1]
            return at + _MEANING[slot, 0], to + 1, 0
        if at + 1 >= stop or data[at + 1] != _HASH:
            return at, to, codes.UNKNOWN_REFERENCE
        at, character, fault = numeric_reference(data, at, stop)
        if fault:
            return at, to, fault
        return at, put_character(out, to, character), 0
    if byte == 0:
        return at, to, codes.ILLEGAL_CHARACTER
    if byte == _TAB or byte == _LF or byte == _CR:
        out[to] = _SPACE
        pair = byte == _CR and at + 1 < stop and data[at + 1] == _LF
        return at + (2 if pair else 1), to + 1, 0
    out[to] = byte
    return at + 1, to + 1, 0


@compiled
def is_utf8(data, at, stop):
    """Whether these bytes are UTF-8: no overlong form, no surrogate, nothing beyond U+10FFFF (Unicode 15, table 3-7)."""
    while at < stop:
        byte = data[at]
        if byte < 0x80:
            while at + 8 <= stop and word(data, at) & 0x8080808080808080 == 0:
                at += 8
            while at < stop and data[at] < 0x80:
                at += 1
            continue
        if 0xC2 <= byte <= 0xDF:
            more, low, high = 1, 0x80, 0xBF
        elif 0xE0 <= byte <= 0xEF:
            more = 2
            low = 0xA0 if byte == 0xE0 else 0x80
            high = 0x9F if byte == 0xED else 0xBF
        elif 0xF0 <= byte <= 0xF4:
            more = 3
            low = 0x90 if byte == 0xF0 else 0x80
            high = 0x8F if byte == 0xF4 else 0xBF
        else:
            return False
        if at + more >= stop or data[at + 1] < low or data[at + 1] > high:
            return False
        for k in range(2, more + 1):
            if data[at + k] & 0xC0 != 0x80:
                return False
        at += more + 1
    return True


@compiled
def put_text(data, at, stop, out, to):
    """Converts one value. Returns (position in `out`, fault). `out` needs room for the value's bytes and `PADDING`."""
    begin = to
    wide = np.uint32(0)
    while at < stop:
        copy(out, to, data, at)
        special = equal(data, at, _AMPERSAND) | below(data, at, 32)
        high = below(data, at, 128) ^ np.uint32(0xFFFFFFFF)
        left = stop - at
        if left < WIDTH:
            inside = np.uint32((np.uint64(1) << np.uint64(left)) - np.uint64(1))
            special &= inside
            high &= inside
        else:
            left = WIDTH
        wide |= high
        if not special:
            at += left
            to += left
            continue
        step = lowest(special)
        at, to, fault = put_special(data, at + step, stop, out, to + step)
        if fault:
            return to, fault
    if wide and not is_utf8(out, begin, to):
        return to, codes.INVALID_UTF8
    return to, 0


@compiled
def append_text(data, starts, ends, count, out, offsets, present, row, to, column, faults):
    """Appends `count` values of a column from row `row` and byte `to` on. Returns (byte after the last, faults).

    `offsets[row + count]` is left at the end. The first fault of a row is noted in `faults` (row × 2): code, column.
    """
    found = 0
    for k in range(count):
        offsets[row + k] = to
        present[row + k] = starts[k] >= 0
        if starts[k] < 0:
            continue
        to, fault = put_text(data, starts[k], ends[k], out, to)
        if fault and faults[k, 0] == 0:
            faults[k, 0], faults[k, 1] = fault, column
            found += 1
    offsets[row + count] = to
    return to, found
