"""The encoding of a dump's file: told by its first bytes, never by what it declares.

Belongs here: byte order marks, UTF-16 to UTF-8 while reading, and how many bytes of the file a piece of text took.
Does not belong here: XML.

One real release (2024-04) was UTF-16LE. The kernel reads UTF-8 only; what is no text in the file's encoding survives
the way to it as bytes that are no UTF-8 either, so that the row lands in quarantine and its bytes can be given back.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable

import numpy as np

from so_lakehouse.dumps.kernel.units import utf16_units, utf16_units_to
from so_lakehouse.errors import BadInput

ReadInto = Callable[[memoryview], int]
_PIECE = 1 << 18
_UTF32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff", b"<\0\0\0", b"\0\0\0<")

# (first bytes of the file, encoding, bytes of the mark). The last two have no mark but can only be `<?` or `<` + a
# letter in UTF-16.
_SIGNS = (
    (b"\xef\xbb\xbf", "utf-8", 3),
    (b"\xff\xfe", "utf-16-le", 2),
    (b"\xfe\xff", "utf-16-be", 2),
    (b"<\0", "utf-16-le", 0),
    (b"\0<", "utf-16-be", 0),
)


class Utf8:
    """Bytes as they are."""

    name = "utf-8"

    def __init__(self, read: ReadInto, first: bytes, mark: int) -> None:
        self._read, self._pending = read, memoryview(first[mark:])
        self.mark = mark

    def readinto(self, target: memoryview) -> int:
        if self._pending:
            return self._give(target)
        return self._read(target)

    def _give(self, target: memoryview) -> int:
        count = min(len(self._pending), len(target))
        target[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count

    def width(self, data: np.ndarray, at: int, stop: int) -> int:
        """Bytes of the file that became `data[at:stop]`."""
        return stop - at

    def widths(self, data: np.ndarray, at: int, stops: np.ndarray) -> np.ndarray:
        """`width` up to each of these positions, which rise."""
        return stops - at

    def raw(self, text: bytes) -> bytes:
        """The bytes of the file that became this text."""
        return text


class Utf16(Utf8):
    """UTF-16 in either byte order, given on as UTF-8. A lone surrogate becomes three bytes that no UTF-8 holds."""

    def __init__(self, read: ReadInto, first: bytes, mark: int, name: str) -> None:
        super().__init__(read, b"", 0)
        self.mark, self.name = mark, name
        self._decoder = codecs.getincrementaldecoder(name)("surrogatepass")
        self._room = memoryview(bytearray(_PIECE))
        self._pending = memoryview(self._convert(first[mark:]))

    def _convert(self, piece: bytes | memoryview, final: bool = False) -> bytes:
        return self._decoder.decode(bytes(piece), final).encode("utf-8", "surrogatepass")

    def readinto(self, target: memoryview) -> int:
        """As `Utf8`; an odd number of bytes in the file raises `UnicodeDecodeError` at its end."""
        while not self._pending:
            count = self._read(self._room)
            self._pending = memoryview(self._convert(self._room[:count], final=not count))
            if not count and not self._pending:
                return 0
        return self._give(target)

    def width(self, data: np.ndarray, at: int, stop: int) -> int:
        return 2 * int(utf16_units(data, at, stop))

    def widths(self, data: np.ndarray, at: int, stops: np.ndarray) -> np.ndarray:
        units = np.empty(stops.size, np.int64)
        utf16_units_to(data, at, stops, units)
        return 2 * units

    def raw(self, text: bytes) -> bytes:
        return text.decode("utf-8", "surrogatepass").encode(self.name, "surrogatepass")


def sniff(read: ReadInto, where: str) -> Utf8 | Utf16:
    """The file as UTF-8. Reads the first four bytes (fewer where there are fewer); raises `BadInput` for UTF-32."""
    room = memoryview(bytearray(4))
    have = 0
    while have < len(room) and (count := read(room[have:])):
        have += count
    first = bytes(room[:have])
    if first in _UTF32:
        raise BadInput(
            f"{where}: the file is UTF-32; UTF-8 and UTF-16 can be read. Nothing was published. Wait for the release's "
            "re-issue, or convert the file to UTF-8 and pack it again."
        )
    for sign, name, mark in _SIGNS:
        if first.startswith(sign):
            return Utf8(read, first, mark) if name == "utf-8" else Utf16(read, first, mark, name)
    return Utf8(read, first, 0)
