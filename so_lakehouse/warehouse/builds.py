"""Builds of the marts: one at a time, each on record with what it is made of and which marts it gives.

Belongs here: `lake.mart_build`, and the place that only one build or publishing holds at a time. Does not belong here:
what is built (`dbt_project/`) and what readers see of it (`publish.py`).

A build that holds the place rebuilds `marts_build` undisturbed; it is finished when every test was green. Who comes
meanwhile waits, and says for whom. The place is a lock of the database session: it ends with the process.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg2 import InterfaceError, OperationalError
from psycopg2.extensions import connection as PostgresConnection
from psycopg2.extensions import cursor as PostgresCursor

from so_lakehouse import failpoints
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.progress import Progress, silent, wait_until_free
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import ddl, server
from so_lakehouse.warehouse.catalogue import one
from so_lakehouse.warehouse.dbt_files import marts as marts_of

BUILD_SCHEMA = "marts_build"
COMMAND = ("build", "--exclude-resource-type", "unit_test")  # unit tests prove the code, once per change of it
PARSED = "partial_parse.msgpack"  # dbt's name for what it has parsed
PLACE = "hashtext('so_lakehouse.marts')"
# Whether any session builds or publishes marts now: SQL that everybody may ask. Postgres shows the key in two halves.
PLACE_IS_HELD = (
    "exists (select from pg_locks where locktype = 'advisory' and objsubid = 1 and granted"
    " and database = (select oid from pg_database where datname = current_database())"
    f" and (classid::bigint << 32) | objid::bigint = {PLACE})"
)


@dataclass(frozen=True)
class Build:
    """A build that holds the place. `same_as`: the newest build, where it is finished and made of the same; none
    for a build of some models (not `is_whole`), which proves nothing about the others and is never finished."""

    build_id: str
    made_of: str
    same_as: str | None
    connection: PostgresConnection
    is_whole: bool = True

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
    def by_dbt(self, settings: Settings) -> Iterator[tuple[list[str], Path]]:
        """Begins, and gives the arguments for dbt and the folder to compile into; where the block comes through, a
        whole build is finished and its folder goes. What a failed one compiled stays, to be looked at.

        What dbt has parsed is kept for the next build here. That of set-up is of no use to it: dbt parses everything
        anew where host, port, user or database are others.
        """
        self.begin()
        folder, parsed = settings.dbt_folder / self.build_id, settings.dbt_folder / PARSED
        folder.mkdir(parents=True)
        if parsed.exists():
            shutil.copy(parsed, folder)
        with _environment(server.dbt_environment(settings)):
            yield list(COMMAND), folder
        if self.is_whole:
            self.finish(marts_of(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))))
        (folder / PARSED).replace(parsed)
        shutil.rmtree(folder)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Sets variables for the programs started inside, and takes them back: a later run in this process has its own."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def building(
    settings: Settings, build_id: str, project: str, progress: Progress = silent, is_whole: bool = True
) -> Iterator[Build]:
    """Holds the place for the block, after whoever has it; `project` is the fingerprint of what dbt runs, `is_whole`
    whether it builds every model."""
    connection = server.connect(settings, server.Part.DBT)
    try:
        ddl.prepare(connection)
        with connection, connection.cursor() as cursor:
            take_place(cursor, progress)
            content = made_of(cursor, project)
            same_as = made_of_the_same(cursor, content) if is_whole else None
        yield Build(build_id, content, same_as, connection, is_whole)
    finally:
        connection.close()


def take_place(cursor: PostgresCursor, progress: Progress = silent) -> None:
    """Waits until no other session builds or publishes marts; this one holds the place until its connection closes."""

    def hindrance() -> str | None:
        cursor.execute(f"SELECT pg_try_advisory_lock({PLACE})")
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
        "SELECT md5(coalesce((SELECT string_agg(ROW(site, table_name, data_version, projection, rows, complete_to,"
        " counters_complete_to, load_id)::text, ' ' ORDER BY site, table_name) FROM lake.load_status), '')"
        " || coalesce((SELECT string_agg(ROW(site, quarter, table_name, data_version)::text, ' '"
        " ORDER BY site, quarter, table_name) FROM lake.reconciliation), ''))"
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
