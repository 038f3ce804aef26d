"""Which tables of silver a catalog should name, and what to change where it names others. Facts in, decisions out.

Belongs here: what lies in the lake, and the comparison. Not here: how a catalog is asked and told (`spark/catalog.py`).
A catalog holds names and places only: whatever is decided here, no file of the lake is touched.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from so_lakehouse.lake import delta, paths
from so_lakehouse.lake.silver_tables import ALL_TABLES
from so_lakehouse.lake.storage import Lake

DATABASE = "silver"
NAME = re.compile(r"[a-z0-9_]+")  # what Hive takes for a name and gives back as it was


@dataclass(frozen=True)
class Entry:
    """One table of the catalog's database. `is_external`: it only points at files, so to drop it loses none."""

    name: str
    place: str
    is_external: bool = True


@dataclass(frozen=True)
class Changes:
    """What makes the catalog right: first `drop`, then `register`. `taken` cannot be mended by us: under these names of
    ours lies something of somebody else that a drop would lose."""

    drop: tuple[str, ...] = ()
    register: tuple[str, ...] = ()
    taken: tuple[Entry, ...] = ()


def in_the_lake(lake: Lake) -> dict[str, str]:
    """Every Delta table in silver: its name and its address."""
    folders = [folder for folder in lake.list(paths.silver()) if delta.is_table(lake, folder)]
    return {folder.rpartition("/")[2]: lake.uri(folder) for folder in folders}


def changes(tables: Mapping[str, str], entries: Collection[Entry], silver: str) -> Changes:
    """The catalog's database against the tables that lie in the lake, by name and address; `silver` is the address of
    the folder that they lie in.

    Dropped is what points at the wrong place, and what names a table that is gone: one of ours, or anything in that
    folder. Other entries are somebody else's and stay.
    """
    wanted = {name: address for name, address in tables.items() if NAME.fullmatch(name)}
    held = {entry.name: entry for entry in entries}
    right = {name for name in wanted if name in held and _place(held[name].place) == _place(wanted[name])}
    wrong = [
        entry
        for entry in entries
        if entry.name not in right and (entry.name in wanted or entry.name in ALL_TABLES or _is_in(entry.place, silver))
    ]
    taken = tuple(entry for entry in wrong if not entry.is_external)
    return Changes(
        drop=tuple(entry.name for entry in wrong if entry.is_external),
        register=tuple(sorted(wanted.keys() - right - {entry.name for entry in taken})),
        taken=tuple(entry for entry in taken if entry.name in wanted),
    )


def _is_in(place: str, folder: str) -> bool:
    return _place(place).startswith(f"{_place(folder)}/")


def _place(address: str) -> str:
    """An address without what clients spell differently: file:/a and file:///a, s3:// and s3a://, a last slash."""
    scheme, _, rest = address.partition(":")
    return f"{'s3' if scheme in ('s3a', 's3n') else scheme}:{rest.strip('/')}"
