"""From fetches to bronze: all pages of one day and entity as typed Parquet, quarantine and a manifest.

Belongs here: reading every fetch of a day and publishing them together. Not here: one item (`items.py`), the meaning
of checks (`quality/pages.py`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from so_lakehouse import failpoints
from so_lakehouse.api.fetch import whole_at
from so_lakehouse.api.items import Unreadable, read_item, unknown_fields
from so_lakehouse.lake import lock, paths
from so_lakehouse.lake.api_pages import PagesManifest, page_schema
from so_lakehouse.lake.api_raw import FetchManifest, fetches_of, pages_in, version_of
from so_lakehouse.lake.disk import scratch, told_when_full
from so_lakehouse.lake.storage import Lake
from so_lakehouse.progress import Progress, silent
from so_lakehouse.quality.pages import outcomes
from so_lakehouse.schema import table
from so_lakehouse.schema_api import ENTITIES, Entity
from so_lakehouse.schema_forms import QUARANTINE_SCHEMA
from so_lakehouse.settings import Settings

# Raised with every change that can give other rows from the same pages: it makes bronze be read again.
READER_VERSION = "1"

ROW_GROUP_ROWS = 5_000  # of long posts some 15 MB


def read_pages(
    lake: Lake, site: str, day: str, entity: str, settings: Settings, progress: Progress = silent
) -> PagesManifest | None:
    """Reads all fetches of a day into bronze and returns the manifest; None where nothing was fetched yet.

    What was read before, of the same fetches by the same reader, is not read again. Items in the pages = rows + rows in
    quarantine, always.
    """
    held = lock.writing(lake, [lock.bronze(site)], f"read pages of {site}", settings, progress)
    with told_when_full(site, scratch(lake, settings)), lake.answering(), held:
        fetches = fetches_of(lake, entity, day, site)
        if not fetches:
            return None
        current = PagesManifest.load(lake, entity, day, site)
        version = version_read(fetches)
        if current and current.data_version == version and all(lake.exists(file) for file in current.all_files):
            lock.require(lake, lock.bronze(site))
            current.name(lake)
            return current
        from so_lakehouse.lake.delta import make_reachable  # deltalake takes a second: only who reads waits

        attempt = f"{paths.bronze_api(entity, day, site)}/attempt={uuid4().hex}"
        try:
            manifest = _read(lake, ENTITIES[entity], fetches, attempt, version, progress)
            make_reachable(lake)
            failpoints.reach("api.before_bronze_manifest")
            lock.require(lake, lock.bronze(site))
        except BaseException:
            lake.delete(attempt)
            raise
        manifest.save(lake)  # named from here on, whatever comes back: prune takes what is not
    return manifest


def version_read(fetches: Iterable[FetchManifest]) -> str:
    """Names what bronze holds once it has read these fetches."""
    return f"{version_of(fetches)}/{READER_VERSION}"


def dead_attempts(lake: Lake, entity: str, day: str, site: str) -> list[str]:
    """Folders of attempts that no manifest names: a killed run's, a replaced one's, a running one's."""
    manifest = PagesManifest.load(lake, entity, day, site)
    live = {path.rpartition("/")[0] for path in manifest.all_files} if manifest else set()
    folders = lake.list(paths.bronze_api(entity, day, site))
    return [folder for folder in folders if "/attempt=" in folder and folder not in live]


@dataclass
class _Read:
    """What has been read so far of a day."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    @property
    def position(self) -> int:
        """Where the next item stands among all of the day."""
        return self.counts["items"] + self.counts["absent"]


def _read(
    lake: Lake, entity: Entity, fetches: list[FetchManifest], attempt: str, version: str, progress: Progress
) -> PagesManifest:
    read, form = _Read(), page_schema(table(entity.table))
    lake.make_folder(attempt)
    file = f"{attempt}/part-0.parquet"
    with pq.ParquetWriter(lake.path(file), form, filesystem=lake.fs, compression="zstd") as writer:
        for number, fetch in enumerate(fetches):
            progress(f"{fetch.site} {fetch.day} {entity.name}: reading pages", number, len(fetches))
            for page in pages_in(lake, fetch):
                for item in page.items:
                    _take(read, entity, item, page.asked_at)
                _flush(read, writer, form, ROW_GROUP_ROWS)
            for gone in fetch.gone:
                row = {"Id": gone.id, "_as_of": datetime.fromisoformat(gone.as_of), "_present": False}
                read.rows.append(row | {"_offset": read.position, "_extra": []})
                read.counts["absent"] += 1
        _flush(read, writer, form, 1)
    first = fetches[0]
    whole = whole_at(fetches, entity.name, first.day)
    manifest = PagesManifest(
        site=first.site,
        day=first.day,
        entity=entity.name,
        data_version=version,
        rows=read.counts["rows"],
        absent=read.counts["absent"],
        newest_as_of=max(fetch.newest_as_of for fetch in fetches),
        files=(file,),
        written_at=datetime.now(UTC).isoformat(timespec="seconds"),
        items=sum(fetch.items for fetch in fetches),
        quarantined=len(read.refused),
        quarantine_file=_quarantine(lake, attempt, read),
        unknown_fields=dict(read.unknown),
        is_whole=bool(whole),
        whole_at=whole,
    )
    return replace(manifest, checks=outcomes(manifest))


def _take(read: _Read, entity: Entity, item: Any, as_of: datetime) -> None:
    try:
        row = read_item(entity, item)
    except Unreadable as error:
        raw = json.dumps(item, ensure_ascii=True).encode()
        facts = {"reason": error.reason, "detail": error.detail, "id": error.key, "raw": raw}
        read.refused.append({"byte_offset": read.position, **facts})
    else:
        read.rows.append(row | {"_offset": read.position, "_as_of": as_of, "_present": True})
        read.unknown.update(unknown_fields(entity, row))
        read.counts["rows"] += 1
    read.counts["items"] += 1


def _flush(read: _Read, writer: pq.ParquetWriter, form: pa.Schema, least: int) -> None:
    if len(read.rows) >= least:
        writer.write_table(pa.Table.from_pylist(read.rows, schema=form))
        read.rows.clear()


def _quarantine(lake: Lake, attempt: str, read: _Read) -> str:
    """Path of the file of refused items; empty where there are none."""
    if not read.refused:
        return ""
    path = f"{attempt}/quarantine.parquet"
    pq.write_table(pa.Table.from_pylist(read.refused, schema=QUARANTINE_SCHEMA), lake.path(path), filesystem=lake.fs)
    return path
