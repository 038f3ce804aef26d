"""The few signs of a dump's XML that both the tokeniser and the search for the next row need.

Belongs here: white space, `<row`, where a row can begin. Does not belong here: attributes (`rows.py`).
"""

from __future__ import annotations

import numpy as np

from so_lakehouse.dumps.kernel.bytes import WIDTH, byte, equal, lowest
from so_lakehouse.dumps.kernel.compiled import compiled, inlined

TAB, LF, CR, SPACE = 9, 10, 13, 32
DOUBLE, SINGLE, LESS, GREATER, SLASH, EQUALS, AMPERSAND = 34, 39, 60, 62, 47, 61, 38
BANG, QUESTION = 33, 63

ROW = np.frombuffer(b"row", np.uint8)


@inlined
def is_space(sign):
    return sign in (SPACE, LF, CR, TAB)


@inlined
def skip_space(data, at, end):
    while at < end and is_space(byte(data, at)):
        at += 1
    return at


@inlined
def starts_with(data, at, end, word):
    """Whether `word` stands at `at`, whole, before `end`."""
    if at + word.size > end:
        return False
    for k in range(word.size):  # noqa: SIM110 (numba does not compile `all` over a generator)
        if byte(data, at + k) != word[k]:
            return False
    return True


@inlined
def opens_row(data, at, end):
    """Whether `<row` and what may follow it stand at `at`."""
    if not (at + 5 <= end and byte(data, at) == LESS and starts_with(data, at + 1, end, ROW)):
        return False
    after = byte(data, at + 4)
    return is_space(after) or after in (SLASH, GREATER)


@compiled
def follows_a_row(data, at, floor):
    """Whether a line begins at `at`, or a row ended there (dumps without line ends)."""
    at -= 1
    while at >= floor and (byte(data, at) == SPACE or byte(data, at) == TAB):
        at -= 1
    if at < floor:
        return False
    if byte(data, at) == LF or byte(data, at) == CR:
        return True
    if byte(data, at) != GREATER or at - 5 < floor:
        return False
    return byte(data, at - 1) == SLASH or (
        byte(data, at - 5) == LESS and byte(data, at - 4) == SLASH and starts_with(data, at - 3, at, ROW)
    )


@compiled
def next_row(data, at, end, root):
    """Position after `at` at which the next row or the closing root begins; -1 where none does before `end`.

    After a `<` something may be open (a quote, CDATA) that holds what looks like a row, so that only one that follows
    a line's or a row's end counts. Text that no `<` opened holds nothing: there the next one counts wherever it stands.
    """
    floor, is_text = at, byte(data, at) != LESS
    at += 1
    while at < end:
        found = equal(data, at, LESS)
        if not found:
            at += WIDTH
            continue
        at += lowest(found)
        if at >= end:
            return -1
        closes = at + 1 < end and byte(data, at + 1) == SLASH and starts_with(data, at + 2, end, root)
        if (closes or opens_row(data, at, end)) and (is_text or follows_a_row(data, at, floor)):
            return at
        at += 1
    return -1


@compiled
def count_rows(data, at, end):
    """How often a row is opened between two positions: a count that shares nothing with the tokeniser but `<row`."""
    count = 0
    while at < end:
        found = equal(data, at, LESS)
        while found:
            k = at + lowest(found)
            if k >= end:
                break
            count += opens_row(data, k, end)
            found &= found - np.uint32(1)
        at += WIDTH
    return count
