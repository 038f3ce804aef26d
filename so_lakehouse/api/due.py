"""Which days of a site are still to be asked for or to be read: what a person or a sensor starts next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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
    return [state.day for state in days_of(lake, site, days) if not (state.is_whole and state.is_read)]


@dataclass(frozen=True)
class DayState:
    """One day of a site. `version`: of what raw holds of it; empty where that is nothing."""

    day: str
    is_whole: bool  # raw holds all of it
    is_read: bool  # bronze has read all that raw holds, or a later dump has overtaken it
    version: str


def days_of(lake: Lake, site: str, days: Iterable[str]) -> list[DayState]:
    """The state of each of these days, over all entities."""
    cuts = {table: gate.cut_at for table, gate in gates.load(lake, site).items()}
    known = index_of(lake, site)

    def is_unread(name: str, day: str, fetches: list[FetchManifest]) -> bool:
        cut = cuts.get(ENTITIES[name].table)
        if not fetches or (cut and all(datetime.fromisoformat(fetch.newest_as_of) <= cut for fetch in fetches)):
            return False  # a later dump has overtaken these pages, and maintenance may have removed them
        read = known.get(name, {}).get(day)
        return read is None or read.data_version != version_read(fetches)

    def state(day: str) -> DayState:
        held = {entity: fetches_of(lake, entity, day, site) for entity in ENTITIES}
        return DayState(
            day,
            all(is_whole(fetches, entity, day) for entity, fetches in held.items()),
            not any(is_unread(entity, day, fetches) for entity, fetches in held.items()),
            " ".join(version_read(fetches) for fetches in held.values() if fetches),
        )

    return [state(day) for day in days]
