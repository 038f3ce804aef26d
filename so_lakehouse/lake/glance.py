"""The lake as it was at one moment, for who looks at many small files often: folders are listed whole, once; a file is
read again only when it has changed.

For reading only. A look at 180 sites would otherwise ask an object store some ten thousand questions each time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.fs as pafs

from so_lakehouse.lake.storage import Lake

# An object store tells the second of a change, not more: what is younger than this may change once more within it.
SETTLED = timedelta(minutes=1)


@dataclass
class Memory:
    """What the last look read, by path, with the size and moment that it is of. The caller keeps it for the next."""

    contents: dict[str, tuple[int, int, Any]] = field(default_factory=dict)


class Glance(Lake):
    """`lake`, with these folders listed when first asked for; everything else goes to the lake itself.

    What `read_json` returns is shared: nobody may change it.
    """

    def __init__(self, lake: Lake, folders: Iterable[str], memory: Memory) -> None:
        super().__init__(lake.uri(""), lake.store)
        self.folders = tuple(f"{folder}/" for folder in folders)
        self._before, memory.contents = memory.contents, {}
        self._now = memory.contents
        self._listed: dict[str, dict[str, dict[str, pafs.FileInfo]]] = {}  # prefix → folder → name → entry

    def read_json(self, relative: str) -> Any:
        entry = self._entry(relative)
        if entry is None:
            return super().read_json(relative)
        if entry.type == pafs.FileType.NotFound:
            raise FileNotFoundError(self.path(relative))
        known = self._now.get(relative) or self._before.get(relative)
        if known is None or known[:2] != (entry.size, entry.mtime_ns):
            known = entry.size, entry.mtime_ns, json.loads(self.read_bytes(relative))
        if datetime.now(UTC) - entry.mtime > SETTLED:
            self._now[relative] = known
        return known[2]

    def _info(self, relative: str) -> pafs.FileInfo:
        return self._entry(relative) or super()._info(relative)

    def _entries(self, relative: str, recursive: bool) -> Sequence[pafs.FileInfo]:
        prefix = self._prefix(relative)
        if prefix is None or recursive:
            return super()._entries(relative, recursive)
        return list(self._tree(prefix).get(relative, {}).values())

    def _entry(self, relative: str) -> pafs.FileInfo | None:
        """What the listing says of a path; None for one that lies in none of the folders."""
        prefix = self._prefix(relative)
        if prefix is None or f"{relative}/" == prefix:
            return None
        folder, _, name = relative.rpartition("/")
        missing = pafs.FileInfo(self.path(relative), type=pafs.FileType.NotFound)
        return self._tree(prefix).get(folder, {}).get(name, missing)

    def _prefix(self, relative: str) -> str | None:
        return next((folder for folder in self.folders if f"{relative}/".startswith(folder)), None)

    def _tree(self, prefix: str) -> dict[str, dict[str, pafs.FileInfo]]:
        if prefix not in self._listed:
            tree: dict[str, dict[str, pafs.FileInfo]] = {}
            for entry in super()._entries(prefix.rstrip("/"), recursive=True):
                path = entry.path.removeprefix(f"{self.root}/")
                folder, _, name = path.rpartition("/")
                tree.setdefault(folder, {})[name] = entry
                while f"{folder}/" != prefix:  # a store need not list what it has no object for
                    above, _, name = folder.rpartition("/")
                    if name in tree.setdefault(above, {}):
                        break
                    tree[above][name] = pafs.FileInfo(self.path(folder), type=pafs.FileType.Directory)
                    folder = above
            self._listed[prefix] = tree
        return self._listed[prefix]
