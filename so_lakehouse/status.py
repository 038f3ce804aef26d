"""What every layer holds of every site, read from where the data is: manifests, gates, the warehouse's own record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from so_lakehouse.lake import ledger, paths
from so_lakehouse.lake.manifests import BronzeManifest, RawManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse.query import query_warehouse

LAYERS = ("raw", "bronze", "silver", "warehouse")


@dataclass(frozen=True)
class LayerStatus:
    """One site in one layer. `newest` is the partition or release it stands at, `written_at` when that was written."""

    site: str
    layer: str
    newest: str
    rows: int | None
    written_at: datetime | None
    failed_checks: tuple[str, ...] = ()

    @property
    def age_hours(self) -> float | None:
        return None if self.written_at is None else (datetime.now(UTC) - self.written_at).total_seconds() / 3600


def status(settings: Settings) -> list[LayerStatus]:
    """Every site in every layer that holds it, by site and in the order of the layers.

    Raises `Unavailable` where Postgres does not answer; a lakehouse that never had one is not asked.
    """
    lake = Lake(settings.lake_uri)
    found = [layer for site, quarters in _landed(lake).items() for layer in _lake(lake, site, quarters)]
    if settings.postgres or settings.postgres_folder.exists():
        found += _warehouse(settings)
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
        yield LayerStatus(site, "raw", _named(raw.quarter, raw.release), None, _moment(raw.fetched_at))
    bronze = next((found for quarter in quarters if (found := _bronze(lake, site, quarter))), [])
    if bronze:
        yield LayerStatus(
            site,
            "bronze",
            _named(bronze[0].quarter, bronze[0].release),
            sum(manifest.rows for manifest in bronze),
            _moment(max(manifest.written_at for manifest in bronze)),
            tuple(f"{m.table}: {c.name}" for m in bronze for c in m.checks if c.blocking and not c.passed),
        )
    known = ledger.load(lake, site, TABLES)
    rows = [row for table in TABLES for row in known.of(table)]
    if rows:
        newest = max(rows, key=lambda row: (row.cut_at is not None, row.cut_at, row.applied_at))
        yield LayerStatus(
            site,
            "silver",
            newest.partition,
            sum(row.rows_inserted - row.rows_deleted for row in rows),
            max(row.applied_at for row in rows),
            tuple(_refused(lake, site)),
        )


def _bronze(lake: Lake, site: str, quarter: str) -> list[BronzeManifest]:
    loaded = (BronzeManifest.load(lake, table, quarter, site) for table in TABLES)
    return [manifest for manifest in loaded if manifest is not None]


def _refused(lake: Lake, site: str) -> Iterator[str]:
    try:
        gate = lake.read_json(paths.silver_gate(site))
    except FileNotFoundError:
        return
    for table, entry in gate["tables"].items():
        for check in entry["checks"]:
            if check["blocking"] and not check["passed"]:
                yield f"{table}: {check['name']}"


def _warehouse(settings: Settings) -> list[LayerStatus]:
    query = (
        "select site, max(complete_to) as complete_to, sum(rows)::bigint as rows, max(loaded_at) as loaded_at "
        "from lake.load_status group by site"
    )
    if not query_warehouse(settings, "select to_regclass('lake.load_status')::text as found").to_pylist()[0]["found"]:
        return []
    return [
        LayerStatus(
            row["site"],
            "warehouse",
            f"complete to {row['complete_to']:%Y-%m-%d}" if row["complete_to"] else "",
            row["rows"],
            row["loaded_at"],
        )
        for row in query_warehouse(settings, query).to_pylist()
    ]


def _named(quarter: str, release: str) -> str:
    return f"{quarter} ({release})"


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
