"""Stage 1, tokenise: the short way through rows that are spelled as the publisher spells them.

Belongs here: what makes nearly all rows quick. Does not belong here: the grammar of a row (`rows.py`), which gives the
same result for these rows and decides about all others.
"""

from __future__ import annotations

import numpy as np

from so_lakehouse.dumps.kernel.bytes import WIDTH, byte, equal, lowest, same
from so_lakehouse.dumps.kernel.compiled import compiled, inlined
from so_lakehouse.dumps.kernel.grammar import DOUBLE, GREATER, LESS, SLASH, SPACE, opens_row, skip_space


@inlined
def column_at(data, at, names, masks):
    """Column whose `Name="` stands at `at`; -1 where none does."""
    for column in range(masks.size):
        if same(data, at, names, column * WIDTH) & masks[column] == masks[column]:
            return column
    return -1


@inlined
def read_plain_row(data, at, end, row, names, masks, lengths, successor, starts, ends):
    """Reads the row at `at` if it is spelled as the publisher spells rows; returns the position after it, else -1.

    Known attributes, one space before each, double quotes: all but a handful of the rows there are. It decides
    nothing: a row that it does not take goes to `read_row`, which knows the whole grammar and would have taken this
    one in just the same way.
    """
    columns = masks.size
    for column in range(columns):
        starts[column, row] = -1
    previous, seen = columns, np.uint64(0)
    at += 4
    while at + 2 <= end and byte(data, at) == SPACE:
        at += 1
        if byte(data, at) == SLASH:
            return at + 2 if at + 2 <= end and byte(data, at + 1) == GREATER else -1
        column = successor[previous]
        if column < 0 or same(data, at, names, column * WIDTH) & masks[column] != masks[column]:
            column = column_at(data, at, names, masks)
            if column < 0:
                return -1
            successor[previous] = column
        bit = np.uint64(1) << np.uint64(column)
        at += lengths[column] + 2
        if seen & bit or at >= end:
            return -1
        seen |= bit
        starts[column, row] = at
        found = equal(data, at, DOUBLE) | equal(data, at, LESS)
        while not found:
            at += WIDTH
            if at >= end:
                return -1
            found = equal(data, at, DOUBLE) | equal(data, at, LESS)
        at += lowest(found)
        if at >= end or byte(data, at) == LESS:
            return -1
        ends[column, row] = at
        previous = column
        at += 1
    return -1


@compiled
def read_plain_rows(data, at, end, row, names, masks, lengths, successor, starts, ends, spans):
    """Reads plain rows until something else stands there or a table is full. Returns (position, rows)."""
    while row < spans.shape[0]:
        at = skip_space(data, at, end)
        if not opens_row(data, at, end):
            break
        stop = read_plain_row(data, at, end, row, names, masks, lengths, successor, starts, ends)
        if stop < 0:
            break
        spans[row, 0], spans[row, 1] = at, stop
        row, at = row + 1, stop
    return at, row
