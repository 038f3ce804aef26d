"""From landed archives to bronze: typed Parquet, quarantine and manifest for any subset of a dump's tables.

Belongs here: what is read in which order, what is published, and that nothing half-read ever is. Does not belong
here: archives (`archive.py`, `unpack.py`), XML (`table_reader.py`), Parquet (`parquet.py`), the meaning of checks
(`quality/bronze.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from so_lakehouse import failpoints
from so_lakehouse.dumps.archive import whole
from so_lakehouse.dumps.land import is_damaged
from so_lakehouse.dumps.plan import ReadingPlan, plan_reading
from so_lakehouse.errors import Damaged
from so_lakehouse.lake import lock, paths
from so_lakehouse.lake.disk import require_space, scratch, told_when_full
from so_lakehouse.lake.manifests import BronzeManifest, RawManifest, bronze_manifests, issues_of
from so_lakehouse.lake.storage import Lake
from so_lakehouse.progress import Progress, silent
from so_lakehouse.quality.bronze import outcomes
from so_lakehouse.schema import TABLES
from so_lakehouse.schema import table as table_of
from so_lakehouse.settings import Settings

if TYPE_CHECKING:
    from so_lakehouse.dumps.streams import TableRead

# Raised with every change of the code that can give other rows, values or reasons from the same bytes: it makes bronze
# be read again. Other columns do so by themselves (`reader_version`).
READER_VERSION = "3"

AGAIN = "The file is set aside as .damaged: run again to land it anew."
AS_PUBLISHED = (
    "It was landed anew and is damaged in the same way, so it is so at its source: wait for the publisher's re-issue, "
    "or name another mirror. The next run lands it anew."
)

# Bytes of Parquet per unpacked byte, rounded up from the real dumps (measured: docs/reader.md); for the disk guard
# only.
_PARQUET_SHARE = 0.5


def read_dump(
    lake: Lake, raw: RawManifest, tables: Sequence[str], settings: Settings, progress: Progress = silent
) -> dict[str, BronzeManifest]:
    """Reads tables of a landed dump into bronze and returns the manifest of each.

    What was read before from the same bytes by the same reader is not read again. All tables that are read are
    published together or, where anything is wrong with a file, not at all: `BadInput` then says what and where. A
    table that no archive holds gets a manifest with `present=False`. `Unavailable` where the disk is too small.
    `progress` is told unpacked bytes.
    """
    held = lock.writing(lake, [lock.bronze(raw.site)], f"read {raw.site}", settings, progress)
    # Held, because prune must not take away what is about to be named.
    with told_when_full(raw.site, scratch(lake, settings)), lake.answering(), held:
        raw = RawManifest.load(lake, raw.quarter, raw.site) or raw  # a re-issue may have landed while this one waited
        current = {name: BronzeManifest.load(lake, name, raw.quarter, raw.site) for name in tables}
        done = {name: manifest for name, manifest in current.items() if manifest and _is_current(lake, manifest, raw)}
        wanted = [table_of(name).name for name in tables if name not in done]
        if wanted:
            try:
                done |= _read_and_publish(lake, raw, wanted, settings, progress)
            except Damaged as error:
                is_gone = _set_aside(lake.of_writer("raw", settings), raw, str(error))
                told = AGAIN if is_gone else AS_PUBLISHED
                raise Damaged(f"{error} Nothing was published. {told}") from error
    return {name: done[name] for name in tables}


def _set_aside(lake: Lake, raw: RawManifest, message: str) -> bool:
    """The archive that the message begins with loses its name: what is not there is landed anew.

    All its volumes do: 7-Zip does not say which of them is damaged. False where landing it anew has brought the same
    bytes: then it is so at its source.
    """
    named = [
        archive
        for archive in raw.archives
        if message.startswith(f"{raw.site}: {whole(archive.name)}") and lake.exists(archive.path)
    ]
    if all(is_damaged(lake, archive) for archive in named):
        return False
    for archive in named:
        lake.move(archive.path, paths.set_aside(archive.path))
    return True


def reader_version(table: str) -> str:
    """Names what reads a table: the reader and the columns that it gives. A table with a column more is read again, or
    silver would be made again from files that lack it, and all its values be null."""
    columns = [(column.name, column.type.value) for column in table_of(table).columns]
    return f"{READER_VERSION}.{hashlib.sha256(repr(columns).encode()).hexdigest()[:8]}"


def is_read(lake: Lake, raw: RawManifest) -> bool:
    """Whether bronze holds every table of these bytes, read by this reader."""
    found = (BronzeManifest.load(lake, table, raw.quarter, raw.site) for table in TABLES)
    return all(manifest is not None and _is_current(lake, manifest, raw) for manifest in found)


def dead_attempts(lake: Lake, table: str, quarter: str, site: str) -> list[str]:
    """Folders of attempts that no manifest names: a killed run's, one's of the same issue, a running one's."""
    issues = issues_of(BronzeManifest.load(lake, table, quarter, site))
    live = {path.rpartition("/")[0] for issue in issues for path in (*issue.files, issue.quarantine_file)}
    folders = lake.list(paths.bronze_dump(table, quarter, site))
    return [folder for folder in folders if "/attempt=" in folder and folder not in live]


