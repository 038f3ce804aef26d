"""The tombstones of a site as Python sees them: few, read without a JVM. Written by `spark/converge.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from so_lakehouse.lake.ledger import open_delta
from so_lakehouse.lake.silver_tables import TOMBSTONES
from so_lakehouse.lake.storage import Lake


@dataclass(frozen=True)
class Tombstone:
    """One key that is gone; meanings are in `silver_tables.TOMBSTONES`."""

    table_name: str
    id: int
    as_of: datetime
    reason: str
    post_id: int | None


def load(lake: Lake, site: str) -> list[Tombstone]:
    """All tombstones of a site; empty where silver has none."""
    delta = open_delta(lake, TOMBSTONES.name)
    if delta is None:
        return []
    columns = ["table_name", "id", "as_of", "reason", "post_id"]
    return [
        Tombstone(**row) for row in delta.to_pyarrow_table(filters=[("site", "=", site)], columns=columns).to_pylist()
    ]
