"""Eight digits at a time: a word of memory is checked and read as a whole.

Belongs here: digits and the signs between them. Does not belong here: which numbers a column accepts (`numbers.py`,
`timestamps.py`).
"""

from __future__ import annotations

import numpy as np

from so_lakehouse.dumps.kernel.bytes import word
from so_lakehouse.dumps.kernel.compiled import inlined

_HIGHEST = np.uint64(0x8080808080808080)


def layout_of(spelling: str) -> tuple[np.uint64, np.uint64]:
    """What to flip in eight bytes spelled as `0000-00-` (a digit or that very sign), and what to add to see others.

    Flipped, a digit is 0 … 9 and a sign 0. With the second number added, every byte that is more reaches its
    highest bit.
    """
    flip = int.from_bytes(spelling.encode(), "little")
    add = int.from_bytes(bytes(0x76 if sign == "0" else 0x7F for sign in spelling), "little")
    return np.uint64(flip), np.uint64(add)


_EIGHT_DIGITS = layout_of("00000000")


@inlined
def flipped(data, at, layout):
    """(the eight bytes as digits 0 … 9, whether they are spelled as the layout says)."""
    digits = word(data, at) ^ layout[0]
    return digits, (digits | (digits + layout[1])) & _HIGHEST == 0


@inlined
def pair(digits, first):
    """The digits at `first` and after it as a number."""
    tens = np.int64(digits >> np.uint64(8 * first) & np.uint64(15))
    return tens * 10 + np.int64(digits >> np.uint64(8 * first + 8) & np.uint64(15))


@inlined
def short_integer(data, at, length):
    """(value, whether it is one) of one to eight digits, all at once: neighbours join to pairs, fours, the eight."""
    digits = (word(data, at) ^ _EIGHT_DIGITS[0]) << np.uint64(64 - 8 * length)
    if (digits | (digits + _EIGHT_DIGITS[1])) & _HIGHEST:
        return np.int64(0), False
    pairs = digits * np.uint64(10) + (digits >> np.uint64(8))
    low = (pairs & np.uint64(0x000000FF000000FF)) * np.uint64(0x000F424000000064)
    high = (pairs >> np.uint64(16) & np.uint64(0x000000FF000000FF)) * np.uint64(0x0000271000000001)
    return np.int64((low + high) >> np.uint64(32)), True


@inlined
def two_digits(data, at):
    """Value of two digits; 10,000 where one is none."""
    tens, ones = np.int64(data[at]) - 48, np.int64(data[at + 1]) - 48
    if tens < 0 or tens > 9 or ones < 0 or ones > 9:
        return np.int64(10_000)
    return tens * 10 + ones
