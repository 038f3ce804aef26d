"""Chance without a state: the same number and purpose always draw the same. What makes `large_site` need no memory."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class FixedChance:
    """Draws for one site; another salt draws otherwise."""

    salt: int

    def draw(self, number: int, purpose: bytes, sides: int) -> int:
        """A whole number from 0 up to `sides`, without it."""
        return self.bits(number, purpose) % sides

    def bits(self, number: int, purpose: bytes) -> int:
        """64 bits that look random: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) started at a place of its own."""
        state = (number * 0x9E3779B97F4A7C15 + crc32(purpose) * 0xD1B54A32D192ED03 + self.salt) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        return state ^ (state >> 31)
