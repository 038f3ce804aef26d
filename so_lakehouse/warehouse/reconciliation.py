"""Takes a site's reconciliations from the lake into `lake.reconciliation` and `lake.reconciliation_column`.

Belongs here: the one transaction. Not here: what is compared (`spark/reconcile.py`), the tables' columns
(`lake/reconciliation.py`; `migrations.py` makes them).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from psycopg2.extensions import cursor as PostgresCursor
from psycopg2.extras import execute_values

from so_lakehouse import failpoints
from so_lakehouse.lake import reconciliation
from so_lakehouse.lake.reconciliation import ALL, TABLES, Reconciliation, Results
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import ddl, server

# One load of a site at a time; a second one then finds nothing to do.
LOCK = "SELECT pg_advisory_xact_lock(hashtext('so_lakehouse.reconciliation'), hashtext(%s))"


@dataclass(frozen=True)
class LoadedReconciliations:
    """What the warehouse holds of one site now, and which quarters (ISO) this load changed."""

    data_version: str
    rows: dict[str, int]  # by table of schema lake
    changed: tuple[str, ...]


def load_reconciliations(lake: Lake, settings: Settings, site: str) -> LoadedReconciliations:
    """Makes both tables hold what the lake does of a site, quarter by quarter; quarters that are the same stay.

    Raises `Unavailable` where Postgres does not answer, `BadInput` where a newer release made its tables.
    """
    wanted = {found.quarter: found for found in reconciliation.of_site(lake, site)}
    with closing(server.connect(settings)) as connection:
        ddl.prepare(connection)
        with connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtext('so_lakehouse.reconciliation'), hashtext(%s))", [site]
            )
            held = _held(cursor, site)
            versions = {quarter: found.data_version for quarter, found in wanted.items()}
            gone = [quarter for quarter, version in held.items() if versions.get(quarter) != version]
            new = [found for quarter, found in wanted.items() if held.get(quarter) != found.data_version]
            for results in ALL:
                _replace(cursor, lake, results, site, gone, new)
            failpoints.reach("reconciliation.before_commit")
            rows = {results.warehouse_name: _count(cursor, results, site) for results in ALL}
    told = reconciliation.version_of(0, versions)
    return LoadedReconciliations(told, rows, tuple(sorted({*gone, *(found.quarter for found in new)})))


def _held(cursor: PostgresCursor, site: str) -> dict[str, str]:
    """The version of each quarter that is here."""
    cursor.execute(
        f"SELECT DISTINCT quarter::text, data_version FROM lake.{TABLES.warehouse_name} WHERE site = %s", [site]
    )
    return dict(cursor.fetchall())


def _replace(
    cursor: PostgresCursor,
    lake: Lake,
    results: Results,
    site: str,
    gone: Sequence[str],
    new: Iterable[Reconciliation],
) -> None:
    table = f"lake.{results.warehouse_name}"
    cursor.execute(f"DELETE FROM {table} WHERE site = %s AND quarter = ANY(%s::date[])", [site, list(gone)])
    names = [field.name for field in results.fields]
    for found in new:
        rows = found.rows(lake, results).select(names).to_pylist()
        execute_values(
            cursor, f"INSERT INTO {table} ({', '.join(names)}) VALUES %s", [tuple(row.values()) for row in rows]
        )


def _count(cursor: PostgresCursor, results: Results, site: str) -> int:
    cursor.execute(f"SELECT count(*) FROM lake.{results.warehouse_name} WHERE site = %s", [site])
    ((rows,),) = cursor.fetchall()
    return rows
