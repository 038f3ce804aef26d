"""How many units of UTF-16 a piece of UTF-8 stands for: what a row's offset in a UTF-16 file is counted in.

Belongs here: that count alone.
"""

from __future__ import annotations

from so_lakehouse.dumps.kernel.compiled import compiled


@compiled
def utf16_units(data, at, stop):
    """One unit for each character, two for one of four bytes; a surrogate that became three bytes is one again."""
    units = 0
    for k in range(at, stop):
        byte = data[k]
        units += (byte & 0xC0 != 0x80) + (byte >= 0xF0)
    return units


@compiled
def utf16_units_to(data, at, stops, units):
    """Writes to `units` how many there are from `at` to each of `stops`, which rise."""
    count = 0
    for k in range(stops.size):
        count += utf16_units(data, at, stops[k])
        at, units[k] = stops[k], count
