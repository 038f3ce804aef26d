"""Stage 2, convert: integers, booleans and timestamps.

Belongs here: how each type is spelled in a dump. An empty value is no value (`ViewCount=""` in old dumps).

| type | accepted | refused |
|---|---|---|
| integer | `-`? digits, within the column's width | `+5`, `1e9`, `5.0`, spaces, too large |
| boolean | true, false in any case, 1, 0 | anything else |
| timestamp | `YYYY-MM-DDTHH:MM:SS`, then up to 6 digits of a second (more only if 0), then nothing, `Z` or `±HH:MM` | anything else, a day that is none |
"""

from __future__ import annotations

import numpy as np

from so_lakehouse.dumps.kernel import codes
from so_lakehouse.dumps.kernel.compiled import compiled

_MINUS, _PLUS, _DOT, _COLON, _T, _Z = 45, 43, 46, 58, 84, 90
_LAST = np.int64(922337203685477580)  # the largest number that may still be followed by a digit, in 64 bits

_DAYS_BEFORE = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365])
_EPOCH = 719_162  # days from 0001-01-01 to 1970-01-01
_LAST_DAY = 2_932_896  # 9999-12-31, in days since 1970-01-01
MAX_ZONE = 14 * 60  # minutes; no zone is further from UTC


@compiled
def integer(data, at, stop, low, high):
    """(value, fault) of an integer; the bytes must be neither empty nor anything else."""
    negative = data[at] == _MINUS
    if negative:
        at += 1
    if at >= stop:
        return np.int64(0), codes.NOT_AN_INTEGER
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
def append_integers(data, starts, ends, count, low, high, out, present, row, column, faults):
    """Appends `count` values of a column from row `row` on; returns the number of faults (see `append_text`)."""
    found = 0
    for k in range(count):
        out[row + k] = 0
        present[row + k] = starts[k] >= 0 and ends[k] > starts[k]
        if not present[row + k]:
            continue
        value, fault = integer(data, starts[k], ends[k], low, high)
        out[row + k] = value
        if fault and faults[k, 0] == 0:
            faults[k, 0], faults[k, 1] = fault, column
            found += 1
    return found


@compiled
def boolean(data, at, stop):
    """1, 0, or -1 for what is no boolean."""
    length = stop - at
    if length == 1 and (data[at] == 48 or data[at] == 49):
        return data[at] - 48
    # A letter with bit 5 set is lower case.
    if length == 4 and data[at] | 32 == 116 and data[at + 1] | 32 == 114 and data[at + 2] | 32 == 117:
        return 1 if data[at + 3] | 32 == 101 else -1
    if length == 5 and data[at] | 32 == 102 and data[at + 1] | 32 == 97 and data[at + 2] | 32 == 108:
        return 0 if data[at + 3] | 32 == 115 and data[at + 4] | 32 == 101 else -1
    return -1


@compiled
def append_booleans(data, starts, ends, count, out, present, row, column, faults):
    """As `append_integers`, for booleans; `out` holds a byte each."""
    found = 0
    for k in range(count):
        out[row + k] = 0
        present[row + k] = starts[k] >= 0 and ends[k] > starts[k]
        if not present[row + k]:
            continue
        value = boolean(data, starts[k], ends[k])
        if value >= 0:
            out[row + k] = value
        elif faults[k, 0] == 0:
            faults[k, 0], faults[k, 1] = codes.NOT_A_BOOLEAN, column
            found += 1
    return found


@compiled
def two_digits(data, at):
    """Value of two digits; at least 1000 where one is none."""
    tens, ones = np.int64(data[at]) - 48, np.int64(data[at + 1]) - 48
    if tens < 0 or tens > 9 or ones < 0 or ones > 9:
        return np.int64(10_000)
    return tens * 10 + ones


@compiled
def days_since_epoch(year, month, day):
    """Days from 1970-01-01 in the proleptic Gregorian calendar, years 1 to 9999."""
    past = year - 1
    days = past * 365 + past // 4 - past // 100 + past // 400 + _DAYS_BEFORE[month - 1] + day - 1
    if month > 2 and is_leap(year):
        days += 1
    return days - _EPOCH


@compiled
def is_leap(year):
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


@compiled
def days_of(year, month):
    return _DAYS_BEFORE[month] - _DAYS_BEFORE[month - 1] + (1 if month == 2 and is_leap(year) else 0)


@compiled
def microseconds_of(data, at, stop):
    """(microseconds, position after the digits) of a fraction whose `.` stands at `at`; microseconds -1 where it is none."""
    value, scale, first = np.int64(0), np.int64(100_000), at + 1
    at = first
    while at < stop and 48 <= data[at] <= 57:
        digit = np.int64(data[at]) - 48
        if scale == 0 and digit != 0:
            return np.int64(-1), at
        value += digit * scale
        scale //= 10
        at += 1
    return (value if at > first else np.int64(-1)), at


@compiled
def zone_minutes(data, at, stop):
    """Minutes east of UTC of what follows the seconds: nothing, `Z` or `±HH:MM`; 10,000 where it is none of them."""
    if at == stop or (at + 1 == stop and data[at] == _Z):
        return np.int64(0)
    if at + 6 != stop or data[at + 3] != _COLON or (data[at] != _PLUS and data[at] != _MINUS):
        return np.int64(10_000)
    hours, minutes = two_digits(data, at + 1), two_digits(data, at + 4)
    if minutes > 59 or hours * 60 + minutes > MAX_ZONE:
        return np.int64(10_000)
    return hours * 60 + minutes if data[at] == _PLUS else -(hours * 60 + minutes)


@compiled
def timestamp(data, at, stop):
    """(microseconds since 1970-01-01 UTC, fault)."""
    wrong = np.int64(0), codes.NOT_A_TIMESTAMP
    if stop - at < 19:
        return wrong
    if data[at + 4] != _MINUS or data[at + 7] != _MINUS or data[at + 10] != _T:
        return wrong
    if data[at + 13] != _COLON or data[at + 16] != _COLON:
        return wrong
    year = two_digits(data, at) * 100 + two_digits(data, at + 2)
    month, day = two_digits(data, at + 5), two_digits(data, at + 8)
    hour, minute, second = two_digits(data, at + 11), two_digits(data, at + 14), two_digits(data, at + 17)
    if year < 1 or year > 9999 or month < 1 or month > 12 or day < 1 or day > days_of(year, month):
        return wrong
    if hour > 23 or minute > 59 or second > 59:
        return wrong
    at += 19
    fraction = np.int64(0)
    if at < stop and data[at] == _DOT:
        fraction, at = microseconds_of(data, at, stop)
        if fraction < 0:
            return wrong
    zone = zone_minutes(data, at, stop)
    if zone > MAX_ZONE:
        return wrong
    minutes = (days_since_epoch(year, month, day) * 24 + hour) * 60 + minute - zone
    if minutes < -_EPOCH * 1440 or minutes >= (_LAST_DAY + 1) * 1440:  # a zone can lead out of the calendar
        return wrong
    return (minutes * 60 + second) * 1_000_000 + fraction, 0


@compiled
def append_timestamps(data, starts, ends, count, out, present, row, column, faults):
    """As `append_integers`, for timestamps in microseconds since 1970-01-01 UTC."""
    found = 0
    for k in range(count):
        out[row + k] = 0
        present[row + k] = starts[k] >= 0 and ends[k] > starts[k]
        if not present[row + k]:
            continue
        value, fault = timestamp(data, starts[k], ends[k])
        out[row + k] = value
        if fault and faults[k, 0] == 0:
            faults[k, 0], faults[k, 1] = fault, column
            found += 1
    return found