def _is_current(lake: Lake, manifest: BronzeManifest, raw: RawManifest) -> bool:
    read = manifest.inherited_from or manifest.reader_version == reader_version(manifest.table)
    same = manifest.raw_version == raw.data_version and read
    files = (*manifest.files, manifest.quarantine_file) if manifest.quarantine_file else manifest.files
    return same and all(lake.exists(path) for path in files)


def _read_and_publish(
    lake: Lake, raw: RawManifest, tables: list[str], settings: Settings, progress: Progress
) -> dict[str, BronzeManifest]:
    from so_lakehouse.dumps.streams import read_streams  # numba takes a second: only who reads waits
    from so_lakehouse.lake.delta import make_reachable  # so does deltalake

    attempt = f"attempt={uuid4().hex}"
    folders = {name: f"{paths.bronze_dump(name, raw.quarter, raw.site)}/{attempt}" for name in tables}
    published: dict[str, BronzeManifest] = {}
    unnamed = set(tables)
    try:
        with plan_reading(lake, raw, tables, settings) as plan:
            _require_space(lake, raw, plan, settings)
            reads = read_streams(lake, plan, folders, settings.unpack_threads, progress)
        failpoints.reach("bronze.data_written")
        read = [_manifest(lake, raw, name, reads.get(name)) for name in tables]
        manifests = [new.replacing(BronzeManifest.load(lake, new.table, raw.quarter, raw.site)) for new in read]
        make_reachable(lake)
        for manifest in manifests:
            failpoints.reach("bronze.before_manifest")
            lock.require(lake, lock.bronze(raw.site))
            unnamed.discard(manifest.table)  # even where saving fails: the store may have done it; prune knows then
            manifest.save(lake)
            published[manifest.table] = manifest
    except BaseException:
        for name in unnamed:
            lake.delete(folders[name])
        raise
    return published


def _require_space(lake: Lake, raw: RawManifest, plan: ReadingPlan, settings: Settings) -> None:
    """Of a lake on this machine's disk; nobody tells how much an object store can take."""
    if folder := lake.local_path(""):
        lake.make_folder("")
        needed = int(plan.size * _PARQUET_SHARE)
        require_space(folder, needed, settings.disk_reserve_bytes, f"{raw.site}: reading {raw.release}")


def _manifest(lake: Lake, raw: RawManifest, table: str, read: TableRead | None) -> BronzeManifest:
    """The manifest of one table, with what its checks say of it; not saved yet."""
    manifest = BronzeManifest(
        site=raw.site,
        quarter=raw.quarter,
        table=table,
        release=raw.release,
        revision=raw.revision,
        cut_date=raw.cut_date,
        raw_version=raw.data_version,
        reader_version=reader_version(table),
        present=read is not None,
        written_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    if read is not None:
        tally = read.tally
        manifest = replace(
            manifest,
            rows_in_file=tally.rows_in_file,
            rows=tally.rows,
            quarantined=tally.refused,
            quarantined_without_key=tally.refused_without_key,
            files=read.files,
            quarantine_file=read.quarantine_file,
            bytes_unpacked=read.size,
            encoding=tally.encoding,
            unknown_attributes=tally.unknown_attributes,
            seconds=round(read.seconds, 3),
        )
    older = [
        known
        for known in bronze_manifests(lake, table, raw.site)
        if known.order < (raw.cut_date, raw.revision) and known.present
    ]
    return replace(manifest, checks=outcomes(manifest, older[-1] if older else None))
