"""UTF-8: whether bytes are, and the bytes of a character.

Belongs here: the encoding of text. Does not belong here: what stands for a character in XML (`references.py`).
"""

from __future__ import annotations

from so_lakehouse.dumps.kernel.bytes import word
from so_lakehouse.dumps.kernel.compiled import compiled


@compiled
def put_character(out, to, character):
    """Writes one character as UTF-8; returns the position after it."""
    if character < 0x80:
        out[to] = character
        return to + 1
    if character < 0x800:
        out[to] = 0xC0 | character >> 6
        out[to + 1] = 0x80 | character & 0x3F
        return to + 2
    if character < 0x10000:
        out[to] = 0xE0 | character >> 12
        out[to + 1] = 0x80 | character >> 6 & 0x3F
        out[to + 2] = 0x80 | character & 0x3F
        return to + 3
    out[to] = 0xF0 | character >> 18
    out[to + 1] = 0x80 | character >> 12 & 0x3F
    out[to + 2] = 0x80 | character >> 6 & 0x3F
    out[to + 3] = 0x80 | character & 0x3F
    return to + 4


@compiled
def is_utf8(data, at, stop):
    """Whether these bytes are UTF-8: no overlong form, no surrogate, none beyond U+10FFFF (Unicode, table 3-7)."""
    while at < stop:
        byte = data[at]
        if byte < 0x80:
            while at + 8 <= stop and word(data, at) & 0x8080808080808080 == 0:
                at += 8
            while at < stop and data[at] < 0x80:
                at += 1
            continue
        if 0xC2 <= byte <= 0xDF:
            more, low, high = 1, 0x80, 0xBF
        elif 0xE0 <= byte <= 0xEF:
            more = 2
            low = 0xA0 if byte == 0xE0 else 0x80
            high = 0x9F if byte == 0xED else 0xBF
        elif 0xF0 <= byte <= 0xF4:
            more = 3
            low = 0x90 if byte == 0xF0 else 0x80
            high = 0x8F if byte == 0xF4 else 0xBF
        else:
            return False
        if at + more >= stop or data[at + 1] < low or data[at + 1] > high:
            return False
        for k in range(2, more + 1):
            if data[at + k] & 0xC0 != 0x80:
                return False
        at += more + 1
    return True
