"""What every layer holds of every site, read from where the data is: manifests, gates, the warehouse's own record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from so_lakehouse.api.fetch import is_whole
from so_lakehouse.clock import saved_moment
from so_lakehouse.lake import gates, ledger, paths
from so_lakehouse.lake.api_pages import pages_of
from so_lakehouse.lake.api_raw import days_of_sites, fetches_of
from so_lakehouse.lake.manifests import BronzeManifest, CheckOutcome, RawManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.settings import Settings
from so_lakehouse.sql import literal, quoted
from so_lakehouse.warehouse.builds import PLACE_IS_HELD
from so_lakehouse.warehouse.dbt_files import failed_nodes
from so_lakehouse.warehouse.query import query_warehouse

LAYERS = ("raw", "raw api", "bronze", "bronze api", "silver", "warehouse", "marts")


@dataclass(frozen=True)
class LayerStatus:
    """One site in one layer. `newest` is the partition, release or build it stands at, `written_at` when that was
    written. `failed_checks` stop the site at this layer; `warnings` counts the checks that failed and do not."""

    site: str
    layer: str
    newest: str
    rows: int | None
    written_at: datetime | None
    failed_checks: tuple[str, ...] = ()
    warnings: int = 0

    @property
    def age_hours(self) -> float | None:
        return None if self.written_at is None else (datetime.now(UTC) - self.written_at).total_seconds() / 3600


def status(settings: Settings) -> list[LayerStatus]:
    """Every site in every layer that holds it, by site and in the order of the layers.

    Raises `Unavailable` where Postgres does not answer; a lakehouse that never had one is not asked.
    """
    lake = Lake.of(settings)
    landed = _landed(lake)
    fetched = days_of_sites(lake)
    sites = landed.keys() | fetched.keys() | set(gates.sites(lake))
    found = [layer for site in sites for layer in _lake(lake, site, landed.get(site, []))]
    found += [layer for site, days in fetched.items() for layer in _pages(lake, site, days)]
    if settings.postgres or settings.postgres_folder.exists():
        warehouse = _warehouse(settings)
        found += warehouse + _marts(settings, [layer.site for layer in warehouse if layer.rows is not None])
    return sorted(found, key=lambda layer: (layer.site, LAYERS.index(layer.layer)))


def _landed(lake: Lake) -> dict[str, list[str]]:
    """The quarters of every site that raw holds, newest first."""
    landed: dict[str, list[str]] = {}
    for quarter_folder in reversed(lake.list(paths.RAW_DUMP)):
        quarter = quarter_folder.rpartition("quarter=")[2]
        for site_folder in lake.list(quarter_folder):
            landed.setdefault(site_folder.rpartition("site=")[2], []).append(quarter)
    return landed


def _lake(lake: Lake, site: str, quarters: Sequence[str]) -> Iterator[LayerStatus]:
    raw = next((m for q in quarters if (m := RawManifest.load(lake, q, site)) is not None), None)
    if raw is not None:
        aside = tuple(f"{archive.name} is set aside" for archive in raw.archives if not lake.exists(archive.path))
        yield LayerStatus(site, "raw", _named(raw.quarter, raw.release), None, saved_moment(raw.fetched_at), aside)
    bronze = next((found for quarter in quarters if (found := _bronze(lake, site, quarter))), [])
    unread = _unread(raw, bronze)
    if bronze:
        blocked, warnings = _judged({manifest.table: manifest.checks for manifest in bronze})
        yield LayerStatus(
            site,
            "bronze",
            _named(bronze[0].quarter, bronze[0].release),
            sum(manifest.rows for manifest in bronze),
            saved_moment(max(manifest.written_at for manifest in bronze)),
            (*blocked, *unread),
            warnings,
        )
    elif unread:
        yield LayerStatus(site, "bronze", "", None, None, unread)
    known = ledger.load(lake, site, TABLES)
    rows = [row for table in TABLES for row in known.of(table)]
    if rows:
        newest = max(rows, key=_rank)
        failed, warnings = _judged({table: gate.checks for table, gate in gates.load(lake, site).items()})
        yield LayerStatus(
            site,
            "silver",
            newest.partition,
            ledger.rows_held(rows),
            max(row.applied_at for row in rows),
            (*failed, *filter(None, [gates.refusal(lake, site).partition(":")[0]])),
            warnings,
        )


def _pages(lake: Lake, site: str, days: Sequence[str]) -> Iterator[LayerStatus]:
    """`days`: those of which raw holds something, oldest first. A day that is not whole is a warning."""
    fetches = {(entity, day): fetches_of(lake, entity, day, site) for entity in ENTITIES for day in days}
    newest = max((fetch.newest_as_of for found in fetches.values() for fetch in found), default="")
    parts = sum(not is_whole(found, entity, day) for (entity, day), found in fetches.items())
    yield LayerStatus(site, "raw api", days[-1], None, saved_moment(newest), (), parts)
    read = [manifest for entity in ENTITIES for manifest in pages_of(lake, entity, site)]
    if read:
        blocked, warnings = _judged({f"{manifest.entity} {manifest.day}": manifest.checks for manifest in read})
        rows, written = sum(manifest.rows for manifest in read), max(manifest.written_at for manifest in read)
        yield LayerStatus(
            site, "bronze api", max(manifest.day for manifest in read), rows, saved_moment(written), blocked, warnings
        )


def _rank(row: ledger.LedgerRow) -> tuple[bool, datetime, datetime]:
    """Orders a site's inputs: dumps by their cuts, after whatever else was applied."""
    is_dump = row.source == ledger.DUMP
    return is_dump, row.cut_at if is_dump and row.cut_at else row.applied_at, row.applied_at


