"""Which days of a site are still to be asked for or to be read: what a person or a sensor starts next."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from so_lakehouse.api.bronze import version_read
from so_lakehouse.api.fetch import is_whole
from so_lakehouse.lake import gates
from so_lakehouse.lake.api_pages import index_of
from so_lakehouse.lake.api_raw import FetchManifest, fetches_of
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema_api import ENTITIES


def days_due(lake: Lake, site: str, days: Iterable[str]) -> list[str]:
    """Those of these days of which raw lacks a part, or bronze has not read all that raw has."""
    asked = list(days)
    due = {*days_to_fetch(lake, site, asked), *days_to_read(lake, site, asked)}
    return [day for day in asked if day in due]


def days_to_fetch(lake: Lake, site: str, days: Iterable[str]) -> list[str]:
    """Those of these days of which raw lacks a part."""
    return [day for day in days if not all(is_whole(f, name, day) for name, f in fetched(lake, site, day).items())]


def days_to_read(lake: Lake, site: str, days: Iterable[str]) -> list[str]:
    """Those of these days of which bronze has not read all that raw has."""
    cuts = {table: gate.complete_to for table, gate in gates.load(lake, site).items()}
    known = index_of(lake, site)

    def is_unread(name: str, day: str, fetches: list[FetchManifest]) -> bool:
        cut = cuts.get(ENTITIES[name].table)
        if not fetches or (cut and all(datetime.fromisoformat(fetch.newest_as_of) <= cut for fetch in fetches)):
            return False  # a later dump has overtaken these pages, and maintenance may have removed them
        read = known.get(name, {}).get(day)
        return read is None or read.data_version != version_read(fetches)

    return [day for day in days if any(is_unread(name, day, f) for name, f in fetched(lake, site, day).items())]


def fetched(lake: Lake, site: str, day: str) -> dict[str, list[FetchManifest]]:
    """What raw holds of a day, by entity."""
    return {entity: fetches_of(lake, entity, day, site) for entity in ENTITIES}
