"""Which days of a site are still to be asked for or to be read: what a person or a sensor starts next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from so_lakehouse.api.bronze import version_read
from so_lakehouse.api.fetch import is_whole
from so_lakehouse.lake import gates
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.api_raw import fetches_of
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema_api import ENTITIES, Entity


def days_due(lake: Lake, site: str, days: Iterable[str]) -> list[str]:
    """Those of these days of which raw lacks a part, or bronze has not read all that raw has."""
    known = gates.load(lake, site)
    cuts = {table: gate.cut_at for table, gate in known.items()}
    return [day for day in days if any(_is_due(lake, entity, day, site, cuts) for entity in ENTITIES.values())]


def _is_due(lake: Lake, entity: Entity, day: str, site: str, cuts: Mapping[str, datetime | None]) -> bool:
    fetches = fetches_of(lake, entity.name, day, site)
    if not is_whole(fetches, entity.name, day):
        return True
    cut = cuts.get(entity.table)
    if cut and all(datetime.fromisoformat(fetch.newest_as_of) <= cut for fetch in fetches):
        return False  # a later dump has overtaken these pages, and maintenance may have removed them
    read = PagesManifest.load(lake, entity.name, day, site)
    return read is None or read.data_version != version_read(fetches)
