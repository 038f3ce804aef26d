"""What of a member is in memory: the bytes that are read next, and where in the file they stand.

Belongs here: reading on, carrying what is unread to the front, growing for a long row and shrinking after it. Does not
belong here: what the bytes mean (`table_reader.py`), their encoding (`encoding.py`).
"""

from __future__ import annotations

import numpy as np

from so_lakehouse.dumps.encoding import ReadInto, sniff
from so_lakehouse.dumps.framing import NOTHING, shown
from so_lakehouse.dumps.kernel.bytes import PADDING
from so_lakehouse.errors import BadInput

MAX_ROW_BYTES = 1 << 27  # a row is held in memory whole; the publisher's largest have some 100 kB


class Window:
    """`data[at:end]` is what is unread; after `data` follow `PADDING` bytes that the kernel may load.

    `byte` is where in the file `at` stands. `is_all` tells that the file holds nothing after `end`.
    """

    def __init__(self, read: ReadInto, where: str, block_bytes: int) -> None:
        self._source = sniff(read, where)
        self._where, self._block_bytes = where, block_bytes
        self.encoding = self._source.name
        self.data = np.zeros(block_bytes + PADDING, np.uint8)
        self.at = self.end = 0
        self.byte = self._source.mark
        self.is_all = False

    @property
    def unread(self) -> int:
        return self.end - self.at

    def fill(self) -> None:
        """Moves what is unread to the front and reads on; there is room for twice as much, up to `MAX_ROW_BYTES`.

        Raises `BadInput` where that much is unread.
        """
        unread, size = self.unread, self._block_bytes
        if unread >= MAX_ROW_BYTES:
            raise BadInput(
                f"{self._where}: what begins at byte {self.byte:,}, {shown(self.text(40))}, is a row of more than "
                f"{MAX_ROW_BYTES:,} bytes, or its quote is never closed, or no row follows in as many bytes. {NOTHING}"
            )
        while size < 2 * unread:
            size *= 2
        size = min(size, max(MAX_ROW_BYTES, self._block_bytes))
        target = self.data if self.data.size == size + PADDING else np.zeros(size + PADDING, np.uint8)
        target[:unread] = self.data[self.at : self.end]
        self.data, self.at, self.end = target, 0, unread
        view = self.data.data[:size]
        while self.end < size:
            count = self._source.readinto(view[self.end :])
            if not count:
                self.is_all = True
                return
            self.end += count

    def advance(self, stop: int) -> None:
        """What stands before `stop` has been read."""
        self.byte, self.at = self.byte_of(stop), stop

    def byte_of(self, position: int) -> int:
        """Where in the file a position from `at` on stands."""
        return self.byte + self._source.width(self.data, self.at, position)

    def bytes_of(self, positions: np.ndarray) -> np.ndarray:
        """Where in the file each of these positions stands; they rise."""
        return self.byte + self._source.widths(self.data, self.at, positions)

    def text(self, size: int) -> bytes:
        """The next `size` bytes as UTF-8, or fewer where there are fewer."""
        return self.data[self.at : min(self.at + size, self.end)].tobytes()

    def raw(self, text: bytes) -> bytes:
        """The bytes of the file that became this text."""
        return self._source.raw(text)
