"""Stage 2, convert: integers and booleans.

Belongs here: how these are spelled in a dump. Does not belong here: dates (`timestamps.py`).
An empty value is no value (`ViewCount=""` in old dumps).

| type | accepted | refused |
|---|---|---|
| integer | `-`? digits, within the column's width | `+5`, `1e9`, `5.0`, spaces, too large |
| boolean | true, false in any case, 1, 0 | anything else |
"""

from __future__ import annotations

import numpy as np

from so_lakehouse.dumps.kernel import codes
from so_lakehouse.dumps.kernel.compiled import compiled, inlined
from so_lakehouse.dumps.kernel.digits import short_integer
from so_lakehouse.dumps.kernel.text import plain_spelling

_MINUS, _ZERO, _ONE = 45, 48, 49
_LAST = np.int64(922337203685477580)  # the largest number that may still be followed by a digit, in 64 bits


@inlined
def integer(data, at, stop, low, high):
    """(value, fault) of an integer; the bytes must be neither empty nor anything else."""
    negative = data[at] == _MINUS
    if negative:
        at += 1
    if at >= stop:
        return np.int64(0), codes.NOT_AN_INTEGER
    if stop - at <= 8:
        value, is_integer = short_integer(data, at, stop - at)
        value = -value if negative else value
        fault = 0 if low <= value <= high else codes.OUT_OF_RANGE
        return value, fault if is_integer else codes.NOT_AN_INTEGER
    value = np.int64(0)
    too_large = False
    for k in range(at, stop):
        digit = np.int64(data[k]) - 48
        if digit < 0 or digit > 9:
            return np.int64(0), codes.NOT_AN_INTEGER
        # Built below zero, which reaches one further: -2^63 is a value, 2^63 is none.
        if value < -_LAST or (value == -_LAST and digit > 8):
            too_large = True
            value = np.int64(0)
        value = value * 10 - digit
    if too_large or (not negative and value == -_LAST * 10 - 8):
        return np.int64(0), codes.OUT_OF_RANGE
    value = value if negative else -value
    if value < low or value > high:
        return np.int64(0), codes.OUT_OF_RANGE
    return value, 0


@compiled
def append_integers(data, starts, ends, count, low, high, out, present, row, column, faults, room, marks):
    """Appends `count` values of a column from row `row` on; returns the number of faults (see `append_text`).

    `room` and `marks` are room for `plain_spelling`.
    """
    found = 0
    for k in range(count):
        out[row + k] = 0
        present[row + k] = starts[k] >= 0 and ends[k] > starts[k]
        if not present[row + k]:
            continue
        at, stop = np.int64(starts[k]), np.int64(ends[k])
        value, fault = integer(data, at, stop, low, high)
        if fault:
            length = plain_spelling(data, at, stop, room, marks)
            if length:
                value, fault = integer(room, np.int64(0), length, low, high)
        out[row + k] = value
        if fault and faults[k, 0] == 0:
            faults[k, 0], faults[k, 1] = fault, column
            found += 1
    return found


@inlined
def boolean(data, at, stop):
    """1, 0, or -1 for what is no boolean."""
    length = stop - at
    if length == 1 and data[at] in (_ZERO, _ONE):
        return data[at] - _ZERO
    # A letter with bit 5 set is lower case.
    if length == 4 and data[at] | 32 == 116 and data[at + 1] | 32 == 114 and data[at + 2] | 32 == 117:
        return 1 if data[at + 3] | 32 == 101 else -1
    if length == 5 and data[at] | 32 == 102 and data[at + 1] | 32 == 97 and data[at + 2] | 32 == 108:
        return 0 if data[at + 3] | 32 == 115 and data[at + 4] | 32 == 101 else -1
    return -1


@compiled
def append_booleans(data, starts, ends, count, out, present, row, column, faults, room, marks):
    """As `append_integers`, for booleans; `out` holds a byte each."""
    found = 0
    for k in range(count):
        out[row + k] = 0
        present[row + k] = starts[k] >= 0 and ends[k] > starts[k]
        if not present[row + k]:
            continue
        at, stop = np.int64(starts[k]), np.int64(ends[k])
        value = boolean(data, at, stop)
        if value < 0:
            length = plain_spelling(data, at, stop, room, marks)
            if length:
                value = boolean(room, np.int64(0), length)
        if value >= 0:
            out[row + k] = value
        elif faults[k, 0] == 0:
            faults[k, 0], faults[k, 1] = codes.NOT_A_BOOLEAN, column
            found += 1
    return found
