"""Stage 1, tokenise: where each row and the value of each of its attributes begin and end.

Belongs here: the grammar of a dump between its root's tags. Does not belong here: the short way through most rows
(`plain_rows.py`), what a value means (`text.py`, `numbers.py`), and what stands before, between and after rows that is
no row (`dumps/framing.py`).

    rows      = { space | row | anything else (a fault, up to where the next row begins) }
    row       = "<row" { space+ name space* "=" space* value } space* ( "/>" | ">" space* "</row" space* ">" )
    value     = '"' { any byte but '"' and "<" } '"'  |  "'" { any byte but "'" and "<" } "'"

XML forbids `<` inside a value, and every `<` of a dump opens a tag. So a quote that is missing can never swallow the
next row: its value ends at that row's `<`, which is a fault of one row. Every decision depends on the bytes alone,
never on where a block ends.
"""

from __future__ import annotations

import numpy as np

from so_lakehouse.dumps.kernel import codes
from so_lakehouse.dumps.kernel.bytes import WIDTH, byte, equal, lowest
from so_lakehouse.dumps.kernel.compiled import compiled, inlined
from so_lakehouse.dumps.kernel.grammar import (
    AMPERSAND,
    BANG,
    DOUBLE,
    EQUALS,
    GREATER,
    LESS,
    QUESTION,
    ROW,
    SINGLE,
    SLASH,
    is_space,
    next_row,
    opens_row,
    skip_space,
    starts_with,
)
from so_lakehouse.dumps.kernel.plain_rows import read_plain_rows

MAX_EXTRAS = 64  # unknown attributes of one row; a publisher adds one or two in a decade
_GOOD = 0  # in place of a fault


@inlined
def end_of_value(data, at, end, quote):
    """Position of the closing quote, or of a `<` before it; `end` where the data end first."""
    while at < end:
        found = equal(data, at, quote) | equal(data, at, LESS)
        if found:
            return min(at + lowest(found), end)
        at += WIDTH
    return end


@inlined
def end_of_name(data, at, end):
    """Position after a name: at space, `=`, or a byte that no name holds."""
    while at < end:
        sign = byte(data, at)
        if is_space(sign) or sign in (EQUALS, DOUBLE, SINGLE, LESS, GREATER, SLASH, AMPERSAND):
            return at
        at += 1
    return end


@inlined
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


@inlined
def end_of_row(data, at, end):
    """(position after the row's closing, fault) from its `/` or `>`; fault -1 where the data end first."""
    if byte(data, at) == SLASH:
        if at + 1 >= end:
            return at, -1
        return (at + 2, _GOOD) if byte(data, at + 1) == GREATER else (at, codes.MALFORMED_ATTRIBUTE)
    at = skip_space(data, at + 1, end)
    if at + 6 > end:
        return at, -1
    if not (byte(data, at) == LESS and byte(data, at + 1) == SLASH and starts_with(data, at + 2, end, ROW)):
        return at, codes.CONTENT
    at = skip_space(data, at + 5, end)
    if at >= end:
        return at, -1
    return (at + 1, _GOOD) if byte(data, at) == GREATER else (at, codes.CONTENT)


@compiled
def read_row(data, at, end, row, names, lengths, starts, ends, extras, extra):
    """Reads the row at `at`. Returns (position, fault, extras in use); fault -1 where the data end inside the row."""
    for column in range(lengths.size):
        starts[column, row] = -1
    first = extra
    at += 4
    while True:
        before = at
        at = skip_space(data, at, end)
        if at >= end:
            return at, -1, extra
        if byte(data, at) == SLASH or byte(data, at) == GREATER:
            at, fault = end_of_row(data, at, end)
            return at, fault, extra
        if at == before:
            return at, codes.MISSING_SPACE, extra
        name = at
        stop = end_of_name(data, at, end)
        at = skip_space(data, stop, end)
        if at >= end:
            return at, -1, extra
        if stop == name or byte(data, at) != EQUALS:
            return at, codes.MALFORMED_ATTRIBUTE, extra
        at = skip_space(data, at + 1, end)
        if at >= end:
            return at, -1, extra
        quote = byte(data, at)
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
        if byte(data, stop_of_value) == LESS:
            return stop_of_value, codes.UNESCAPED_LESS_THAN, extra
        if column >= 0:
            if starts[column, row] >= 0:
                return name, codes.DOUBLED_ATTRIBUTE, extra
            starts[column, row], ends[column, row] = at, stop_of_value
        else:
            extras[extra, 0], extras[extra, 1], extras[extra, 2] = row, name, stop
            extras[extra, 3], extras[extra, 4] = at, stop_of_value
            extra += 1
        at = stop_of_value + 1


@compiled
def read_rows(data, at, end, root, is_all, names, masks, lengths, successor, starts, ends, spans, extras, faults):
    """Reads rows from `at` on. Returns (position, status, rows, extras, faults): what was used of each table.

    `is_all`: the file holds nothing after `end`.

    `starts`, `ends` (by column and row): positions of each value, -1 where the attribute is absent. `spans` (by row):
    where the row begins and ends. `extras` (one for each attribute that the schema does not know): row, where its name
    and its value begin and end. `faults` (one for each row that is none): where it begins and ends, code, position.
    """
    row, extra, fault_count = np.int64(0), np.int64(0), np.int64(0)
    while True:
        at, row = read_plain_rows(data, at, end, row, names, masks, lengths, successor, starts, ends, spans)
        if at + 5 > end:
            short = (
                at + 1 < end
                and byte(data, at) == LESS
                and (byte(data, at + 1) == SLASH or byte(data, at + 1) == BANG or byte(data, at + 1) == QUESTION)
            )
            return at, codes.MARKUP if short else codes.NEED_MORE, row, extra, fault_count
        if row >= spans.shape[0] or extra + MAX_EXTRAS > extras.shape[0] or fault_count >= faults.shape[0]:
            return at, codes.FULL, row, extra, fault_count
        if opens_row(data, at, end):
            stop, fault, extra_after = read_row(data, at, end, row, names, lengths, starts, ends, extras, extra)
            if fault < 0:
                return at, codes.NEED_MORE, row, extra, fault_count
            if fault == _GOOD:
                spans[row, 0], spans[row, 1] = at, stop
                row, extra, at = row + 1, extra_after, stop
                continue
        elif byte(data, at) == LESS and (
            byte(data, at + 1) == SLASH or byte(data, at + 1) == BANG or byte(data, at + 1) == QUESTION
        ):
            return at, codes.MARKUP, row, extra, fault_count
        else:
            stop, fault = at, codes.NOT_A_ROW
        sync = next_row(data, at, end, root, is_all)
        if sync < 0:
            return at, codes.NEED_MORE, row, extra, fault_count
        faults[fault_count, 0], faults[fault_count, 1] = at, sync
        faults[fault_count, 2], faults[fault_count, 3] = fault, stop
        fault_count += 1
        at = sync
