"""What the last load of each table left on record, what it follows that this load must do, and the new record.

Belongs here: `lake.load_status`, `lake.changed`, `lake.refused` and load ids. Does not belong here: rows of the tables
themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from adbc_driver_postgresql import dbapi as adbc

from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.sql import literal
from so_lakehouse.warehouse import ddl
from so_lakehouse.warehouse.feed import SilverTable
from so_lakehouse.warehouse.gate import Passed
from so_lakehouse.warehouse.partition import Partition
from so_lakehouse.warehouse.projection import Projection


@dataclass(frozen=True)
class Loaded:
    """What a load did to one table of a site. `how`: first, changes, reload, unchanged, absent or refused (nothing of
    the site was written); `reason` says why. `check`: does it equal silver? None where there is nothing to compare."""

    table: str
    how: str
    reason: str
    lake_version: int = -1
    data_version: str = ""
    rows: int = 0  # of this site, now
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    load_id: int = 0  # the load that last changed rows of this table; 0 where none has
    check: CheckOutcome | None = None

    @property
    def is_here(self) -> bool:
        """Whether the warehouse now holds what silver offers of this table."""
        return self.how not in ("absent", "refused")


@dataclass
class Task:
    """One table on its way: where it stands, where it goes, and what was found."""

    projection: Projection
    passed: Passed
    silver: SilverTable
    how: str
    reason: str
    apart: bool = False  # built as a partition of its own and attached, instead of compared with what is there
    after: int = -1  # the silver version that the warehouse holds
    rows: int = 0
    load_id: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    check: CheckOutcome | None = None

    @property
    def name(self) -> str:
        return self.projection.name

    @property
    def changed(self) -> int:
        return self.inserted + self.updated + self.deleted

    @property
    def differs(self) -> bool:
        return self.check is not None and not self.check.passed

    def loaded(self) -> Loaded:
        return Loaded(
            table=self.name,
            how=self.how,
            reason=self.reason,
            lake_version=self.passed.version,
            data_version=self.passed.data_version,
            rows=self.rows,
            inserted=self.inserted,
            updated=self.updated,
            deleted=self.deleted,
            load_id=self.load_id,
            check=self.check,
        )


def absent(site: str, projection: Projection) -> Loaded:
    """The result for a table that silver does not offer."""
    reason = (
        f"nothing to load: silver/{projection.source} of {site} has not passed its checks yet; run silver of {site}"
    )
    return Loaded(projection.name, "absent", reason)


def tasks(
    cursor: adbc.Cursor,
    site: str,
    offered: Sequence[Projection],
    passed: Mapping[str, Passed],
    silver: Mapping[str, SilverTable],
    reload: Mapping[str, str],
) -> list[Task]:
    """What each table needs, by what the last load recorded. `reload` names tables whose change feed is of no use."""
    cursor.execute(
        "SELECT table_name, lake_table_id, lake_version, data_version, projection, rows, load_id"
        f" FROM lake.load_status WHERE site = {literal(site)}"
    )
    recorded = {name: rest for name, *rest in cursor.fetchall()}
    found = []
    for projection in offered:
        source, offer = silver[projection.source], passed[projection.source]
        if projection.name not in recorded:
            apart = projection.partitioned and not Partition(projection, site).exists(cursor)
            found.append(Task(projection, offer, source, "first", "not loaded before", apart=apart))
            continue
        identity, version, data_version, made_by, rows, load_id = recorded[projection.name]
        how, reason = "changes", f"silver went from version {version} to {offer.version}"
        if projection.name in reload:
            how, reason = "reload", reload[projection.name]
        elif made_by != ddl.fingerprint(projection):
            how, reason = "reload", "the projection changed"
        elif identity != source.identity:
            how, reason = "reload", f"silver/{projection.source} was created anew"
        elif data_version == offer.data_version:
            how, reason = "unchanged", f"silver is at {data_version}, as the warehouse is"
        found.append(Task(projection, offer, source, how, reason, after=version, rows=rows, load_id=load_id))
    return found


def finish(cursor: adbc.Cursor, site: str, tasks: Sequence[Task]) -> None:
    """Gives the load its id where rows changed, and records every table; writes nothing where nothing is new.

    The id is taken under a lock that is held to the commit: ids grow in the order in which loads become visible, so
    whoever has worked up to an id never misses a smaller one that commits later.
    """
    changed = [task for task in tasks if task.changed]
    if changed:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('so_lakehouse.load_id'))")
        cursor.execute(
            "SELECT 1 + greatest((SELECT coalesce(max(load_id), 0) FROM lake.load_status),"
            " (SELECT coalesce(max(load_id), 0) FROM lake.changed))"
        )
        ((load_id,),) = cursor.fetchall()
        for task in changed:
            task.load_id = load_id
        cursor.execute(
            "INSERT INTO lake.changed (site, table_name, month, load_id)"
            f" SELECT {literal(site)}, table_name, month, {load_id} FROM changed_month"
        )
    for task in tasks:
        cursor.execute(_RECORD, _values(site, task))
    _forget_refusals(cursor, site, tasks)


def refuse(cursor: adbc.Cursor, site: str, tasks: Sequence[Task]) -> dict[str, Loaded]:
    """Notes which tables of a load that was rolled back do not equal silver; returns what became of each table."""
    _forget_refusals(cursor, site, tasks)
    checks = {task.name: task.check for task in tasks if task.check is not None and not task.check.passed}
    advice = (
        f"Nothing of {site} was changed. A reload ended the same: this is a defect of the loader, please report it."
    )
    told = {name: replace(check, detail=f"{check.detail} {advice}") for name, check in checks.items()}
    for name, check in told.items():
        cursor.execute(
            "INSERT INTO lake.refused (site, table_name, check_name, detail) VALUES ($1, $2, $3, $4)",
            (site, name, check.name, check.detail),
        )
    reason = f"nothing of {site} was loaded, because {', '.join(told)} would not equal silver"
    return {task.name: Loaded(task.name, "refused", reason, check=told.get(task.name)) for task in tasks}


def _forget_refusals(cursor: adbc.Cursor, site: str, tasks: Sequence[Task]) -> None:
    names = ", ".join(literal(task.name) for task in tasks)
    cursor.execute(f"DELETE FROM lake.refused WHERE site = {literal(site)} AND table_name IN ({names})")


# Maintenance moves a Delta table on without changing a row: then only the version is noted, and the feed goes on there.
_RECORD = """
INSERT INTO lake.load_status AS known
  (site, table_name, lake_table_id, lake_version, data_version, projection, rows, complete_to, counters_complete_to,
   load_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::timestamptz, $9::text::timestamptz, $10)
ON CONFLICT (site, table_name) DO UPDATE SET
  lake_table_id = excluded.lake_table_id,
  lake_version = excluded.lake_version,
  data_version = excluded.data_version,
  projection = excluded.projection,
  rows = excluded.rows,
  complete_to = excluded.complete_to,
  counters_complete_to = excluded.counters_complete_to,
  load_id = excluded.load_id,
  loaded_at = CASE WHEN known.data_version = excluded.data_version THEN known.loaded_at ELSE excluded.loaded_at END
WHERE (known.lake_table_id, known.lake_version, known.data_version, known.projection, known.rows, known.complete_to,
       known.counters_complete_to, known.load_id)
  IS DISTINCT FROM (excluded.lake_table_id, excluded.lake_version, excluded.data_version, excluded.projection,
       excluded.rows, excluded.complete_to, excluded.counters_complete_to, excluded.load_id)
"""


def _values(site: str, task: Task) -> tuple:
    moments = (task.passed.complete_to, task.passed.counters_complete_to)
    return (
        site,
        task.name,
        task.silver.identity,
        task.passed.version,
        task.passed.data_version,
        ddl.fingerprint(task.projection),
        task.rows,
        *(moment and moment.isoformat() for moment in moments),
        task.load_id,
    )
