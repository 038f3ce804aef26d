"""Which days of a site are still to be asked for or to be read: what a person or a sensor starts next."""

from __future__ import annotations

from collections.abc import Iterable

from so_lakehouse.api.bronze import version_read
from so_lakehouse.api.fetch import is_whole
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.api_raw import fetches_of
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema_api import ENTITIES


def days_due(lake: Lake, site: str, days: Iterable[str]) -> list[str]:
    """Those of these days of which raw lacks a part, or bronze has not read all that raw has."""
    return [day for day in days if any(_is_due(lake, entity, day, site) for entity in ENTITIES)]


def _is_due(lake: Lake, entity: str, day: str, site: str) -> bool:
    fetches = fetches_of(lake, entity, day, site)
    if not is_whole(fetches, entity, day):
        return True
    read = PagesManifest.load(lake, entity, day, site)
    return read is None or read.data_version != version_read(fetches)
