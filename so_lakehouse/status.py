"""What every layer holds of every site, read from where the data is: manifests, gates, the warehouse's own record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from so_lakehouse.lake.manifests import BronzeManifest, RawManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES


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


def lake_status(lake: Lake) -> list[LayerStatus]:
    """Raw and bronze of every site that has landed, and silver where its gate was written."""
    found = []
    for site, quarters in sorted(_landed(lake).items()):
        newest = max(quarters)
        raw = RawManifest.load(lake, newest, site)
        if raw is None:
            continue
        found.append(LayerStatus(site, "raw", f"{newest} ({raw.release})", None, _moment(raw.fetched_at)))
        found.extend(_bronze(lake, site, quarters))
    return found


def _landed(lake: Lake) -> dict[str, list[str]]:
    """The quarters of every site that raw holds."""
    landed: dict[str, list[str]] = {}
    for quarter_folder in lake.list("raw/dump"):
        quarter = quarter_folder.rpartition("quarter=")[2]
        for site_folder in lake.list(quarter_folder):
            landed.setdefault(site_folder.rpartition("site=")[2], []).append(quarter)
    return landed


def _bronze(lake: Lake, site: str, quarters: Iterable[str]) -> list[LayerStatus]:
    for quarter in sorted(quarters, reverse=True):
        manifests = [m for table in TABLES if (m := BronzeManifest.load(lake, table, quarter, site)) is not None]
        if manifests:
            failed = [f"{m.table}: {c.name}" for m in manifests for c in m.checks if not c.passed and c.blocking]
            newest = f"{quarter} ({manifests[0].release})"
            written = max((m.written_at for m in manifests), default="")
            rows = sum(manifest.rows for manifest in manifests)
            return [LayerStatus(site, "bronze", newest, rows, _moment(written), tuple(failed))]
    return []


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
