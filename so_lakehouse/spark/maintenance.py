"""Keeps what the lake holds of a site small and quick to merge into, and makes deleted bytes go when their time is up.

Belongs here: the order of work, and what Spark must do. Not here: when a table's files are worth mending
(`lake/layout.py`), files outside Delta tables (`lake/prune.py`).

With deletion vectors the bytes of a deleted row stay in their file until REORG rewrites it; the old file stays until
VACUUM finds it older than the retention; Delta's log, whose statistics hold keys and dates, stays until a checkpoint
lets go of commits older than the retention. No row changes: readers stay where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyspark.sql import SparkSession

from so_lakehouse import failpoints
from so_lakehouse.errors import BadInput
from so_lakehouse.lake import gates, layout, ledger, lock, paths, plain
from so_lakehouse.lake import prune as pruning
from so_lakehouse.lake.delta import drop_checksums, has_commits_before, log_of
from so_lakehouse.lake.layout import DataFile
from so_lakehouse.lake.silver_tables import (
    ALL_TABLES,
    CHECKPOINTS,
    LEDGER,
    RETENTION,
    RETENTION_DAYS,
    quoted_path,
    spark_literal,
    uri,
)
from so_lakehouse.lake.storage import Lake, StoredFile
from so_lakehouse.progress import Progress, silent
from so_lakehouse.schema import TABLES
from so_lakehouse.settings import Settings
from so_lakehouse.spark import catalog, write
from so_lakehouse.spark.migrate import bring_up
from so_lakehouse.spark.session import Work, fit_to_rows, own_session

CONFIGURATION = {
    "spark.databricks.delta.optimize.maxFileSize": str(layout.FILE_BYTES),
    "spark.databricks.delta.optimize.minFileSize": str(layout.FILE_BYTES // 2),
    # It refuses less than a week, because another writer might be at work; here the lock says that none is.
    "spark.databricks.delta.retentionDurationCheck.enabled": "false",
}


@dataclass(frozen=True)
class Maintained:
    """What became of one part of the lake: a silver table (its files of all sites) or what was removed beside them."""

    what: str
    note: str
    bytes_before: int
    bytes_after: int
    of_all_sites: bool = False


def maintain(
    spark: SparkSession,
    lake: Lake,
    site: str,
    settings: Settings,
    retention_hours: int | None = None,
    progress: Progress = silent,
) -> list[Maintained]:
    """Removes what nothing needs of a site, orders and purges its part of silver's tables, and vacuums these.

    Earlier versions of silver (time travel, change feed) can be read for `retention_hours`, by default the setting's;
    0 makes what was deleted go at once, and whoever reads an earlier version at that moment fails. Raises `BadInput`
    as `retention` does. Killed anywhere and run again, it ends in the same rows.
    """
    hours = retention(lake, site, settings, retention_hours)
    parts = [lock.bronze(site), *(f"silver.{name}" for name in ALL_TABLES)]
    held = lock.writing(lake, parts, f"maintain {site}", settings, progress, Work(spark))
    with catalog.answering(settings), lake.answering(), held, own_session(spark) as session:
        bring_up(spark, lake, LEDGER, progress)
        # Before any commit can expire: the ledger alone tells what they applied then.
        plain.record(lake, ledger.load(lake, site, TABLES).unrecorded)
        done = [_removed(removal) for removal in pruning.prune(lake, site, settings)]
        names = [name for name in ALL_TABLES if ledger.open_delta(lake, name) is not None]
        before = {name: lake.size(paths.silver(name)) for name in names}
        for name, value in CONFIGURATION.items():
            session.conf.set(name, value)
        gates.follow(lake)  # while the log still tells who made which commit
        for name in names:  # before the rest: Delta keeps old commits for as long as a young one needs them
            _expire_log(session, lake, name, hours)
        notes = {name: _mend(session, lake, name, site, progress) for name in names}
        gates.follow(lake)
        for name in names:
            progress(f"{site}: vacuuming {name}", before[name])
            _vacuum(session, lake, name, hours)
        sizes = {name: lake.size(paths.silver(name)) for name in names}
        if settings.metastore:
            done.append(Maintained("catalog", catalog.follow(session, lake, settings), 0, 0, True))
    return [*done, *(Maintained(f"silver {name}", notes[name], before[name], sizes[name], True) for name in names)]


def planned(lake: Lake, site: str, settings: Settings, retention_hours: int | None = None) -> list[Maintained]:
    """What `maintain` would do now; starts and changes nothing. What it rewrites goes when the retention is over."""
    hours = retention(lake, site, settings, retention_hours)
    plan = [_removed(removal) for removal in pruning.removable(lake, site, settings)]
    for name in ALL_TABLES:
        if ledger.open_delta(lake, name) is not None:
            size = lake.size(paths.silver(name))
            going = sum(file.bytes for file in _expired_files(lake, name, hours))
            plan.append(Maintained(f"silver {name}", _needs(lake, name, site), size, size - going, True))
    return plan


def _removed(removal: pruning.Removal) -> Maintained:
    return Maintained(removal.what, removal.reason, removal.bytes, 0)


def retention(lake: Lake, site: str, settings: Settings, asked: int | None) -> int:
    """The retention of a run in hours. Raises `BadInput` for a site that the lake does not hold, and for a retention
    that silver's tables do not promise."""
    write.site_literal(site)
    landed = [folder for quarter in lake.list(paths.RAW_DUMP) for folder in lake.list(quarter)]
    held = sorted({*(path.rpartition("site=")[2] for path in landed), *gates.sites(lake)})
    if site not in held:
        raise BadInput(f"The lake holds nothing of {site}. It has: {', '.join(held) or 'no site'}.")
    hours = settings.retention_hours if asked is None else asked
    if not 0 <= hours <= RETENTION_DAYS * 24:
        raise BadInput(
            f"A retention of {hours} hours cannot be: silver's tables keep their history for {RETENTION_DAYS} days. "
            f"Write 0 to {RETENTION_DAYS * 24} (LAKEHOUSE_RETENTION_HOURS)."
        )
    return hours


