"""References and control characters in a value: one table for the common ones, a grammar for the rest.

Belongs here: what `&…;` and white space in a value stand for. Does not belong here: finding them (`text.py`).
"""

from __future__ import annotations

import numpy as np

from so_lakehouse.dumps.kernel import codes
from so_lakehouse.dumps.kernel.bytes import word
from so_lakehouse.dumps.kernel.compiled import compiled, inlined
from so_lakehouse.dumps.kernel.utf8 import put_character

AMPERSAND = 38
_HASH, _X, _SEMICOLON, _SPACE, _LF, _CR, _TAB = 35, 120, 59, 32, 10, 13, 9

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


def _table() -> tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A factor that gives each common reference its own slot, and what each slot expects and means."""
    keys = [int.from_bytes(name[:3], "little") for name in _COMMON]
    factor = next(f for f in range(0x9E3779B1, 0xFFFFFFFF, 2) if len({_slot(key, f) for key in keys}) == len(keys))
    expected = np.full(_SLOTS, 1, np.uint64)  # with mask 0: never equal
    masks = np.zeros(_SLOTS, np.uint64)
    lengths = np.zeros(_SLOTS, np.int64)
    characters = np.zeros(_SLOTS, np.uint8)
    for key, (name, character) in zip(keys, _COMMON.items(), strict=True):
        slot = _slot(key, factor)
        expected[slot] = int.from_bytes(name, "little")
        masks[slot] = (1 << 8 * len(name)) - 1
        lengths[slot], characters[slot] = len(name) + 1, character
    return factor, expected, masks, lengths, characters


_FACTOR, _EXPECTED, _MASKS, _LENGTHS, _CHARACTERS = _table()


@inlined
def common_reference(data, at, stop):
    """(length, character) of the reference at `at` if it is one of the common ones; length 0 if it is not."""
    eight = word(data, at + 1)
    slot = ((eight & 0xFFFFFF) * _FACTOR & 0xFFFFFFFF) >> 26
    length = _LENGTHS[slot]
    if data[at] == AMPERSAND and eight & _MASKS[slot] == _EXPECTED[slot] and at + length <= stop:
        return length, _CHARACTERS[slot]
    return 0, _CHARACTERS[slot]


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
    """Converts a rarer `&` or a control character. Returns (position after it, position in `out`, fault)."""
    byte = data[at]
    if byte == AMPERSAND:
        if at + 1 >= stop or data[at + 1] != _HASH:
            return at, to, codes.UNKNOWN_REFERENCE
        at, character, fault = numeric_reference(data, at, stop)
        if fault:
            return at, to, fault
        return at, put_character(out, to, character), 0
    if byte == 0:
        return at, to, codes.ILLEGAL_CHARACTER
    if byte in (_TAB, _LF, _CR):
        out[to] = _SPACE
        pair = byte == _CR and at + 1 < stop and data[at + 1] == _LF
        return at + (2 if pair else 1), to + 1, 0
    out[to] = byte
    return at + 1, to + 1, 0
