"""Where the warehouse stands: what is loaded of which site, and whether the published marts are made of just that.

Belongs here: what tells whether a load or a build is due, read in one moment. Not here: doing either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg2.extensions import cursor as PostgresCursor

from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import ddl, server
from so_lakehouse.warehouse.builds import made_of, made_of_the_same
from so_lakehouse.warehouse.catalogue import one
from so_lakehouse.warehouse.projection import Projection


@dataclass(frozen=True)
class Standing:
    """`loads`: what each table of each site was loaded from (`expected`). `made_of`: what a build would be made of now.
    `is_published`: whether the published marts are. `changed_at`: the first change since the newest build, where a load
    made one."""

    loads: Mapping[str, Mapping[str, tuple[str, str]]]
    made_of: str
    is_published: bool
    changed_at: datetime | None


def expected(projection: Projection, data_version: str) -> tuple[str, str]:
    """What `Standing.loads` holds of a table once this version of silver is loaded."""
    return data_version, ddl.fingerprint(projection)


def standing(settings: Settings, project: str) -> Standing | None:
    """As of one moment; None where nothing was ever loaded. `project`: the fingerprint of what dbt runs.

    Raises `Unavailable` where Postgres does not answer; a lakehouse that never had one is not asked.
    """
    if not settings.postgres and not settings.postgres_folder.exists():
        return None
    connection = server.connect(settings, server.Part.DBT, read_only=True)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT to_regclass('lake.load_status') IS NOT NULL AND to_regclass('lake.mart_build') IS NOT NULL"
            )
            return _standing(cursor, project) if one(cursor) else None
    finally:
        connection.close()


def _standing(cursor: PostgresCursor, project: str) -> Standing:
    cursor.execute("SELECT site, table_name, data_version, projection FROM lake.load_status")
    loads: dict[str, dict[str, tuple[str, str]]] = {}
    for site, table, data_version, projection in cursor.fetchall():
        loads.setdefault(site, {})[table] = data_version, projection
    now_of = made_of(cursor, project)
    same = made_of_the_same(cursor, now_of)
    cursor.execute("SELECT published_at IS NOT NULL FROM lake.mart_build WHERE build_id = %s", (same,))
    is_published = cursor.fetchone() == (True,)
    cursor.execute(
        "SELECT min(loaded_at) FROM lake.load_status WHERE load_id >"
        " coalesce((SELECT load_id FROM lake.mart_build ORDER BY number DESC LIMIT 1), 0)"
    )
    return Standing(loads, now_of, is_published, one(cursor))
