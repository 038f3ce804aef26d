"""The tables between Python and the kernel: which columns there are, and room for what stage 1 finds.

Belongs here: their shapes. Their meaning is told in `kernel/rows.py`.
"""

from __future__ import annotations

import numpy as np

from so_lakehouse.dumps.kernel.bytes import WIDTH
from so_lakehouse.dumps.kernel.rows import MAX_EXTRAS
from so_lakehouse.schema import Table

_FAULTS_AT_ONCE = 1_024
_EXTRAS_AT_ONCE = 16_384


class KernelTables:
    """The tables that stage 1 reads (names of columns) and fills (positions), made once per member."""

    def __init__(self, table: Table, rows: int) -> None:
        names = [f'{name}="'.encode() for name in table.column_names]
        self.names = np.frombuffer(b"".join(name.ljust(WIDTH, b"\0") for name in names), np.uint8)
        self.masks = np.array([(1 << len(name)) - 1 for name in names], np.uint32)
        self.lengths = np.array([len(name) - 2 for name in names], np.int64)
        self.successor = np.append(np.arange(1, len(names)), [-1, 0])
        self.starts = np.empty((len(names), rows), np.int32)
        self.ends = np.empty((len(names), rows), np.int32)
        self.spans = np.empty((rows, 2), np.int64)
        self.extras = np.empty((_EXTRAS_AT_ONCE + MAX_EXTRAS, 5), np.int32)
        self.faults = np.empty((_FAULTS_AT_ONCE, 4), np.int64)
        self._root = (b"", np.zeros(0, np.uint8))

    def root(self, name: bytes) -> np.ndarray:
        if self._root[0] != name:
            self._root = (name, np.frombuffer(name, np.uint8))
        return self._root[1]
