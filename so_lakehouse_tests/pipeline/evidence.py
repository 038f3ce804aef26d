"""Bronze by hand, for tests of silver: dumps and pages as the reader and the API would leave them, from small rows.

A row is a dict of the publisher's names; what is left out is null, except the columns that a table requires, which get
the values in `DEFAULTS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from so_lakehouse import schema
from so_lakehouse.lake import paths
from so_lakehouse.lake.api_pages import PagesManifest, page_schema
from so_lakehouse.lake.manifests import BronzeManifest, CheckOutcome
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.tombstones import load as load_tombstones
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.schema_forms import QUARANTINE_SCHEMA, bronze_schema

Row = dict[str, Any]
CREATED = datetime(2016, 1, 1, 12, 0, 0, 123000, UTC)

DEFAULTS: dict[str, Row] = {
    "posts": {"PostTypeId": 1, "CreationDate": CREATED},
    "users": {"CreationDate": CREATED},
    "comments": {"PostId": 1, "CreationDate": CREATED},
    "votes": {"PostId": 1, "VoteTypeId": 2, "CreationDate": CREATED},
    "badges": {"UserId": 1, "Name": "Teacher", "Date": CREATED},
    "post_links": {"PostId": 1, "RelatedPostId": 2, "LinkTypeId": 1, "CreationDate": CREATED},
    "tags": {"TagName": "stout"},
    "post_history": {"PostId": 1, "PostHistoryTypeId": 2, "CreationDate": CREATED},
}


def at(text: str) -> datetime:
    """A moment in UTC, of an ISO date or time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def quarter_of(cut: str) -> str:
    year, month = int(cut[:4]), int(cut[5:7])
    return f"{year}-{(month - 1) // 3 * 3 + 1:02d}-01"


def write_dump(
    lake: Lake,
    cut: str,
    tables: Mapping[str, Iterable[Row]],
    site: str = "beer",
    revision: int = 0,
    version: str = "",
    unread: Mapping[str, Sequence[int | None] | Mapping[int | None, bytes]] | None = None,
    failed: Iterable[str] = (),
) -> None:
    """Publishes one dump of these tables in bronze; the release lacks all others.

    `unread`: per table the keys of rows in bronze's quarantine (None: a row without a readable key), or their bytes by
    key. `failed`: tables with a blocking check that failed.
    """
    unread = unread or {}
    content = repr({name: [repr(sorted(row.items())) for row in rows] for name, rows in tables.items()}) + repr(unread)
    raw_version = f"{cut}.{revision}.{version}{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    for name in schema.TABLES:
        present = name in tables
        rows = [DEFAULTS[name] | row for row in tables.get(name, ())]
        folder = f"{paths.bronze_dump(name, quarter_of(cut), site)}/attempt={raw_version}"
        files = [_write(lake, f"{folder}/part-0.parquet", _bronze(name, rows))] if rows else []
        refused = unread.get(name, ())
        raw = refused if isinstance(refused, Mapping) else dict.fromkeys(refused, b"<row/>")
        keys = list(refused)
        earlier = BronzeManifest.load(lake, name, quarter_of(cut), site)
        manifest = BronzeManifest(
            site=site,
            quarter=quarter_of(cut),
            table=name,
            release=cut[:7],
            revision=revision,
            cut_date=cut,
            raw_version=raw_version,
            reader_version="1",
            present=present,
            rows_in_file=len(rows) + len(keys),
            rows=len(rows),
            quarantined=len(keys),
            quarantined_without_key=keys.count(None),
            files=tuple(files),
            quarantine_file=_write(lake, f"{folder}/quarantine.parquet", _unread(keys, raw)) if keys else "",
            checks=(CheckOutcome("rows_conserved", name not in failed, True, "by hand"),),
        )
        manifest.replacing(earlier).save(lake)


def write_pages(
    lake: Lake,
    entity: str,
    day: str,
    said: Iterable[tuple[str, Row]] = (),
    absent: Iterable[tuple[str, int]] = (),
    site: str = "beer",
    version: str = "1",
    failed: bool = False,
    is_whole: bool = True,
    whole_at: str = "",
) -> None:
    """Publishes one day's pages of an entity: (fetched, row) for what was returned, (fetched, id) for what was not.

    `failed`: a blocking check of them failed. `is_whole`: whether the day was asked for whole, and `whole_at` (ISO)
    by when; empty: by the newest fetch.
    """
    table = ENTITIES[entity].table
    kind = {"questions": {"PostTypeId": 1}, "answers": {"PostTypeId": 2}}.get(entity, {})
    rows = [DEFAULTS[table] | kind | row | {"_as_of": at(fetched), "_present": True} for fetched, row in said]
    gone = [{"Id": key, "_as_of": at(fetched), "_present": False} for fetched, key in absent]
    every = [row | {"_offset": position} for position, row in enumerate([*rows, *gone])]
    path = f"{paths.bronze_api(entity, day, site)}/version={version}/part-0.parquet"
    form = page_schema(schema.table(table))
    file = _write(lake, path, pa.Table.from_pylist([_complete(row, form) for row in every], schema=form))
    newest = max(row["_as_of"] for row in every).isoformat()
    checks = (CheckOutcome("rows_conserved", not failed, True, "by hand"),)
    whole = at(whole_at).isoformat() if whole_at else ""
    PagesManifest(
        *(site, day, entity, version, len(rows), len(gone), newest, (file,)),
        checks=checks,
        is_whole=is_whole,
        whole_at=whole,
    ).save(lake)


class Gone(NamedTuple):
    """A tombstone of silver."""

    table_name: str
    id: int
    as_of: datetime
    reason: str
    post_id: int | None


def tombstones(lake: Lake, site: str = "beer") -> list[Gone]:
    """All tombstones that silver has of a site."""
    held = load_tombstones(lake, site)
    return [Gone(name, **row) for name, rows in held.items() for row in rows.to_pylist()]


def _bronze(table: str, rows: Sequence[Row]) -> pa.Table:
    form = bronze_schema(schema.table(table))
    placed = [{"_offset": 100 * position} | row for position, row in enumerate(rows)]
    return pa.Table.from_pylist([_complete(row, form) for row in placed], schema=form)


def _complete(row: Row, form: pa.Schema) -> Row:
    unknown = set(row) - set(form.names)
    if unknown:
        raise KeyError(f"no such columns: {', '.join(sorted(unknown))}")
    return row | {"_extra": list(row.get("_extra", {}).items())}


def _unread(keys: Sequence[int | None], raw: Mapping[int | None, bytes]) -> pa.Table:
    rows = [
        {"byte_offset": 10 * position, "reason": "unreadable", "detail": None, "id": key, "raw": raw[key]}
        for position, key in enumerate(keys)
    ]
    return pa.Table.from_pylist(rows, schema=QUARANTINE_SCHEMA)


def _write(lake: Lake, path: str, table: pa.Table) -> str:
    lake.make_folder(path.rpartition("/")[0])
    pq.write_table(table, lake.path(path), filesystem=lake.fs)
    return path
