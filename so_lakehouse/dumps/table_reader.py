"""One unpacked member of a dump, from its first byte to its last: row groups and refused rows.

Belongs here: the order of reading, refused rows, and the count that proves that no row was lost. Does not belong here:
blocks of bytes (`window.py`), the grammar (`kernel/rows.py`, `framing.py`), where rows go to (`parquet.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from so_lakehouse.dumps import framing
from so_lakehouse.dumps.encoding import ReadInto
from so_lakehouse.dumps.faults import REASONS, Refused, lines_of_elements, readable_key, spelling_detail, value_detail
from so_lakehouse.dumps.kernel import codes
from so_lakehouse.dumps.kernel.grammar import count_rows, next_row
from so_lakehouse.dumps.kernel.rows import read_rows
from so_lakehouse.dumps.kernel_tables import KernelTables
from so_lakehouse.dumps.row_group import Block, RowGroup
from so_lakehouse.dumps.tally import Tally
from so_lakehouse.dumps.window import Window
from so_lakehouse.errors import BadInput
from so_lakehouse.schema import Table

BLOCK_BYTES = 2 << 20  # what stage 1 leaves in the processor's cache stage 2 finds there
ROW_GROUP_TEXT_BYTES = 32 << 20
ROW_GROUP_BYTES = 40 << 20  # of all columns: many short rows have little text
ROW_GROUP_ROWS = 1 << 19
_SPACE = {b" ", b"\t", b"\r", b"\n"}
_SHORT_MARKUP_BYTES = 1 << 12  # what a comment or a closing tag hardly ever exceeds

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
        self._window = Window(read, where, block_bytes)
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
                f"{self.where}: the file ends inside a character of {self._window.encoding}. {framing.NOTHING}"
            ) from error

    def _row_groups(self, empty: Callable[[], RowGroup]) -> Iterator[RowGroup]:
        root = self._open_root()
        group = empty()
        while not root.is_empty:
            status = self._read_block(group)
            is_large = group.text_bytes >= ROW_GROUP_TEXT_BYTES or group.bytes >= ROW_GROUP_BYTES
            if is_large or group.rows >= ROW_GROUP_ROWS:
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

    def _need_more(self) -> None:
        """Reads on, or raises `BadInput` where the file has no more."""
        window = self._window
        if window.is_all:
            raise framing.ends_early(self.where, self._root, window.byte_of(window.end))
        window.fill()

    # --- around the rows

    def _open_root(self) -> framing.Root:
        window, root = self._window, None
        while root is None:
            window.fill()
            text = window.text(framing.MAX_PROLOG_BYTES)
            is_all = window.is_all and window.unread == len(text)
            root = framing.read_prolog(text, self.table.root, self.where, is_all, window.byte_of)
        window.advance(window.at + root.end)
        self._root = root.name
        name = window.encoding
        differs = root.declared.replace("_", "-") not in ("", name, name.removesuffix("-le").removesuffix("-be"))
        self.tally.encoding = f"{name} (declared {root.declared})" if differs else name
        return root

    def _pass_markup(self) -> bool:
        """Passes the comment, instruction or closing tag that stands here; True where it closes the root."""
        window, size = self._window, _SHORT_MARKUP_BYTES
        while True:
            text = window.text(size)
            framing.refuse_document_type(text, f"{self.where} at byte {window.byte:,}")
            found = framing.markup(text, self._root)
            if found is not None:
                break
            if len(text) < min(window.unread, framing.MAX_PROLOG_BYTES):
                size = framing.MAX_PROLOG_BYTES
            elif len(text) < framing.MAX_PROLOG_BYTES:
                self._need_more()
            else:
                raise BadInput(f"{self.where}: a comment at byte {window.byte:,} never ends. {framing.NOTHING}")
        if found.length:
            window.advance(window.at + found.length)
            return found.closes_root
        root = self._tables.root(self._root)
        while (stop := next_row(window.data, window.at, window.end, root, window.is_all)) < 0:
            self._need_more()
        self.tally.rows_in_file += int(count_rows(window.data, window.at, stop))
        self._refuse_spelling(window.at, stop, codes.NOT_A_ROW, window.at)
        self._give_aside()
        window.advance(stop)
        return False

    def _close(self) -> None:
        """Reads the file to its end, which must hold nothing more than white space and comments."""
        window = self._window
        while window.unread or not window.is_all:
            if window.unread < framing.MAX_PROLOG_BYTES and not window.is_all:
                window.fill()
            text = window.text(framing.MAX_PROLOG_BYTES)
            passed = framing.end_of_pieces(text, 0)
            if text and not passed and (window.is_all or len(text) >= framing.MAX_PROLOG_BYTES):
                raise framing.after_the_end(text, self._root, self.where, window.byte)
            window.advance(window.at + passed)
        tally = self.tally
        if tally.rows_in_file != tally.rows + tally.refused:
            raise AssertionError(
                f"{self.where}: {tally.rows_in_file} rows counted, but {tally.rows} read and {tally.refused} refused: "
                "a defect of the reader. Nothing was published."
            )

    # --- rows

    def _read_block(self, group: RowGroup) -> int:
        """Reads what rows the window holds into the group; returns why the kernel stopped."""
        tables, window, begin = self._tables, self._window, self._window.at
        stop, status, rows, extras, faults = read_rows(
            window.data, begin, window.end, tables.root(self._root), window.is_all, tables.names, tables.masks,
            tables.lengths, tables.successor, tables.starts, tables.ends, tables.spans, tables.extras, tables.faults,
        )  # fmt: skip
        self.tally.rows_in_file += int(count_rows(window.data, begin, stop))
        for first, last, code, position in tables.faults[:faults].tolist():
            self._refuse_spelling(first, last, code, position)
        if rows:
            offsets = window.bytes_of(tables.spans[:rows, 0])
            self._append(group, Block(window.data, tables.starts, tables.ends, rows, offsets, tables.extras[:extras]))
        self._give_aside()
        window.advance(stop)
        return int(status)

    def _append(self, group: RowGroup, block: Block) -> None:
        faults = group.append(block)
        if faults is not None:
            group.shrink()
            refused = faults[:, 0] != 0
            for row in np.flatnonzero(refused).tolist():
                self._refuse_value(block, row, int(faults[row, 0]), int(faults[row, 1]))
            block = block.without(refused)
            if group.append(block) is not None:
                raise AssertionError(f"{self.where}: rows without faults were refused: a defect of the reader.")
        self.tally.rows += block.count

    def _refuse_value(self, block: Block, row: int, code: int, number: int) -> None:
        name, value = block.attribute(self.table, row, number)
        first, last = self._tables.spans[row].tolist()
        raw = block.data[first:last].tobytes()
        self._put_aside(int(block.offsets[row]), code, value_detail(code, name, value), raw)

    def _refuse_spelling(self, first: int, last: int, code: int, position: int) -> None:
        """Refuses what cannot be read up to the next row: as many rows as begin there, and one where none does."""
        begun = int(count_rows(self._window.data, first, last))  # of all of it: space may be what ends a `<row`
        while last > first and bytes(self._window.data[last - 1 : last]) in _SPACE:
            last -= 1
        raw = self._window.data[first:last].tobytes()
        offset = self._window.byte_of(first)
        framing.refuse_document_type_within(raw, f"{self.where} after byte {offset:,}")
        rows = begun or lines_of_elements(raw)
        self.tally.rows_in_file += rows - begun
        self._put_aside(offset, code, spelling_detail(code, raw, position - first, rows), raw, rows)

    def _put_aside(self, offset: int, code: int, detail: str, raw: bytes, rows: int = 1) -> None:
        key = readable_key(raw) if rows == 1 else None  # one key would not protect several
        self.tally.refused += rows
        self.tally.refused_without_key += rows if key is None else 0
        self._aside.append(Refused(offset, REASONS[code][0], detail, key, self._window.raw(raw)))

    def _give_aside(self) -> None:
        """Gives on what a block put aside, in the file's order (stage 1 found its faults before stage 2 did)."""
        for refused in sorted(self._aside, key=lambda refused: refused.offset):
            self._refuse(refused)
        self._aside.clear()