def _needs(lake: Lake, name: str, site: str) -> str:
    files = layout.live_files(lake, name, site)
    steps = [
        "order by key" if layout.is_out_of_order(files) else "",
        f"join {len(layout.small_files(files))} small files" if layout.small_files(files) else "",
        f"purge {_dead_rows(files):,} deleted rows" if _dead_rows(files) else "",
    ]
    return ", ".join(filter(None, steps))


def _mend(session: SparkSession, lake: Lake, name: str, site: str, progress: Progress) -> str:
    """Orders or joins files where that is worth it, and rewrites those with deleted rows; says what was done."""
    address, here = quoted_path(uri(lake, name)), f"WHERE site = {write.site_literal(site)}"
    files = before = layout.live_files(lake, name, site)
    fit_to_rows(session, sum(file.rows for file in files))
    progress(f"{site}: {name}", sum(file.bytes for file in files))
    steps = []
    if layout.is_out_of_order(files):
        failpoints.reach("maintenance.before_order")
        _commit(session, lake, name, f"OPTIMIZE {address} {here} ZORDER BY (Id)")
        steps.append("ordered by key")
    elif layout.small_files(files):
        failpoints.reach("maintenance.before_join")
        _commit(session, lake, name, f"OPTIMIZE {address} {here}")
        steps.append("small files joined")
    if steps:
        files = layout.live_files(lake, name, site)
    if _dead_rows(files):
        failpoints.reach("maintenance.before_purge")
        _commit(session, lake, name, f"REORG TABLE {address} {here} APPLY (PURGE)")
        files = layout.live_files(lake, name, site)
    if purged := _dead_rows(before) - _dead_rows(files):
        steps.append(f"{purged:,} deleted rows purged")
    if len(files) != len(before):
        steps.append(f"{len(before)} files to {len(files)}")
    return ", ".join(steps)


def _dead_rows(files: Sequence[DataFile]) -> int:
    return sum(file.dead_rows for file in files)


def _expired_files(lake: Lake, name: str, hours: int) -> list[StoredFile]:
    """Files of a table that its newest version does not name and that are older than the retention: VACUUM's, but for
    those that were in use until later. Deletion vectors are left out; none goes without a change feed's file."""
    delta = ledger.open_delta(lake, name)
    live = {layout.name_of(path) for path in delta.file_uris()} if delta else set()
    until = datetime.now(UTC) - timedelta(hours=hours)
    return [
        file
        for file in lake.files(paths.silver(name))
        if file.path.endswith(".parquet")
        and not file.path.startswith(f"{log_of(paths.silver(name))}/")
        and layout.name_of(file.path) not in live
        and file.modified_at <= until
    ]


def _vacuum(session: SparkSession, lake: Lake, name: str, hours: int) -> None:
    if _expired_files(lake, name, hours):
        failpoints.reach("maintenance.before_vacuum")
        _commit(session, lake, name, f"VACUUM {quoted_path(uri(lake, name))} RETAIN {hours} HOURS")


def _expire_log(session: SparkSession, lake: Lake, name: str, hours: int) -> None:
    """Makes a checkpoint where a commit is older than the retention: Delta then lets go of those.

    Delta does so by itself at every tenth commit, by the most that the retention can be; a table that few write to
    would keep its log for years. A commit that asks for a checkpoint after each makes one, and a second commit puts the
    properties right again.
    """
    delta = ledger.open_delta(lake, name)
    if delta is None:
        return
    held = dict(delta.metadata().configuration)
    until = datetime.now(UTC) - timedelta(hours=hours, days=1)  # Delta cuts at the beginning of a day
    if has_commits_before(lake, paths.silver(name), until):
        failpoints.reach("maintenance.before_log")
        for_now = {**dict.fromkeys(RETENTION, f"interval {hours} hours"), **dict.fromkeys(CHECKPOINTS, "1")}
        _set_properties(session, lake, name, for_now)
        held |= for_now
    standing = RETENTION | CHECKPOINTS
    if any(held.get(key) != value for key, value in standing.items()):
        failpoints.reach("maintenance.before_properties")
        _set_properties(session, lake, name, standing)
    lock.require(lake, f"silver.{name}")
    drop_checksums(lake, paths.silver(name))


def _set_properties(session: SparkSession, lake: Lake, name: str, properties: dict[str, str]) -> None:
    told = ", ".join(f"{spark_literal(key)} = {spark_literal(value)}" for key, value in properties.items())
    _commit(session, lake, name, f"ALTER TABLE {quoted_path(uri(lake, name))} SET TBLPROPERTIES ({told})")


def _commit(session: SparkSession, lake: Lake, name: str, sql: str) -> None:
    lock.require(lake, f"silver.{name}")
    session.sql(sql)