def _bronze(lake: Lake, site: str, quarter: str) -> list[BronzeManifest]:
    loaded = (BronzeManifest.load(lake, table, quarter, site) for table in TABLES)
    return [manifest for manifest in loaded if manifest is not None]


def _unread(raw: RawManifest | None, bronze: Sequence[BronzeManifest]) -> tuple[str, ...]:
    """What bronze lacks of the dump that raw's newest quarter stands for: nobody has read it yet, or it could not be
    read."""
    read = {manifest.table for manifest in bronze if raw and manifest.raw_version == raw.data_version}
    lacking = [table for table in TABLES if table not in read]
    if raw is None or not lacking:
        return ()
    which = f": {', '.join(lacking)}" if read else ""
    return (f"{_named(raw.quarter, raw.release)} has not been read{which}",)


def _judged(checks: Mapping[str, Iterable[CheckOutcome]]) -> tuple[tuple[str, ...], int]:
    """Blocking checks that failed, as `table: check`, and how many of the others did."""
    failed = [(table, check) for table, found in checks.items() for check in found if not check.passed]
    blocking = tuple(f"{table}: {check.name}" for table, check in failed if check.blocking)
    return blocking, len(failed) - len(blocking)


def _warehouse(settings: Settings) -> list[LayerStatus]:
    loads = _rows(
        settings,
        "lake.load_status",
        "select site, max(complete_to) filter (where table_name = 'posts') as complete_to,"
        " max(counters_complete_to) filter (where table_name = 'posts') as counters_complete_to,"
        " sum(rows)::bigint as rows, max(loaded_at) as loaded_at from lake.load_status group by site",
    )
    refused: dict[str, list[str]] = {}
    for row in _rows(settings, "lake.refused", "select site, table_name, check_name from lake.refused order by 1, 2"):
        refused.setdefault(row["site"], []).append(f"{row['table_name']}: {row['check_name']}")
    known = {row["site"]: row for row in loads}
    return [
        LayerStatus(
            site,
            "warehouse",
            _reach(row["complete_to"], row["counters_complete_to"]),
            row["rows"],
            row["loaded_at"],
            tuple(refused.get(site, ())),
        )
        for site in known.keys() | refused.keys()
        for row in [known.get(site, _NOT_LOADED)]
    ]


_NOT_LOADED: dict[str, Any] = dict.fromkeys(("complete_to", "counters_complete_to", "rows", "loaded_at"))


def _reach(complete_to: datetime | None, counters_complete_to: datetime | None) -> str:
    """How far a site's posts are whole, for people: two days where days of the API follow the dump."""
    if complete_to is None:
        return ""
    rows = f"complete to {complete_to:%Y-%m-%d}"
    if counters_complete_to is None or counters_complete_to == complete_to:
        return rows
    return f"{rows}, counters to {counters_complete_to:%Y-%m-%d}"


def _marts(settings: Settings, sites: Iterable[str]) -> list[LayerStatus]:
    """`sites`: those that the warehouse holds, which marts are due for."""
    builds = "select build_id, published_at from marts.build order by published_at desc limit 1"
    published = _rows(settings, "marts.build", builds)
    unfinished = _rows(
        settings,
        "lake.mart_build",
        f"select build_id, begun_at, {PLACE_IS_HELD} as is_running from lake.mart_build where finished_at is null"
        " and number = (select max(number) from lake.mart_build)",
    )
    rows: Counter[str] = Counter()
    for mart in _rows(settings, "marts.build", _MARTS_BY_SITE):
        counts = f"select site, count(*) as rows from marts.{quoted(mart['name'])} group by site"
        rows.update({row["site"]: row["rows"] for row in query_warehouse(settings, counts).to_pylist()})
    if not published and not unfinished:
        return []
    build = f"build {published[0]['build_id'][:8]}" if published else ""
    moment = published[0]["published_at"] if published else None
    going_on = [f"one begun {row['begun_at']:%Y-%m-%d %H:%M} UTC is running" for row in unfinished if row["is_running"]]
    failed = tuple(_what_failed(settings, row) for row in unfinished if not row["is_running"])
    newest = ", ".join(filter(None, [build, *going_on]))
    return [LayerStatus(site, "marts", newest, rows.get(site), moment, failed) for site in rows.keys() | set(sites)]


def _what_failed(settings: Settings, build: Mapping[str, Any]) -> str:
    """What failed in a build that nobody works at any more, for people."""
    names = failed_nodes(settings.dbt_folder / build["build_id"])
    told = f"the build begun {build['begun_at']:%Y-%m-%d %H:%M} UTC "
    if names:
        return f"{told}failed: {', '.join(names)}"
    return f"{told}has not finished: it was killed, or failed on another machine"


_MARTS_BY_SITE = """
select named.mart as name
from (select unnest(marts) as mart from (select marts from marts.build order by published_at desc limit 1) newest) named
join information_schema.columns c on c.table_schema = 'marts' and c.table_name = named.mart and c.column_name = 'site'
"""


def _rows(settings: Settings, table: str, query: str) -> list[dict[str, Any]]:
    """The query's rows; none where the database has no such table yet."""
    exists = query_warehouse(settings, f"select to_regclass({literal(table)}) is not null as found").to_pylist()
    return query_warehouse(settings, query).to_pylist() if exists[0]["found"] else []


def _named(quarter: str, release: str) -> str:
    return f"{quarter} ({release})"
