"""The few signs of a dump's XML that both the tokeniser and the search for the next row need.

Belongs here: white space, `<row`, comments to pass, where a row can begin. Does not belong here: attributes
(`rows.py`).
"""

from __future__ import annotations

import numpy as np

from so_lakehouse.dumps.kernel.bytes import WIDTH, byte, equal, lowest
from so_lakehouse.dumps.kernel.compiled import compiled, inlined

TAB, LF, CR, SPACE = 9, 10, 13, 32
DOUBLE, SINGLE, LESS, GREATER, SLASH, EQUALS, AMPERSAND = 34, 39, 60, 62, 47, 61, 38
BANG, QUESTION, MINUS, BRACKET = 33, 63, 45, 93

ROW = np.frombuffer(b"row", np.uint8)
COMMENT, INSTRUCTION, CDATA = (np.frombuffer(word, np.uint8) for word in (b"<!--", b"<?", b"<![CDATA["))

MAX_MARKUP = 1 << 20  # as `framing.MAX_PROLOG_BYTES`
CUT = -2


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


@inlined
def find(data, at, end, sign):
    """Position of the next `sign` from `at` on; `end` where there is none."""
    while at < end:
        found = equal(data, at, sign)
        if found:
            return min(at + lowest(found), end)
        at += WIDTH
    return end


@inlined
def before_space(data, at, floor):
    """Position of the last byte before `at` that is neither space nor tab; below `floor` where there is none."""
    at -= 1
    while at >= floor and (byte(data, at) == SPACE or byte(data, at) == TAB):
        at -= 1
    return at


@compiled
def follows_a_row(data, at, floor):
    """Whether a line begins at `at`, or a row ended there (dumps without line ends)."""
    at = before_space(data, at, floor)
    if at < floor:
        return False
    if byte(data, at) == LF or byte(data, at) == CR:
        return True
    if byte(data, at) != GREATER:
        return False
    if at - 1 >= floor and byte(data, at - 1) == SLASH:
        return True
    at = before_space(data, at, floor)
    return (
        at - 4 >= floor
        and byte(data, at - 4) == LESS
        and byte(data, at - 3) == SLASH
        and starts_with(data, at - 2, at + 1, ROW)
    )


@compiled
def end_of_markup(data, at, end):
    """Position after the comment, instruction or CDATA section that begins at `at`.

    -1 where none begins or none ends within `MAX_MARKUP` bytes, `CUT` where the data end before that can be told.
    """
    if starts_with(data, at, end, COMMENT):
        begun, last, size = at + COMMENT.size, MINUS, 3
    elif starts_with(data, at, end, INSTRUCTION):
        begun, last, size = at + INSTRUCTION.size, QUESTION, 2
    elif starts_with(data, at, end, CDATA):
        begun, last, size = at + CDATA.size, BRACKET, 3
    else:
        return -1
    limit = min(end, begun + MAX_MARKUP)
    at = find(data, begun, limit, GREATER)
    while at < limit:
        is_last = at + 1 - size >= begun and byte(data, at - 1) == last
        if is_last and (size == 2 or byte(data, at - 2) == last):  # `?>`, `-->`, `]]>`
            return at + 1
        at = find(data, at + 1, limit, GREATER)
    return -1 if limit == begun + MAX_MARKUP else CUT


@compiled
def next_row(data, at, end, root, is_all):
    """Position after `at` at which the next row or the closing root begins; -1 where none does before `end`.

    After a `<` something may be open (a quote) that holds what looks like a row, so that only one that follows a
    line's or a row's end counts; what stands there in a comment or in CDATA is none. Text that no `<` opened holds
    nothing: there the next one counts wherever it stands. `is_all`: nothing comes after `end`; where no row follows a
    line's end then, the first that stands anywhere counts.
    """
    floor, is_text, anywhere, boundary = at, byte(data, at) != LESS, -1, -1
    after = at + 1
    stop = end_of_markup(data, at, end)
    if stop == CUT and not is_all:
        return -1
    if stop >= 0:
        after = boundary = skip_space(data, stop, end)
    at = find(data, after, end, LESS)
    while at < end:
        after = at + 1
        closes = after < end and byte(data, after) == SLASH and starts_with(data, at + 2, end, root)
        begins = closes or opens_row(data, at, end)
        if begins and anywhere < 0:
            anywhere = at
        if is_text or at == boundary or follows_a_row(data, at, floor):
            if begins:
                return at
            stop = end_of_markup(data, at, end)
            if stop == CUT and not is_all:
                return -1
            if stop >= 0:
                after = boundary = skip_space(data, stop, end)
        at = find(data, after, end, LESS)
    return anywhere if is_all else -1


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
