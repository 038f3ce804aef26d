"""Removes files that no rule needs any more: old dumps, pages that a dump has overtaken, what killed runs left behind.

Belongs here: files that manifests name, or that none does. Not here: Delta tables (`spark/maintenance.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from so_lakehouse import failpoints
from so_lakehouse.api import bronze as pages
from so_lakehouse.dumps import bronze, download
from so_lakehouse.lake import ledger, lock, paths
from so_lakehouse.lake.api_pages import forget_removed, pages_of
from so_lakehouse.lake.chain import overtaken_pages_before
from so_lakehouse.lake.ledger import DUMP, Ledger
from so_lakehouse.lake.manifests import BronzeManifest, RawManifest, issues_of
from so_lakehouse.lake.quarantine import CleaningManifest
from so_lakehouse.lake.storage import Lake, StoredFile
from so_lakehouse.schema import TABLES
from so_lakehouse.schema_api import ENTITIES, entities_of
from so_lakehouse.settings import Settings

# A read that is going on writes to some table's files all the time; one that nothing was written to for so long died.
DEAD_AFTER = timedelta(hours=24)
# A download goes on where it stopped, so its part is worth keeping while somebody may ask for it again.
PART_KEPT = timedelta(days=7)


@dataclass(frozen=True)
class Removal:
    """Folders or files of the lake that go together, what they are (a partition, for people), why, and their bytes."""

    what: str
    reason: str
    folders: tuple[str, ...]
    bytes: int


def prune(lake: Lake, site: str, settings: Settings, now: datetime | None = None) -> list[Removal]:
    """Removes what `removable` finds and returns it. The caller holds the locks of bronze and of all silver tables."""
    found = removable(lake, site, settings, now)
    for removal in found:
        for folder in removal.folders:
            failpoints.reach("prune.before_folder")
            lock.require(lake, lock.bronze(site))
            lake.delete(f"{folder}/manifest.json")  # first: what no manifest names does not exist for a reader
            failpoints.reach("prune.manifest_deleted")
            lake.delete(folder)
    lock.require(lake, lock.bronze(site))
    forget_removed(lake, site)
    begun_before = (now or datetime.now(UTC)) - PART_KEPT
    lake.end_uploads(begun_before)
    _sweep_landing(settings, site, begun_before)
    return found


def _sweep_landing(settings: Settings, site: str, begun_before: datetime) -> None:
    """Downloads on their way to an object store that nobody goes on with: they lie on this machine, not in the lake."""
    for part in settings.landing_folder.glob(f"**/site={site}/**/*.part"):
        if part.stat().st_mtime < begun_before.timestamp() and not download.is_held(part):
            download.forget(part.with_suffix(""))


def removable(lake: Lake, site: str, settings: Settings, now: datetime | None = None) -> list[Removal]:
    """What of one site nothing needs any more, and why. Changes nothing.

    A dump goes whole or stays whole: the newest `bronze_quarters` stay, and each that any table of silver rests on or
    has yet to take in. Its archives stay while bronze holds it, or while it is among the newest `raw_quarters`.
    """
    known = ledger.load(lake, site, TABLES)
    dumps = _dumps(lake, site)
    old = _old_quarters(dumps, known, settings.bronze_quarters)
    staying = [quarter for quarter in dumps if quarter not in old]
    moment = now or datetime.now(UTC)
    found = [
        *(_old_dump(site, dumps[quarter]) for quarter in old),
        *_overtaken_pages(lake, site, known),
        *_old_archives(lake, site, settings.raw_quarters, staying, moment),
        *_dead_reads(lake, site, moment),
        *_dead_page_reads(lake, site, moment),
        *_dead_merges(lake, site),
        *_dead_parts(lake, site, moment),
    ]
    return list(_weighed(lake, found))


# What, why, folders.
_Found = tuple[str, str, Sequence[str]]


def _weighed(lake: Lake, found: Sequence[_Found]) -> Iterator[Removal]:
    """With their bytes, each folder once."""
    gone: list[str] = []
    for what, reason, folders in found:
        inside = tuple(f"{folder}/" for folder in gone)
        there = tuple(folder for folder in folders if lake.exists(folder) and not folder.startswith(inside))
        if there:
            yield Removal(what, reason, there, sum(lake.size(folder) for folder in there))
        gone += there


def _dumps(lake: Lake, site: str) -> dict[str, list[BronzeManifest]]:
    """What bronze holds of the site: manifests by quarter, oldest quarter first."""
    dumps: defaultdict[str, list[BronzeManifest]] = defaultdict(list)
    for table in TABLES:
        for folder in lake.list(paths.bronze_dump(table)):
            quarter = folder.rpartition("quarter=")[2]
            if issues := issues_of(BronzeManifest.load(lake, table, quarter, site)):
                dumps[quarter] += issues
    return dict(sorted(dumps.items()))


def _old_quarters(dumps: dict[str, list[BronzeManifest]], known: Ledger, kept: int) -> list[str]:
    newest = list(dumps)[-kept:]
    return [
        quarter
        for quarter, manifests in dumps.items()
        if quarter not in newest and not any(_is_needed(manifest, known) for manifest in manifests)
    ]


def _is_needed(manifest: BronzeManifest, known: Ledger) -> bool:
    """Whether silver rests on this table of a dump, or may still take it in."""
    applied = known.newest_dump(manifest.table)
    if not manifest.present:
        return False
    if applied is None:
        return True
    is_older = (manifest.cut_at, manifest.revision) < (applied.cut_at, applied.revision)
    return not is_older or manifest.data_version in (applied.rests_on or "").split(",")


def _old_dump(site: str, manifests: Sequence[BronzeManifest]) -> _Found:
    quarter, release = manifests[-1].quarter, manifests[-1].release
    folders = [
        *dict.fromkeys(paths.bronze_dump(manifest.table, quarter, site) for manifest in manifests),
        *(paths.silver_quarantine(table, site, DUMP, quarter) for table in TABLES),
    ]
    return f"bronze {quarter}", f"{release}: silver rests on newer dumps", folders


def _overtaken_pages(lake: Lake, site: str, known: Ledger) -> Iterator[_Found]:
    for name, table in TABLES.items():
        cut = overtaken_pages_before(lake, name, site, known.newest_dump(name))
        for entity in entities_of(table):
            for manifest in pages_of(lake, entity.name, site):
                if cut is not None and manifest.newest <= cut:
                    yield (
                        f"bronze api/{entity.name} {manifest.day}",
                        f"fetched before the applied cut {cut:%Y-%m-%d}",
                        [
                            paths.bronze_api(entity.name, manifest.day, site),
                            paths.silver_quarantine(name, site, f"api/{entity.name}", manifest.day),
                        ],
                    )


def _old_archives(lake: Lake, site: str, kept: int, in_bronze: Sequence[str], now: datetime) -> Iterator[_Found]:
    """Archives older than all of bronze: a newer one was landed to be read, or bronze may have to be read again. So may
    be one that was landed within a day: the run that asked for it reads it next."""
    landed = [folder.rpartition("quarter=")[2] for folder in lake.list(paths.RAW_DUMP)]
    landed = [quarter for quarter in landed if lake.exists(paths.raw_dump(quarter, site))]
    for quarter in landed[:-kept] if kept > 0 else []:
        raw = RawManifest.load(lake, quarter, site)
        just_landed = raw is not None and datetime.fromisoformat(raw.fetched_at) > now - DEAD_AFTER
        if in_bronze and quarter < min(in_bronze) and not just_landed:
            yield f"raw {quarter}", f"older than the newest {kept}", [paths.raw_dump(quarter, site)]


def _dead_parts(lake: Lake, site: str, now: datetime) -> Iterator[_Found]:
    """Files that never got their name: downloads that nobody goes on with, and manifests of killed runs.

    A download has two, its bytes and a note of whose they are, and lives while either is written to.
    """
    folders = [paths.RAW_DUMP, *(paths.bronze_dump(table) for table in TABLES)]
    folders += [paths.bronze_api(entity.name) for table in TABLES.values() for entity in entities_of(table)]
    for partition in (partition for folder in folders for partition in lake.list(folder)):
        parts: defaultdict[str, list[StoredFile]] = defaultdict(list)
        for file in lake.files(f"{partition}/site={site}"):
            if file.path.endswith((".part", ".part.json")):
                parts[file.path.removesuffix(".json")].append(file)
        dead = [
            file.path
            for part, files in parts.items()
            if max(file.modified_at for file in files) < now - PART_KEPT and not _is_being_written(lake, part)
            for file in files
        ]
        if dead:
            what = f"{partition.partition('/')[0]} {partition.rpartition('=')[2]}"
            yield what, "left behind by a run that died while it wrote", dead


def _is_being_written(lake: Lake, part: str) -> bool:
    """Whether a download that has made no progress for long is still waiting for it."""
    local = lake.local_path(part)
    return local is not None and local.is_file() and download.is_held(local)


def _dead_reads(lake: Lake, site: str, now: datetime) -> Iterator[_Found]:
    """Attempts at reading a dump. One attempt has a folder in each table, and lives while any of them is written to."""
    attempts: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for table in TABLES:
        for quarter_folder in lake.list(paths.bronze_dump(table)):
            quarter = quarter_folder.rpartition("quarter=")[2]
            for folder in bronze.dead_attempts(lake, table, quarter, site):
                attempts[quarter, folder.rpartition("/")[2]].append(folder)
    for (quarter, _), folders in attempts.items():
        written = [file.modified_at for folder in folders for file in lake.files(folder)]
        if written and max(written) < now - DEAD_AFTER:
            yield f"bronze {quarter}", "left behind by a read that died or was replaced", folders


def _dead_page_reads(lake: Lake, site: str, now: datetime) -> Iterator[_Found]:
    """Attempts at reading a day's pages, each of which a later fetch of that day replaces."""
    for entity in ENTITIES:
        for day_folder in lake.list(paths.bronze_api(entity)):
            day = day_folder.rpartition("day=")[2]
            for folder in pages.dead_attempts(lake, entity, day, site):
                written = [file.modified_at for file in lake.files(folder)]
                if written and max(written) < now - DEAD_AFTER:
                    yield f"bronze api/{entity} {day}", "left behind by a read that died or was replaced", [folder]


def _dead_merges(lake: Lake, site: str) -> Iterator[_Found]:
    """What converges left behind: none is going on while the caller holds the locks."""
    staged = lake.list(paths.staging(site))
    if staged:
        yield "staging", "left behind by a merge that died", staged
    for table in TABLES:
        named = set(_quarantine_files(lake, table, site))
        folders = lake.list(paths.silver_quarantine(table, site), recursive=True)
        dead = [
            folder
            for folder in folders
            if folder.rpartition("/")[2].startswith("attempt=")
            and not any(file.startswith(f"{folder}/") for file in named)
        ]
        if dead:
            yield f"quarantine {table}", "left behind by a merge that died or was replaced", dead


def _quarantine_files(lake: Lake, table: str, site: str) -> Iterator[str]:
    for path in lake.list(paths.silver_quarantine(table, site), recursive=True):
        if path.endswith("/manifest.json"):
            manifest = CleaningManifest(**lake.read_json(path))
            yield from (*manifest.files, *manifest.open_files)
