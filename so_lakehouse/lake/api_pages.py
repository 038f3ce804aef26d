"""The small bronze form of API pages: what was said of one entity, site and day, and the manifest that names it.

Belongs here: the form. Not here: fetching (`api/`) or merging (`spark/`).

The Parquet has the columns of the entity's table as bronze spells them, then `_as_of` (when the page was fetched: that
is what a page speaks of, not its day) and `_present`. `_present` false is a sweep's finding: the key was asked for and
not returned; the other columns are null. A later fetch of the same day adds rows to the partition and makes a new
version.

Days lie in folders by day, so the days of one site cannot be listed: its index names them, and what decides whether
they are news. It is written last, so that what it does not name does not exist for a reader.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

import pyarrow as pa

from so_lakehouse.lake import paths
from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import Table
from so_lakehouse.schema_forms import bronze_schema

AS_OF = pa.field("_as_of", pa.timestamp("us", tz="UTC"), nullable=False)
PRESENT = pa.field("_present", pa.bool_(), nullable=False)


def page_schema(table: Table) -> pa.Schema:
    """Arrow schema of the pages of a table: the dump's bronze schema, `_as_of` and `_present`.

    A sweep's absent row has nothing but its key, so no column but Id is required.
    """
    return pa.schema([*bronze_schema(table), AS_OF, PRESENT])


@dataclass(frozen=True)
class PagesManifest:
    """Everything bronze holds of one (entity, site, day)."""

    site: str
    day: str  # ISO date: the partition, not what the pages speak of
    entity: str
    data_version: str
    rows: int  # present rows
    absent: int  # findings of sweeps
    newest_as_of: str  # ISO, UTC
    files: tuple[str, ...] = ()  # Parquet, relative to the lake
    written_at: str = ""
    checks: tuple[CheckOutcome, ...] = ()
    items: int = 0  # in the pages: rows + quarantined
    quarantined: int = 0
    quarantine_file: str = ""  # Parquet, relative to the lake; empty where nothing was refused
    unknown_fields: dict[str, int] = field(default_factory=dict)  # kept in `_extra`, though nobody asked for them
    is_whole: bool = True  # whether the fetches cover the whole day
    whole_at: str = ""  # ISO, UTC: the end of the fetch that made it whole; an earlier release did not note it

    @property
    def all_files(self) -> tuple[str, ...]:
        return (*self.files, self.quarantine_file) if self.quarantine_file else self.files

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks if check.blocking)

    @property
    def newest(self) -> datetime:
        return datetime.fromisoformat(self.newest_as_of)

    @property
    def whole_by(self) -> datetime:
        """When the whole day had been asked for, at the latest."""
        return datetime.fromisoformat(self.whole_at or self.newest_as_of)

    @classmethod
    def load(cls, lake: Lake, entity: str, day: str, site: str) -> Self | None:
        try:
            content = lake.read_json(paths.bronze_api_manifest(entity, day, site))
        except FileNotFoundError:
            return None
        checks = tuple(CheckOutcome(**check) for check in content["checks"])
        return cls(**content | {"checks": checks, "files": tuple(content["files"])})

    def save(self, lake: Lake) -> None:
        """Publishes it. One writer of a site at a time: hold the lock of its bronze."""
        lake.write_json(paths.bronze_api_manifest(self.entity, self.day, self.site), asdict(self))
        self.name(lake)

    def name(self, lake: Lake) -> None:
        """Puts it in the site's index, where it is not: a killed run has saved it and got no further."""
        known = index_of(lake, self.site)
        entry = IndexedDay(self.data_version, self.passed)
        if known.get(self.entity, {}).get(self.day) != entry:
            _save_index(lake, self.site, known | {self.entity: known.get(self.entity, {}) | {self.day: entry}})


@dataclass(frozen=True)
class IndexedDay:
    """What the index says of one day of an entity's pages."""

    data_version: str
    passed: bool


# By entity, then by day (ISO).
Index = dict[str, dict[str, IndexedDay]]


def index_of(lake: Lake, site: str) -> Index:
    """The days of a site that bronze holds."""
    try:
        content = lake.read_json(paths.bronze_api_index(site))
    except FileNotFoundError:
        return {}
    return {entity: {day: IndexedDay(**entry) for day, entry in days.items()} for entity, days in content.items()}


def pages_of(lake: Lake, entity: str, site: str) -> list[PagesManifest]:
    """All that bronze holds of one entity of one site, by day."""
    days = sorted(index_of(lake, site).get(entity, {}))
    found = [PagesManifest.load(lake, entity, day, site) for day in days]
    return [manifest for manifest in found if manifest is not None]


def forget_removed(lake: Lake, site: str) -> None:
    """Takes days out of the index that bronze no longer holds. The caller holds the lock of the site's bronze."""
    known = index_of(lake, site)
    left = {
        entity: {day: entry for day, entry in days.items() if lake.exists(paths.bronze_api_manifest(entity, day, site))}
        for entity, days in known.items()
    }
    if left != known:
        _save_index(lake, site, left)


def _save_index(lake: Lake, site: str, index: Index) -> None:
    content: dict[str, Any] = {
        entity: {day: asdict(entry) for day, entry in days.items()} for entity, days in index.items()
    }
    lake.write_json(paths.bronze_api_index(site), content)
