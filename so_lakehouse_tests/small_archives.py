"""Archives for tests that never unpack one: whole by their two headers, with any bytes between."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Mapping


def small_7z(payload_bytes: int = 400_000, seed: int = 1) -> bytes:
    """A file that is a 7z by its signature, start header and end header; the bytes between differ with the seed."""
    payload = random.Random(seed).randbytes(payload_bytes)
    # Like a real end header, this one changes with the content: there it holds the CRC-32 of every member.
    end_header = b"\x01" + struct.pack("<I", zlib.crc32(payload)) + b"\x00"
    start = struct.pack("<QQI", len(payload), len(end_header), zlib.crc32(end_header))
    return b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<I", zlib.crc32(start)) + start + payload + end_header


def crafted_7z(
    files: Mapping[str, bytes], *, checksums: bool = True, method: bytes = b"\x00", empty_members: int = 0
) -> bytes:
    """A whole 7z that 7-Zip itself would not write: its members stored one after the other in one block.

    `checksums`: whether members have their CRC-32. `method`: the codec that the header names (00: stored).
    """
    contents = list(files.values())
    payload = b"".join(contents)
    sizes = b"\x09" + b"".join(map(_number, map(len, contents[:-1]))) if len(contents) > 1 else b""
    sums = b"\x0a\x01" + b"".join(struct.pack("<I", zlib.crc32(content)) for content in contents) if checksums else b""
    names = "".join(f"{name}\0" for name in [*files, *["e"] * empty_members]).encode("utf-16-le")
    packed = b"\x06\x00\x01\x09" + _number(len(payload)) + b"\x00"
    folder = b"\x07\x0b\x01\x00\x01" + bytes([len(method)]) + method + b"\x0c" + _number(len(payload)) + b"\x00"
    streams = b"\x08\x0d" + _number(len(contents)) + sizes + sums + b"\x00"
    listed = b"\x05" + _number(len(contents) + empty_members)
    if empty_members:
        flags = "0" * len(contents) + "1" * empty_members
        listed += b"\x0e" + _property(_bits(flags)) + b"\x0f" + _property(_bits("1" * empty_members))
    listed += b"\x11" + _property(b"\x00" + names) + b"\x00"
    header = b"\x01\x04" + packed + folder + streams + b"\x00" + listed + b"\x00"
    start = struct.pack("<QQI", len(payload), len(header), zlib.crc32(header))
    return b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<I", zlib.crc32(start)) + start + payload + header


def _number(value: int) -> bytes:
    """7z's numbers: the first byte's leading ones count the bytes that follow, and its rest is the highest part."""
    for more in range(8):
        if value < 1 << (7 * (more + 1)):
            first = (0xFF << (8 - more) & 0xFF) | value >> (8 * more)
            return bytes([first]) + (value & ((1 << 8 * more) - 1)).to_bytes(more, "little")
    return b"\xff" + value.to_bytes(8, "little")


def _property(content: bytes) -> bytes:
    return _number(len(content)) + content


def _bits(flags: str) -> bytes:
    return bytes(int(flags[at : at + 8].ljust(8, "0"), 2) for at in range(0, len(flags), 8))
