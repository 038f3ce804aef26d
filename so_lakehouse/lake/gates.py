"""The gate between silver and what follows: what the checks said of each table's version of a site.

Belongs here: the file's form. Not here: the checks (`quality/silver.py`). A reader takes the version that it names,
and only where no blocking check failed; a later version, without a gate of its own, does not exist for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from so_lakehouse.lake import paths
from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.lake.storage import Lake


@dataclass(frozen=True)
class TableGate:
    """What was checked of one table: the Delta version that was read, and what each check said."""

    version: int
    data_version: str
    checks: tuple[CheckOutcome, ...]
    written_at: str = ""  # ISO, UTC

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks if check.blocking)


def load(lake: Lake, site: str) -> dict[str, TableGate]:
    """The gates of a site by table; empty where silver has none of it."""
    try:
        content = lake.read_json(paths.silver_gate(site))
    except FileNotFoundError:
        return {}
    return {table: _gate(entry) for table, entry in content["tables"].items()}


def save(lake: Lake, site: str, gates: Mapping[str, TableGate]) -> None:
    """Puts these tables' gates in the site's file; those of other tables stay. One writer at a time: hold the locks."""
    now = datetime.now(UTC).isoformat()
    merged = load(lake, site) | dict(gates)
    tables = {table: asdict(gate) | {"written_at": gate.written_at or now} for table, gate in merged.items()}
    lake.write_json(paths.silver_gate(site), {"site": site, "tables": tables})


def _gate(entry: dict[str, Any]) -> TableGate:
    return TableGate(**entry | {"checks": tuple(CheckOutcome(**check) for check in entry["checks"])})
