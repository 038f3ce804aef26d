"""Builds of the marts: one at a time, each on record with what it is made of and which marts it gives.

Belongs here: `lake.mart_build`, and the place that only one build or publishing holds at a time. Does not belong here:
what is built (`dbt_project/`) and what readers see of it (`publish.py`).

A build that holds the place rebuilds `marts_build` undisturbed; it is finished when every test was green. Who comes
meanwhile waits, and says for whom. The place is a lock of the database session: it ends with the process.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg2 import InterfaceError, OperationalError
from psycopg2.extensions import connection as PostgresConnection
from psycopg2.extensions import cursor as PostgresCursor

from so_lakehouse import failpoints
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.progress import Progress, silent, wait_until_free
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import ddl, server
from so_lakehouse.warehouse.catalogue import one

BUILD_SCHEMA = "marts_build"


@dataclass(frozen=True)
class Build:
    """A build that holds the place. `same_as`: the newest build, where it is finished and made of the same."""

    build_id: str
    made_of: str
    same_as: str | None
    connection: PostgresConnection

    def begin(self) -> None:
        """Notes that `marts_build` is about to be rebuilt; until that is finished nothing can be published.

        Beginning the same build again (a retry) starts it afresh.
        """
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute("DELETE FROM lake.mart_build WHERE build_id = %s", (self.build_id,))
            cursor.execute(
                "INSERT INTO lake.mart_build (build_id, made_of, load_id)"
                " SELECT %s, %s, coalesce(max(load_id), 0) FROM lake.load_status",
                (self.build_id, self.made_of),
            )

    def finish(self, marts: Collection[str]) -> None:
        """Notes that every model and test was green: these marts may be published.

        Raises `Unavailable` where Postgres ended the session meanwhile: another build may have held the place since.
        """
        failpoints.reach("marts.before_finish")
        try:
            with self.connection, self.connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE lake.mart_build SET finished_at = now(), marts = %s WHERE build_id = %s",
                    (sorted(marts), self.build_id),
                )
                if cursor.rowcount != 1:
                    raise BadInput(f"There is no build {self.build_id!r} to finish; begin it first.")
        except (OperationalError, InterfaceError) as error:
            raise Unavailable(
                f"Postgres ended the session of build {self.build_id}, which may not have been alone since then. "
                "Readers keep the marts that they have. Build again: so-lakehouse run."
            ) from error


@contextmanager
def building(settings: Settings, build_id: str, project: str, progress: Progress = silent) -> Iterator[Build]:
    """Holds the place for the block, after whoever has it; `project` is the fingerprint of what dbt runs."""
    connection = server.connect(settings, server.Part.DBT)
    try:
        ddl.prepare(connection)
        with connection, connection.cursor() as cursor:
            take_place(cursor, progress)
            content = made_of(cursor, project)
            same_as = made_of_the_same(cursor, content)
        yield Build(build_id, content, same_as, connection)
    finally:
        connection.close()


def take_place(cursor: PostgresCursor, progress: Progress = silent) -> None:
    """Waits until no other session builds or publishes marts; this one holds the place until its connection closes."""

    def hindrance() -> str | None:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('so_lakehouse.marts'))")
        return None if one(cursor) else f"waiting for {_holder(cursor)}"

    wait_until_free(hindrance, progress)


def _holder(cursor: PostgresCursor) -> str:
    cursor.execute(
        "SELECT build_id, begun_at FROM lake.mart_build WHERE finished_at IS NULL AND number ="
        " (SELECT max(number) FROM lake.mart_build)"
    )
    unfinished = cursor.fetchone()
    if unfinished is None:
        return "another run, which publishes the marts"
    return f"build {unfinished[0]} of the marts, begun {unfinished[1]:%Y-%m-%d %H:%M:%S} UTC"


def made_of(cursor: PostgresCursor, project: str) -> str:
    """What a build would be made of now: fingerprints of what the loads have brought and of what dbt runs. The Delta
    version is left out: maintenance moves it, but no row."""
    cursor.execute(
        "SELECT md5(coalesce(string_agg(ROW(site, table_name, data_version, projection, rows, complete_to,"
        " counters_complete_to, load_id)::text, ' ' ORDER BY site, table_name), '')) FROM lake.load_status"
    )
    return f"{one(cursor)} {project}"


def made_of_the_same(cursor: PostgresCursor, content: str) -> str | None:
    """The newest build, where it is finished, made of this, and its tables are still there."""
    cursor.execute(
        "SELECT build_id FROM lake.mart_build WHERE number = (SELECT max(number) FROM lake.mart_build)"
        " AND finished_at IS NOT NULL AND made_of = %s"
        " AND NOT EXISTS (SELECT 1 FROM unnest(marts) mart WHERE to_regclass(format('%%I.%%I', %s, mart)) IS NULL)",
        (content, BUILD_SCHEMA),
    )
    found = cursor.fetchone()
    return found[0] if found else None
