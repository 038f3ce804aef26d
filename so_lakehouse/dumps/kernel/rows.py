"""Stage 1, tokenise: where each row and the value of each of its attributes begin and end.

Belongs here: the grammar of a dump between its root's tags. Does not belong here: what a value means (`text.py`, `numbers.py`), and
what stands before, between and after rows that is no row (`dumps/framing.py`).

    rows      = { space | row | anything else (a fault, up to where the next row begins) }
    row       = "<row" { space+ name space* "=" space* value } space* ( "/>" | ">" space* "</row" space* ">" )
    value     = '"' { any byte but '"' and "<" } '"'  |  "'" { any byte but "'" and "<" } "'"

XML forbids `<` inside a value, and every `<` of a dump opens a tag. So a quote that is missing can never swallow the next row: its value
ends at that row's `<`, which is a fault of one row. Every decision depends on the bytes alone, never on where a block ends.
"""

from __future__ import annotations

import numpy as np

from so_lakehouse.dumps.kernel import codes
from so_lakehouse.dumps.kernel.bytes import WIDTH, equal, lowest, same
from so_lakehouse.dumps.kernel.compiled import compiled

TAB, LF, CR, SPACE = 9, 10, 13, 32
DOUBLE, SINGLE, LESS, GREATER, SLASH, EQUALS, AMPERSAND = 34, 39, 60, 62, 47, 61, 38
BANG, QUESTION = 33, 63

MAX_EXTRAS = 64  # unknown attributes of one row; a publisher adds one or two in a decade
_ROW = np.frombuffer(b"row", np.uint8)
_GOOD = 0  # in place of a fault


@compiled
def is_space(byte):
    return byte == SPACE or byte == LF or byte == CR or byte == TAB


@compiled
def skip_space(data, at, end):
    while at < end and is_space(data[at]):
        at += 1
    return at


@compiled
def starts_with(data, at, end, word):
    """Whether `word` stands at `at`, whole, before `end`."""
    if at + word.size > end:
        return False
    for k in range(word.size):  # noqa: SIM110 (numba does not compile `all` over a generator)
        if data[at + k] != word[k]:
            return False
    return True


@compiled
def opens_row(data, at, end):
    """Whether `<row` and what may follow it stand at `at`."""
    if not (at + 5 <= end and data[at] == LESS and starts_with(data, at + 1, end, _ROW)):
        return False
    after = data[at + 4]
    return is_space(after) or after == SLASH or after == GREATER


@compiled
def follows_a_row(data, at, floor):
    """Whether a line begins at `at`, or a row ended there (dumps without line ends)."""
    at -= 1
    while at >= floor and (data[at] == SPACE or data[at] == TAB):
        at -= 1
    if at < floor:
        return False
    if data[at] == LF or data[at] == CR:
        return True
    if data[at] != GREATER or at - 5 < floor:
        return False
    return data[at - 1] == SLASH or (
        data[at - 5] == LESS and data[at - 4] == SLASH and starts_with(data, at - 3, at, _ROW)
    )


@compiled
def next_row(data, at, end, root):
    """Position after `at` at which the next row or the closing root begins; -1 where none does before `end`."""
    floor = at
    at += 1
    while at < end:
        found = equal(data, at, LESS)
        if not found:
            at += WIDTH
            continue
        at += lowest(found)
        if at >= end:
            return -1
        closes = at + 1 < end and data[at + 1] == SLASH and starts_with(data, at + 2, end, root)
        if (closes or opens_row(data, at, end)) and follows_a_row(data, at, floor):
            return at
        at += 1
    return -1


@compiled
def count_rows(data, at, end):
    """How often a row is opened between two positions: a count that shares nothing with the tokeniser but the word `<row`."""
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


@compiled
def end_of_value(data, at, end, quote):
    """Position of the closing quote, or of a `<` before it; `end` where the data end first."""
    while at < end:
        found = equal(data, at, quote) | equal(data, at, LESS)
        if found:
            return min(at + lowest(found), end)
        at += WIDTH
    return end


@compiled
def end_of_name(data, at, end):
    """Position after a name: at space, `=`, or a byte that no name holds."""
    while at < end:
        byte = data[at]
        if is_space(byte) or byte in (EQUALS, DOUBLE, SINGLE, LESS, GREATER, SLASH, AMPERSAND):
            return at
        at += 1
    return end


@compiled
def column_at(data, at, end, guess, names, masks):
    """Column whose `Name="` stands at `at`; -1 where none does. The guess is tried first: a publisher's order rarely changes."""
    if guess >= 0 and same(data, at, names, guess * WIDTH) & masks[guess] == masks[guess]:
        return guess
    for column in range(masks.size):
        if same(data, at, names, column * WIDTH) & masks[column] == masks[column]:
            return column
    return -1


@compiled
def column_named(data, at, length, names, lengths):
    """Column with exactly the name that stands at `at`; -1 where the schema has none."""
    for column in range(lengths.size):
        if lengths[column] == length and starts_with(
            data, at, at + length, names[column * WIDTH : column * WIDTH + length]
        ):
            return column
    return -1


@compiled
def is_doubled(data, at, length, extras, first, last):
    """Whether an unknown attribute of this row already has this name."""
    for k in range(first, last):
        if extras[k, 2] - extras[k, 1] == length and starts_with(
            data, at, at + length, data[extras[k, 1] : extras[k, 2]]
        ):
            return True
    return False


