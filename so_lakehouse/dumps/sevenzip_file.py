"""Whether a file is a whole 7z, from its two ends: nothing is unpacked.

Belongs here: the signature, the start header and the checksum of the header at the end. Does not belong here: members
and codecs. Source: 7zFormat.txt of the LZMA SDK (signature header: 6 bytes signature, 2 version, CRC-32 of the next
20 bytes, which are offset, size and CRC-32 of the header at the end; the offset counts from byte 32).
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from so_lakehouse.errors import BadInput

SIGNATURE = b"7z\xbc\xaf\x27\x1c"
START_HEADER = struct.Struct("<6s2sIQQI")
LARGEST_END_HEADER = 1 << 26  # a dump's header is below a kilobyte; more would be read into memory only to be refused


def fingerprint(start: bytes) -> bytes:
    """What tells two archives apart by their first bytes alone: the start header.

    It holds the checksum of the header at the end, and that one holds the checksum of every member.
    """
    return start[: START_HEADER.size]


def check_start(start: bytes, name: str, where: str) -> None:
    """Raises `BadInput` where the first bytes of a file (as many as there are) cannot begin a 7z."""
    head = start[: len(SIGNATURE)]
    if head != SIGNATURE[: len(head)]:
        page = " It is a web page: the address needs a login, or is wrong." if b"<" in start[:64] else ""
        raise BadInput(f"{name} is not a 7z archive; it begins with {start[:16]!r} ({where}).{page}")


def check_whole(path: Path, name: str) -> None:
    """Raises `BadInput` where the file is no 7z, is cut short, or is damaged in one of its headers."""
    size = path.stat().st_size
    with path.open("rb") as source:
        start = source.read(START_HEADER.size)
        check_start(start, name, str(path))
        if len(start) < START_HEADER.size:
            raise BadInput(f"{name} is cut short: it has {size} bytes ({path}). Fetch it again.")
        _, _, start_crc, offset, length, end_crc = START_HEADER.unpack(start)
        if zlib.crc32(start[12:]) != start_crc:
            raise BadInput(f"{name} is damaged: the checksum of its first header is wrong ({path}). Fetch it again.")
        end = START_HEADER.size + offset + length
        if end > size:
            raise BadInput(f"{name} is cut short: it has {size:,} of {end:,} bytes ({path}). Fetch it again.")
        if length > LARGEST_END_HEADER:
            raise BadInput(
                f"{name} has a header of {length:,} bytes, which no dump has ({path}). Choose another mirror."
            )
        source.seek(START_HEADER.size + offset)
        if zlib.crc32(source.read(length)) != end_crc:
            raise BadInput(
                f"{name} is damaged: the checksum of its last header is wrong ({path}, byte {end - length:,})."
            )
