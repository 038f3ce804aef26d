"""Stage 2, convert: the bytes of a value to the text they stand for.

Belongs here: finding what in a value needs work, and copying the rest. Does not belong here: that work
(`references.py`, `utf8.py`).

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
from so_lakehouse.dumps.kernel.bytes import WIDTH, below, copy, equal, lowest, ones
from so_lakehouse.dumps.kernel.compiled import compiled, inlined
from so_lakehouse.dumps.kernel.references import AMPERSAND, common_reference, put_special
from so_lakehouse.dumps.kernel.utf8 import is_utf8

_ALL = np.uint32(0xFFFFFFFF)
PIECE = 4_096  # bytes of a value that are searched before they are copied; both stay in the first-level cache
MARKS = PIECE + WIDTH


@inlined
def find_specials(data, at, stop, marks):
    """Notes where `&` and control characters stand; returns how many, and whether any byte is beyond ASCII.

    Four positions are written for each 32 bytes whatever is found: cheaper than a branch that cannot be predicted.
    """
    count, wide = 0, np.uint32(0)
    while at < stop:
        special = equal(data, at, AMPERSAND) | below(data, at, 32)
        high = below(data, at, 128) ^ _ALL
        if stop - at < WIDTH:
            inside = np.uint32((np.uint64(1) << np.uint64(stop - at)) - np.uint64(1))
            special &= inside
            high &= inside
        wide |= high
        after = count + ones(special)
        while True:
            for k in range(4):
                marks[count + k] = at + lowest(special)
                special = np.uint32(special & (special - np.uint32(1)))
            count += 4
            if count >= after:
                break
        count = after
        at += WIDTH
    return count, wide != 0


@inlined
def put_plain(data, at, stop, out, to):
    """Copies bytes as they are, 32 at a time; what it writes beyond them is overwritten by what follows."""
    while at < stop:
        copy(out, to, data, at)
        at += WIDTH
        to += WIDTH
    return to + stop - at


@inlined
def put_text(data, at, stop, out, to, marks):
    """Converts one value. Returns (position in `out`, fault). `out` needs room for the value's bytes and `PADDING`.

    First all places that need work are found, then they are worked on: so the processor need not know how long one
    reference is before it looks for the next.
    """
    begin, wide = to, False
    while at < stop:
        piece = min(at + PIECE, stop)
        count, high = find_specials(data, at, piece, marks)
        wide |= high
        for k in range(count):
            mark = marks[k]
            if mark < at:
                continue  # the LF of a CR LF
            to = put_plain(data, at, mark, out, to)
            length, character = common_reference(data, mark, stop)
            if length:
                out[to] = character
                at, to = mark + length, to + 1
                continue
            at, to, fault = put_special(data, mark, stop, out, to)
            if fault:
                return to, fault
        if at < piece:
            to = put_plain(data, at, piece, out, to)
            at = piece
    if wide and not is_utf8(out, begin, to):
        return to, codes.INVALID_UTF8
    return to, 0


SHORT = 512  # bytes; no number, date or boolean is longer, however it is spelled


@compiled
def plain_spelling(data, at, stop, room, marks):
    """Writes a value that has references, resolved, to `room`; returns its length, 0 where there are none or too many.

    Nobody spells a number with references, but XML allows it. `room` needs `SHORT` bytes and `PADDING`.
    """
    if stop - at > SHORT:
        return 0
    for k in range(at, stop):
        if data[k] == AMPERSAND:
            length, fault = put_text(data, at, stop, room, np.int64(0), marks)
            return 0 if fault else length
    return 0


@compiled
def append_text(data, starts, ends, count, out, offsets, present, row, to, column, faults, marks):
    """Appends `count` values of a column from row `row` and byte `to` on. Returns (byte after the last, faults).

    `offsets[row + count]` is left at the end. The first fault of a row is noted in `faults` (a code and a column
    for each row). `marks` is room for `MARKS` positions.
    """
    found = 0
    for k in range(count):
        offsets[row + k] = to
        present[row + k] = starts[k] >= 0
        if starts[k] < 0:
            continue
        to, fault = put_text(data, np.int64(starts[k]), np.int64(ends[k]), out, to, marks)
        if fault and faults[k, 0] == 0:
            faults[k, 0], faults[k, 1] = fault, column
            found += 1
    offsets[row + count] = to
    return to, found