@compiled
def end_of_row(data, at, end):
    """(position after the row's closing, fault) from its `/` or `>`; fault -1 where the data end first."""
    if data[at] == SLASH:
        if at + 1 >= end:
            return at, -1
        return (at + 2, _GOOD) if data[at + 1] == GREATER else (at, codes.MALFORMED_ATTRIBUTE)
    at = skip_space(data, at + 1, end)
    if at + 6 > end:
        return at, -1
    if not (data[at] == LESS and data[at + 1] == SLASH and starts_with(data, at + 2, end, _ROW)):
        return at, codes.CONTENT
    at = skip_space(data, at + 5, end)
    if at >= end:
        return at, -1
    return (at + 1, _GOOD) if data[at] == GREATER else (at, codes.CONTENT)


@compiled
def read_row(data, at, end, row, names, masks, lengths, successor, starts, ends, extras, extra):
    """Reads the row at `at`. Returns (position, fault, extras in use); fault -1 where the data end inside the row."""
    columns = masks.size
    for column in range(columns):
        starts[column, row] = -1
    previous, first = columns, extra
    at += 4
    while True:
        before = at
        at = skip_space(data, at, end)
        if at >= end:
            return at, -1, extra
        if data[at] == SLASH or data[at] == GREATER:
            at, fault = end_of_row(data, at, end)
            return at, fault, extra
        if at == before:
            return at, codes.MISSING_SPACE, extra
        name = at
        column = column_at(data, at, end, successor[previous], names, masks)
        if column >= 0 and at + lengths[column] + 2 <= end:
            at += lengths[column] + 2
            quote = DOUBLE
        else:
            stop = end_of_name(data, at, end)
            at = skip_space(data, stop, end)
            if at >= end:
                return at, -1, extra
            if stop == name or data[at] != EQUALS:
                return at, codes.MALFORMED_ATTRIBUTE, extra
            at = skip_space(data, at + 1, end)
            if at >= end:
                return at, -1, extra
            quote = data[at]
            if quote != DOUBLE and quote != SINGLE:
                return at, codes.MALFORMED_ATTRIBUTE, extra
            at += 1
            column = column_named(data, name, stop - name, names, lengths)
            if column < 0:
                if extra - first >= MAX_EXTRAS:
                    return name, codes.TOO_MANY_ATTRIBUTES, extra
                if is_doubled(data, name, stop - name, extras, first, extra):
                    return name, codes.DOUBLED_ATTRIBUTE, extra
        stop_of_value = end_of_value(data, at, end, quote)
        if stop_of_value >= end:
            return at, -1, extra
        if data[stop_of_value] == LESS:
            return stop_of_value, codes.UNESCAPED_LESS_THAN, extra
        if column >= 0:
            if starts[column, row] >= 0:
                return name, codes.DOUBLED_ATTRIBUTE, extra
            starts[column, row], ends[column, row] = at, stop_of_value
            successor[previous] = column
            previous = column
        else:
            extras[extra, 0], extras[extra, 1], extras[extra, 2] = row, name, stop
            extras[extra, 3], extras[extra, 4] = at, stop_of_value
            extra += 1
        at = stop_of_value + 1


@compiled
def read_rows(data, at, end, root, names, masks, lengths, successor, starts, ends, spans, extras, faults):
    """Reads rows from `at` on. Returns (position, status, rows, extras, faults): what was used of each table.

    `starts`, `ends` (column × row): positions of each value, -1 where the attribute is absent. `spans` (row × 2): the row itself.
    `extras` (× 5): row, name and value of attributes the schema does not know. `faults` (× 4): from, to, code, position.
    """
    row, extra, fault_count = 0, 0, 0
    while True:
        at = skip_space(data, at, end)
        if at + 5 > end:
            short = (
                at + 1 < end
                and data[at] == LESS
                and (data[at + 1] == SLASH or data[at + 1] == BANG or data[at + 1] == QUESTION)
            )
            return at, codes.MARKUP if short else codes.NEED_MORE, row, extra, fault_count
        if row >= spans.shape[0] or extra + MAX_EXTRAS > extras.shape[0] or fault_count >= faults.shape[0]:
            return at, codes.FULL, row, extra, fault_count
        if opens_row(data, at, end):
            stop, fault, extra_after = read_row(
                data, at, end, row, names, masks, lengths, successor, starts, ends, extras, extra
            )
            if fault < 0:
                return at, codes.NEED_MORE, row, extra, fault_count
            if fault == _GOOD:
                spans[row, 0], spans[row, 1] = at, stop
                row, extra, at = row + 1, extra_after, stop
                continue
        elif data[at] == LESS and (data[at + 1] == SLASH or data[at + 1] == BANG or data[at + 1] == QUESTION):
            return at, codes.MARKUP, row, extra, fault_count
        else:
            stop, fault = at, codes.NOT_A_ROW
        sync = next_row(data, at, end, root)
        if sync < 0:
            return at, codes.NEED_MORE, row, extra, fault_count
        faults[fault_count, 0], faults[fault_count, 1] = at, sync
        faults[fault_count, 2], faults[fault_count, 3] = fault, stop
        fault_count += 1
        at = sync
