"""Which bytes of which archives are read, by how many processes, before any of it is read.

Belongs here: from a landed dump to streams of members. Does not belong here: reading them (`streams.py`).

Old archives are one compressed block with all tables: one process, one pass. New ones have a block per table: read
side by side. Stack Overflow came as an archive per table, and once as archives in an archive. All of that is read
from the headers; nothing is assumed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from so_lakehouse.dumps.archive import Inventory, Member, inventory, volumes
from so_lakehouse.dumps.unpack import extract
from so_lakehouse.errors import BadInput
from so_lakehouse.lake.disk import require_space
from so_lakehouse.lake.manifests import RawManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings

# Below this, starting a process per block costs more than reading the blocks side by side saves (a start takes about
# 10 ms).
SIDE_BY_SIDE_BYTES = 32 << 20


@dataclass(frozen=True)
class Stream:
    """Members that one 7zz process writes, in the archive's order."""

    path: Path
    where: str  # site and archive, for messages
    members: tuple[Member, ...]

    @property
    def size(self) -> int:
        return sum(member.size for member in self.members)


@dataclass(frozen=True)
class ReadingPlan:
    """Streams, largest first, and the tables that no archive holds."""

    streams: tuple[Stream, ...]
    missing: tuple[str, ...]

    @property
    def size(self) -> int:
        """Unpacked bytes of all of them."""
        return sum(stream.size for stream in self.streams)


@contextmanager
def plan_reading(lake: Lake, raw: RawManifest, tables: Sequence[str], settings: Settings) -> Iterator[ReadingPlan]:
    """The plan for these tables. Archives that must first become local files live as long as it does."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="archives-", dir=settings.home) as scratch:
        found: dict[str, str] = {}
        streams: list[Stream] = []
        for where, held in _inventories(lake, raw, settings, Path(scratch)):
            wanted = [member for member in held.members if member.table in tables]
            for member in wanted:
                assert member.table is not None
                if member.table in found:
                    raise BadInput(
                        f"{where}: holds {member.table}, but so does {found[member.table]}; which one counts cannot be "
                        "known. Nothing was published."
                    )
                found[member.table] = where
            streams += _streams(held.path, where, wanted)
        streams.sort(key=lambda stream: stream.size, reverse=True)
        yield ReadingPlan(tuple(streams), tuple(table for table in tables if table not in found))


def _inventories(lake: Lake, raw: RawManifest, settings: Settings, scratch: Path) -> Iterator[tuple[str, Inventory]]:
    here = {one.name: lake.local_path(one.path) or scratch / Path(one.name).name for one in raw.archives}
    to_fetch = [one for one in raw.archives if here[one.name].parent == scratch]
    if to_fetch:
        size = sum(one.size for one in to_fetch)
        require_space(scratch, size, settings.disk_reserve_bytes, "Fetching the archives")
    for one in to_fetch:
        _fetch(lake, one.path, here[one.name])
    for name in volumes(list(here), raw.site):
        where, local = f"{raw.site}: {name}", here[name]
        if not local.exists():
            raise BadInput(f"{where}: the landed archive is gone from {local}. Land this dump again.")
        held = inventory(local, where, settings)
        yield where, held
        for number, member in enumerate(member for member in held.members if member.table is None):
            inner = scratch / f"{len(list(scratch.iterdir()))}-{number}.7z"
            require_space(scratch, member.size, settings.disk_reserve_bytes, f"{where}: unpacking {member.name}")
            extract(local, member, where, inner)
            inner_where = f"{where} > {member.name}"
            inner_held = inventory(inner, inner_where, settings, held.packed)
            if any(deeper.table is None for deeper in inner_held.members):
                raise BadInput(
                    f"{inner_where}: holds an archive again; a dump is at most an archive in an archive. "
                    "Nothing was published."
                )
            yield inner_where, inner_held


def _fetch(lake: Lake, path: str, target: Path) -> None:
    with target.open("wb") as sink:
        for piece in lake.pieces(path):
            sink.write(piece)


def _streams(path: Path, where: str, members: list[Member]) -> list[Stream]:
    if not members:
        return []
    if sum(member.size for member in members) < SIDE_BY_SIDE_BYTES:
        return [Stream(path, where, tuple(members))]
    blocks: dict[int, list[Member]] = {}
    for member in members:
        blocks.setdefault(member.block, []).append(member)
    return [Stream(path, where, tuple(block)) for block in blocks.values()]
