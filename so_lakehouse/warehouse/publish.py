"""From dbt's work table to the shelf: publishing a finished build of the marts, all of it or nothing.

Belongs here: schema `marts`, which people and dashboards read. Does not belong here: builds (`builds.py`). Only the
marts of the newest build are published, and only where that is finished; what else lies in `marts_build` stays there.

One transaction changes the rows that differ, by MVCC: no reader waits, and none sees half. A reader of several marts
sees them of one build by reading in one repeatable-read transaction (`server.connect(read_only=True)`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from psycopg2.errors import DependentObjectsStillExist, UndefinedTable
from psycopg2.extensions import cursor as PostgresCursor

from so_lakehouse import failpoints
from so_lakehouse.errors import BadInput, CheckFailed
from so_lakehouse.progress import Progress, silent
from so_lakehouse.settings import Settings
from so_lakehouse.sql import literal, quoted
from so_lakehouse.warehouse import catalogue, ddl, server
from so_lakehouse.warehouse.builds import BUILD_SCHEMA, take_place
from so_lakehouse.warehouse.catalogue import one

SCHEMA = "marts"


@dataclass(frozen=True)
class PublishedMart:
    """What publishing did to one mart; a changed row counts as one deleted and one inserted."""

    rows: int
    inserted: int
    deleted: int


@dataclass(frozen=True)
class Published:
    """One build as readers see it now."""

    build_id: str
    note: str
    marts: dict[str, PublishedMart] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return sum(mart.rows for mart in self.marts.values())


def publish(settings: Settings, progress: Progress = silent) -> Published:
    """Publishes the marts of the newest build, in one transaction, under its build id.

    Waits for a build that is under way. A mart is created on its first publishing; its columns follow the build's;
    grants on it stay. A mart that the build has no more goes. Publishing a build again changes nothing. Raises
    `BadInput` where there is no build or a view of somebody's stands in the way, `CheckFailed` where the newest build
    did not finish; readers then keep what they have.
    """
    connection = server.connect(settings, server.Part.DBT)
    try:
        ddl.prepare(connection)
        with connection, connection.cursor() as cursor:
            take_place(cursor, progress)
            newest = _newest_build(cursor)
            if newest.is_published:
                marts = {name: PublishedMart(_count(cursor, name), 0, 0) for name in newest.marts}
            else:
                marts = {name: _publish(cursor, name) for name in newest.marts}
                _drop_retired(cursor, marts)
                _record(cursor, newest.build_id, marts)
            failpoints.reach("publish.before_commit")
    except DependentObjectsStillExist as error:
        raise BadInput(
            f"The marts cannot be published: {error.diag.message_primary}: {error.diag.message_detail}"
        ) from error
    except UndefinedTable as error:
        raise BadInput(
            f"The marts cannot be published: {error.diag.message_primary}. Build them again: so-lakehouse run."
        ) from error
    finally:
        connection.close()
    differing = [name for name, mart in marts.items() if mart.inserted or mart.deleted]
    note = f"changed: {', '.join(differing)}" if differing else "no mart differs from what readers had"
    return Published(newest.build_id, note, marts)


@dataclass(frozen=True)
class _Newest:
    """The newest build, finished."""

    build_id: str
    is_published: bool
    marts: Sequence[str]


def _newest_build(cursor: PostgresCursor) -> _Newest:
    cursor.execute(
        "SELECT build_id, finished_at IS NOT NULL, begun_at, marts, published_at IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM unnest(marts) mart WHERE to_regclass(format('%%I.%%I', %s, mart)) IS NULL)"
        " FROM lake.mart_build ORDER BY number DESC LIMIT 1",
        (SCHEMA,),
    )
    newest = cursor.fetchone()
    if newest is None:
        raise BadInput("There is no build of the marts to publish. Build them first: so-lakehouse run.")
    build_id, finished, begun_at, marts, published = newest
    if not finished:
        raise CheckFailed(
            f"The newest build of the marts ({build_id}, begun {begun_at:%Y-%m-%d %H:%M} UTC) did not finish with "
            "every test green. Readers keep the marts that they have; correct what failed and build again."
        )
    if marts is None:
        raise BadInput(
            f"Build {build_id} is of an earlier release, which did not note its marts. Build again: so-lakehouse run."
        )
    return _Newest(build_id, published, marts)


def _publish(cursor: PostgresCursor, name: str) -> PublishedMart:
    """Makes the stable table hold the build's rows. Rows are deleted by a hash: what that takes too much, equal copies
    or a collision, the insertion of everything that is missing brings back."""
    stable, build = f"{SCHEMA}.{quoted(name)}", f"{BUILD_SCHEMA}.{quoted(name)}"
    cursor.execute(f"CREATE TABLE IF NOT EXISTS {stable} (LIKE {build})")
    fields = ", ".join(quoted(column) for column in _follow_columns(cursor, name))
    row_hash = f"hashtextextended(ROW({fields})::text, 0)"
    cursor.execute(
        f"WITH gone AS MATERIALIZED (SELECT {fields} FROM {stable} EXCEPT ALL SELECT {fields} FROM {build})"
        f" DELETE FROM {stable} WHERE {row_hash} IN (SELECT {row_hash} FROM gone)"
    )
    deleted = cursor.rowcount
    cursor.execute(
        f"INSERT INTO {stable} ({fields}) (SELECT {fields} FROM {build} EXCEPT ALL SELECT {fields} FROM {stable})"
    )
    inserted = cursor.rowcount
    return PublishedMart(_count(cursor, name), inserted, deleted)


def _follow_columns(cursor: PostgresCursor, name: str) -> list[str]:
    """Gives the stable mart the build's columns and descriptions; returns the columns in the build's order."""
    table = f"{SCHEMA}.{quoted(name)}"
    old, new = (catalogue.columns(cursor, f"{schema}.{quoted(name)}") for schema in (SCHEMA, BUILD_SCHEMA))
    steps = []
    for column, (kind, required, _) in old.items():
        if column not in new or new[column][0] != kind:
            steps.append(f"ALTER TABLE {table} DROP COLUMN {quoted(column)}")
        elif required and not new[column][1]:
            steps.append(f"ALTER TABLE {table} ALTER COLUMN {quoted(column)} DROP NOT NULL")
    for column, (kind, _, description) in new.items():
        if column not in old or old[column][0] != kind:  # a changed type is a new column: its rows all come anew
            steps.append(f"ALTER TABLE {table} ADD COLUMN {quoted(column)} {kind}")
        if column not in old or old[column][2] != description:
            text = "NULL" if description is None else literal(description)
            steps.append(f"COMMENT ON COLUMN {table}.{quoted(column)} IS {text}")
    for step in steps:
        cursor.execute(step)
    return list(new)


def _count(cursor: PostgresCursor, name: str) -> int:
    cursor.execute(f"SELECT count(*) FROM {SCHEMA}.{quoted(name)}")
    return one(cursor)


def _drop_retired(cursor: PostgresCursor, marts: Collection[str]) -> None:
    """Only marts that the build before published: what else somebody keeps in the schema is theirs."""
    cursor.execute(f"SELECT marts FROM {SCHEMA}.build ORDER BY published_at DESC LIMIT 1")
    before = cursor.fetchone()
    for name in sorted(set(before[0] if before else ()) - set(marts)):
        cursor.execute(f"DROP TABLE IF EXISTS {SCHEMA}.{quoted(name)}")


def _record(cursor: PostgresCursor, build_id: str, marts: Collection[str]) -> None:
    cursor.execute("UPDATE lake.mart_build SET published_at = now() WHERE build_id = %s", (build_id,))
    cursor.execute(
        f"INSERT INTO {SCHEMA}.build (build_id, load_id, published_at, marts)"
        " SELECT build_id, load_id, published_at, %s FROM lake.mart_build WHERE build_id = %s"
        " ON CONFLICT (build_id) DO UPDATE SET published_at = excluded.published_at",
        (sorted(marts), build_id),
    )
