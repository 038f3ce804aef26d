"""Stage 2, convert: dates and times, to microseconds since 1970-01-01 UTC.

Belongs here: how a moment is spelled in a dump, and the calendar. An empty value is no value.

| part | accepted | refused |
|---|---|---|
| date and time | `YYYY-MM-DDTHH:MM:SS`, years 1 to 9999 | any other spelling, a day or an hour that there is not |
| fraction | nothing, or `.` and up to 6 digits; more only if they are 0 | what is finer than a microsecond |
| zone | nothing (a dump's times are UTC), `Z`, or `+HH:MM` / `-HH:MM`, which is counted in | more than 14 hours |
"""

from __future__ import annotations

import numpy as np

from so_lakehouse.dumps.kernel import codes
from so_lakehouse.dumps.kernel.compiled import compiled, inlined
from so_lakehouse.dumps.kernel.digits import flipped, layout_of, pair, two_digits
from so_lakehouse.dumps.kernel.text import plain_spelling

_MINUS, _PLUS, _DOT, _COLON, _T, _Z = 45, 43, 46, 58, 84, 90

# The publisher's spelling, 2008-07-31T21:42:52.667, in three words: bytes 0-7, 8-15 and 15-22.
_DATE, _DAY_TIME, _SECONDS = layout_of("0000-00-"), layout_of("00T00:00"), layout_of("0:00.000")
_LENGTH = 23

_DAYS_BEFORE = np.array([0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365])
_EPOCH = 719_162  # days from 0001-01-01 to 1970-01-01
_LAST_DAY = 2_932_896  # 9999-12-31, in days since 1970-01-01
MAX_ZONE = 14 * 60  # minutes; no zone is further from UTC


@inlined
def is_leap(year):
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


@inlined
def days_of(year, month):
    return _DAYS_BEFORE[month] - _DAYS_BEFORE[month - 1] + (1 if month == 2 and is_leap(year) else 0)


@inlined
def days_since_epoch(year, month, day):
    """Days from 1970-01-01 in the proleptic Gregorian calendar, years 1 to 9999."""
    past = year - 1
    days = past * 365 + past // 4 - past // 100 + past // 400 + _DAYS_BEFORE[month - 1] + day - 1
    if month > 2 and is_leap(year):
        days += 1
    return days - _EPOCH


@inlined
def moment(year, month, day, hour, minute, second, fraction, zone):
    """(microseconds since 1970-01-01 UTC, fault) of a date and time `zone` minutes east of UTC, if there is one."""
    wrong = np.int64(0), codes.NOT_A_TIMESTAMP
    if year < 1 or year > 9999 or month < 1 or month > 12 or day < 1 or day > days_of(year, month):
        return wrong
    if hour > 23 or minute > 59 or second > 59:
        return wrong
    minutes = (days_since_epoch(year, month, day) * 24 + hour) * 60 + minute - zone
    if minutes < -_EPOCH * 1440 or minutes >= (_LAST_DAY + 1) * 1440:  # a zone can lead out of the calendar
        return wrong
    return (minutes * 60 + second) * 1_000_000 + fraction, 0


@compiled
def microseconds_of(data, at, stop):
    """(microseconds, or -1 where they are none; position after the digits) of a fraction whose `.` stands at `at`."""
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
def other_timestamp(data, at, stop):
    """As `timestamp`, for the spellings that the publisher does not use today."""
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
    at += 19
    fraction = np.int64(0)
    if at < stop and data[at] == _DOT:
        fraction, at = microseconds_of(data, at, stop)
        if fraction < 0:
            return wrong
    zone = zone_minutes(data, at, stop)
    if zone > MAX_ZONE:
        return wrong
    return moment(year, month, day, hour, minute, second, fraction, zone)


@inlined
def timestamp(data, at, stop):
    """(microseconds since 1970-01-01 UTC, fault)."""
    if stop - at == _LENGTH:
        date, is_date = flipped(data, at, _DATE)
        clock, is_clock = flipped(data, at + 8, _DAY_TIME)
        seconds, are_seconds = flipped(data, at + 15, _SECONDS)
        if is_date and is_clock and are_seconds:
            milliseconds = pair(seconds, 5) * 10 + np.int64(seconds >> np.uint64(56))
            year, month = pair(date, 0) * 100 + pair(date, 2), pair(date, 5)
            day, hour, minute, second = pair(clock, 0), pair(clock, 3), pair(clock, 6), pair(seconds, 2)
            return moment(year, month, day, hour, minute, second, milliseconds * 1000, 0)
    return other_timestamp(data, at, stop)


@compiled
def append_timestamps(data, starts, ends, count, out, present, row, column, faults, room, marks):
    """As `append_integers`, for timestamps in microseconds since 1970-01-01 UTC."""
    found = 0
    for k in range(count):
        out[row + k] = 0
        present[row + k] = starts[k] >= 0 and ends[k] > starts[k]
        if not present[row + k]:
            continue
        at, stop = np.int64(starts[k]), np.int64(ends[k])
        value, fault = timestamp(data, at, stop)
        if fault:
            length = plain_spelling(data, at, stop, room, marks)
            if length:
                value, fault = timestamp(room, np.int64(0), length)
        out[row + k] = value
        if fault and faults[k, 0] == 0:
            faults[k, 0], faults[k, 1] = fault, column
            found += 1
    return found
