"""Archives for tests that never unpack one: whole by their two headers, with any bytes between."""

from __future__ import annotations

import random
import struct
import zlib


def small_7z(payload_bytes: int = 400_000, seed: int = 1) -> bytes:
    """A file that is a 7z by its signature, start header and end header; the bytes between differ with the seed."""
    payload = random.Random(seed).randbytes(payload_bytes)
    # Like a real end header, this one changes with the content: there it holds the CRC-32 of every member.
    end_header = b"\x01" + struct.pack("<I", zlib.crc32(payload)) + b"\x00"
    start = struct.pack("<QQI", len(payload), len(end_header), zlib.crc32(end_header))
    return b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<I", zlib.crc32(start)) + start + payload + end_header
