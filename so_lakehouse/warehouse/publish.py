"""From dbt's work table to the shelf: builds of the marts, and their publishing as one.

Belongs here: schemas `marts_build` (where dbt builds) and `marts` (what people and dashboards read), and the record of
builds. A build is begun before dbt starts and finished when every test was green; only a finished one is published, and
only as long as no later one has begun to rebuild `marts_build` under it.

One transaction changes the rows that differ, by MVCC: no reader waits, and none sees half. A reader of several marts
sees them of one build by reading in one repeatable-read transaction (`server.connect(read_only=True)`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from psycopg2.errors import DependentObjectsStillExist
from psycopg2.extensions import cursor as PostgresCursor

from so_lakehouse import failpoints
from so_lakehouse.errors import BadInput, CheckFailed
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import ddl, server
from so_lakehouse.warehouse.ddl import literal, quoted

BUILD_SCHEMA = "marts_build"
SCHEMA = "marts"


@dataclass(frozen=True)
class Build:
    """One build of the marts. `load_id`: the newest load that it may read; later ones belong to the next build."""

    build_id: str
    load_id: int


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


def begin_build(settings: Settings, build_id: str) -> Build:
    """Notes that `marts_build` is about to be rebuilt; until that build is finished nothing can be published.

    Beginning the same build again (a retry) starts it afresh.
    """
    connection = server.connect(settings)
    try:
        ddl.prepare(connection)
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT coalesce(max(load_id), 0) FROM lake.load_status")
            load_id = _one(cursor)
            cursor.execute("DELETE FROM lake.mart_build WHERE build_id = %s", (build_id,))
            cursor.execute("INSERT INTO lake.mart_build (build_id, load_id) VALUES (%s, %s)", (build_id, load_id))
    finally:
        connection.close()
    return Build(build_id, load_id)


def finish_build(settings: Settings, build: Build) -> None:
    """Notes that every model and test of this build was green: it may be published."""
    connection = server.connect(settings)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("UPDATE lake.mart_build SET finished_at = now() WHERE build_id = %s", (build.build_id,))
            if cursor.rowcount != 1:
                raise BadInput(f"There is no build {build.build_id!r} to finish; begin it first.")
    finally:
        connection.close()


def publish(settings: Settings) -> Published:
    """Publishes the newest build: all tables of `marts_build`, in one transaction, under its build id.

    A mart is created on its first publishing; its columns follow the build's; grants on it stay. A mart that the build
    has no more goes. Publishing a build again changes nothing. Raises `BadInput` where there is no build or a view of
    somebody's stands in the way, `CheckFailed` where the newest build did not finish; readers then keep what they have.
    """
    connection = server.connect(settings)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('so_lakehouse.publish'))")
            build_id, is_published = _newest_build(cursor)
            marts = {name: _publish(cursor, name) for name in _tables(cursor, BUILD_SCHEMA)}
            _drop_retired(cursor, marts)
            if not is_published:
                _record(cursor, build_id, marts)
            failpoints.reach("publish.before_commit")
    except DependentObjectsStillExist as error:
        raise BadInput(
            f"The marts cannot be published: {error.diag.message_primary}: {error.diag.message_detail}"
        ) from error
    finally:
        connection.close()
    differing = [name for name, mart in marts.items() if mart.inserted or mart.deleted]
    note = f"changed: {', '.join(differing)}" if differing else "no mart differs from what readers had"
    return Published(build_id, note, marts)


def _newest_build(cursor: PostgresCursor) -> tuple[str, bool]:
    """Its id, and whether it is published already."""
    cursor.execute("SELECT to_regclass('lake.mart_build') IS NOT NULL")
    if _one(cursor):
        cursor.execute(
            "SELECT build_id, finished_at IS NOT NULL, published_at IS NOT NULL, begun_at FROM lake.mart_build"
            " ORDER BY number DESC LIMIT 1"
        )
        newest = cursor.fetchone()
        if newest is not None:
            build_id, finished, published, begun_at = newest
            if finished:
                return build_id, published
            raise CheckFailed(
                f"The newest build of the marts ({build_id}, begun {begun_at:%Y-%m-%d %H:%M} UTC) did not finish with "
                "every test green. Readers keep the marts that they have; correct what failed and build again."
            )
    raise BadInput("There is no build of the marts to publish. Build them first: so-lakehouse run.")


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
    cursor.execute(f"SELECT count(*) FROM {stable}")
    return PublishedMart(_one(cursor), inserted, deleted)


def _follow_columns(cursor: PostgresCursor, name: str) -> list[str]:
    """Gives the stable mart the build's columns and descriptions; returns the columns in the build's order."""
    table = f"{SCHEMA}.{quoted(name)}"
    old, new = _columns(cursor, SCHEMA, name), _columns(cursor, BUILD_SCHEMA, name)
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


def _columns(cursor: PostgresCursor, schema: str, name: str) -> dict[str, tuple[str, bool, str | None]]:
    """Type, whether it is required, and description of each column, in order."""
    cursor.execute(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull, col_description(attrelid, attnum)"
        " FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        (f"{schema}.{quoted(name)}",),
    )
    return {column: (kind, required, description) for column, kind, required, description in cursor.fetchall()}


def _tables(cursor: PostgresCursor, schema: str) -> list[str]:
    cursor.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind = 'r' ORDER BY relname",
        (schema,),
    )
    return [name for (name,) in cursor.fetchall()]


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
        " SELECT build_id, load_id, published_at, %s FROM lake.mart_build WHERE build_id = %s",
        (sorted(marts), build_id),
    )


def _one(cursor: PostgresCursor) -> Any:
    row = cursor.fetchone()
    assert row is not None, "a query without a row where one is certain"
    return row[0]
