"""One unpacked member of a dump, from its first byte to its last: row groups and refused rows.

Belongs here: blocks of bytes, what is carried from one to the next, and the count that proves that no row was lost.
Does not belong here: the grammar (`kernel/rows.py`, `framing.py`), where bytes come from (`unpack.py`) and go to
(`parquet.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from so_lakehouse.dumps import framing
from so_lakehouse.dumps.encoding import ReadInto, sniff
from so_lakehouse.dumps.faults import REASONS, Refused, readable_key, spelling_detail, value_detail
from so_lakehouse.dumps.kernel import codes
from so_lakehouse.dumps.kernel.bytes import PADDING
from so_lakehouse.dumps.kernel.grammar import count_rows, next_row
from so_lakehouse.dumps.kernel.rows import read_rows
from so_lakehouse.dumps.kernel_tables import KernelTables
from so_lakehouse.dumps.row_group import Block, RowGroup
from so_lakehouse.dumps.tally import Tally
from so_lakehouse.errors import BadInput
from so_lakehouse.schema import Table

BLOCK_BYTES = 2 << 20  # what stage 1 leaves in the processor's cache stage 2 finds there
MAX_ROW_BYTES = 1 << 28  # a row is held in memory whole; the publisher's largest have some 100 kB
ROW_GROUP_TEXT_BYTES = 32 << 20
ROW_GROUP_ROWS = 1 << 19

_SMALLEST_ROW = 48  # bytes; only decides how many rows a block's tables hold before it is read in two steps


class TableReader:
    """Reads one member. `row_groups` yields filled row groups; `refuse` is called with every row that is in none."""

    def __init__(
        self,
        read: ReadInto,
        table: Table,
        where: str,
        refuse: Callable[[Refused], None],
        block_bytes: int = BLOCK_BYTES,
    ) -> None:
        self.table, self.where, self.tally = table, where, Tally()
        self._refuse = refuse
        self._source = sniff(read)
        self._buffer = np.zeros(block_bytes + PADDING, np.uint8)
        self._at = self._end = 0  # what of the buffer is still to be read
        self._byte = self._source.mark  # where in the file `_at` is
        self._is_all = False
        self._root = b""
        self._aside: list[Refused] = []
        self._tables = KernelTables(table, max(block_bytes // _SMALLEST_ROW, 16))

    def row_groups(self, empty: Callable[[], RowGroup]) -> Iterator[RowGroup]:
        """Fills row groups that `empty` gives and yields them; every row of the file is then in one of them or refused.

        Raises `BadInput` for the faults of a whole file.
        """
        try:
            yield from self._row_groups(empty)
        except UnicodeDecodeError as error:
            raise BadInput(
                f"{self.where}: the file ends inside a character of {self._source.name}. {framing.NOTHING}"
            ) from error

    def _row_groups(self, empty: Callable[[], RowGroup]) -> Iterator[RowGroup]:
        root = self._open_root()
        group = empty()
        while not root.is_empty:
            status = self._read_block(group)
            if group.text_bytes >= ROW_GROUP_TEXT_BYTES or group.rows >= ROW_GROUP_ROWS:
                yield self._filled(group)
                group = empty()
            if status == codes.MARKUP and self._pass_markup():
                break
            if status == codes.NEED_MORE:
                self._need_more()
        self._close()
        if group.rows:
            yield self._filled(group)

    def _filled(self, group: RowGroup) -> RowGroup:
        self.tally.count_unknown(group.extra.names())
        return group

    # --- bytes
    # -----------------------------------------------------------------------------------------------------------

    def _advance(self, stop: int) -> None:
        self._byte += self._source.width(self._buffer, self._at, stop)
        self._at = stop

    def _fill(self) -> None:
        """Moves what is unread to the front and fills the rest; a buffer that is mostly unread doubles first."""
        unread = self._end - self._at
        room = self._buffer.size - PADDING
        if unread > MAX_ROW_BYTES:
            raise BadInput(
                f"{self.where}: the row at byte {self._byte:,} has more than {MAX_ROW_BYTES:,} bytes, or its quote is "
                f"never closed. {framing.NOTHING}"
            )
        target = self._buffer if unread * 2 <= room else np.zeros(room * 2 + PADDING, np.uint8)
        target[:unread] = self._buffer[self._at : self._end]
        self._buffer, self._at, self._end = target, 0, unread
        view = self._buffer.data[: self._buffer.size - PADDING]
        while self._end < len(view):
            count = self._source.readinto(view[self._end :])
            if not count:
                self._is_all = True
                return
            self._end += count

    def _need_more(self) -> None:
        """Reads on, or raises `BadInput` where the file has no more."""
        if self._is_all:
            raise framing.ends_early(
                self.where, self._root, self._byte + self._source.width(self._buffer, self._at, self._end)
            )
        self._fill()

    def _text(self, size: int) -> bytes:
        return self._buffer[self._at : min(self._at + size, self._end)].tobytes()

    # --- around the rows
    # -------------------------------------------------------------------------------------------------

    def _open_root(self) -> framing.Root:
        root = None
        while root is None:
            self._fill()
            text = self._text(framing.MAX_PROLOG_BYTES)
            root = framing.read_prolog(text, self.table.root, self.where, self._is_all)
        self._advance(self._at + root.end)
        self._root = root.name
        name = self._source.name
        differs = root.declared.replace("_", "-") not in ("", name, name.removesuffix("-le").removesuffix("-be"))
        self.tally.encoding = f"{name} (declared {root.declared})" if differs else name
        return root

    def _pass_markup(self) -> bool:
        """Passes the comment, instruction or closing tag that stands here; True where it closes the root."""
        while True:
            text = self._text(framing.MAX_PROLOG_BYTES)
            framing.refuse_document_type(text, f"{self.where} at byte {self._byte:,}")
            found = framing.markup(text, self._root)
            if found is not None:
                break
            if len(text) >= framing.MAX_PROLOG_BYTES:
                raise BadInput(f"{self.where}: a comment at byte {self._byte:,} never ends. {framing.NOTHING}")
            self._need_more()
        if found.length:
            self._advance(self._at + found.length)
            return found.closes_root
        while (stop := next_row(self._buffer, self._at, self._end, self._tables.root(self._root))) < 0:
            self._need_more()
        self.tally.rows_in_file += 1
        self._refuse_spelling(self._at, stop, codes.NOT_A_ROW, self._at)
        self._give_aside()
        self._advance(stop)
        return False

    def _close(self) -> None:
        """Reads the file to its end, which must hold nothing more."""
        while not self._is_all:
            if self._end - self._at > framing.MAX_PROLOG_BYTES:
                break
            self._fill()
        framing.check_epilog(self._text(framing.MAX_PROLOG_BYTES + 1), self._root, self.where)
        tally = self.tally
        if tally.rows_in_file != tally.rows + tally.refused:
            raise AssertionError(
                f"{self.where}: {tally.rows_in_file} rows counted, but {tally.rows} read and {tally.refused} refused: "
                "a defect of the reader. Nothing was published."
            )

    # --- rows
    # ------------------------------------------------------------------------------------------------------------

    def _read_block(self, group: RowGroup) -> int:
        """Reads what rows the buffer holds into the group; returns why the kernel stopped."""
        tables, begin = self._tables, self._at
        stop, status, rows, extras, faults = read_rows(
            self._buffer, begin, self._end, tables.root(self._root), tables.names, tables.masks, tables.lengths,
            tables.successor, tables.starts, tables.ends, tables.spans, tables.extras, tables.faults,
        )  # fmt: skip
        counted = int(count_rows(self._buffer, begin, stop))
        for first, last, code, position in tables.faults[:faults].tolist():
            counted += 1 - int(count_rows(self._buffer, first, last))
            self._refuse_spelling(first, last, code, position)
        self.tally.rows_in_file += counted
        if rows:
            block = Block(
                self._buffer,
                tables.starts,
                tables.ends,
                rows,
                self._offsets(tables.spans[:rows, 0]),
                tables.extras[:extras],
            )
            self._append(group, block)
        self._give_aside()
        self._advance(stop)
        return int(status)

    def _offsets(self, positions: np.ndarray) -> np.ndarray:
        """Where in the file each row begins."""
        if self._source.name == "utf-8":
            return positions.astype(np.int64) + (self._byte - self._at)
        offsets = np.empty(positions.size, np.int64)
        at, byte = self._at, self._byte
        for k, position in enumerate(positions.tolist()):
            byte += self._source.width(self._buffer, at, position)
            at, offsets[k] = position, byte
        return offsets

    def _append(self, group: RowGroup, block: Block) -> None:
        faults = group.append(block)
        if faults is not None:
            refused = faults[:, 0] != 0
            for row in np.flatnonzero(refused).tolist():
                self._refuse_value(block, row, int(faults[row, 0]), int(faults[row, 1]))
            block = block.without(refused)
            if group.append(block) is not None:
                raise AssertionError(f"{self.where}: rows without faults were refused: a defect of the reader.")
        self.tally.rows += block.count

    def _refuse_value(self, block: Block, row: int, code: int, column: int) -> None:
        columns = self.table.columns
        if column < len(columns):
            name = columns[column].name
            value = self._buffer[block.starts[column, row] : block.ends[column, row]].tobytes()
        else:
            name, value = "an attribute unknown to the schema", b""
        first, last = self._tables.spans[row].tolist()
        raw = self._buffer[first:last].tobytes()
        self._put_aside(int(block.offsets[row]), code, value_detail(code, name, value), raw)

    def _refuse_spelling(self, first: int, last: int, code: int, position: int) -> None:
        raw = self._buffer[first:last].tobytes().rstrip(b" \t\r\n")
        offset = self._byte + self._source.width(self._buffer, self._at, first)
        self._put_aside(offset, code, spelling_detail(code, raw, position - first), raw)

    def _put_aside(self, offset: int, code: int, detail: str, raw: bytes) -> None:
        key = readable_key(raw)
        self.tally.refused += 1
        self.tally.refused_without_key += key is None
        self._aside.append(Refused(offset, REASONS[code][0], detail, key, self._source.raw(raw)))

    def _give_aside(self) -> None:
        """Gives on what a block put aside, in the file's order (stage 1 found its faults before stage 2 did)."""
        for refused in sorted(self._aside, key=lambda refused: refused.offset):
            self._refuse(refused)
        self._aside.clear()
