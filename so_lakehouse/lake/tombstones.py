"""The tombstones of a site, read and written without a JVM. Which there are is decided in `spark/settle.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from so_lakehouse.lake import plain
from so_lakehouse.lake.ledger import open_delta
from so_lakehouse.lake.silver_tables import TOMBSTONES
from so_lakehouse.lake.storage import Lake

ARROW = pa.schema(
    [("id", pa.int64()), ("as_of", pa.timestamp("us", tz="UTC")), ("reason", pa.string()), ("post_id", pa.int64())]
)

NOTHING = ARROW.empty_table()

# Why a key is gone.
ABSENT_FROM_DUMP, NOT_RETURNED, POST_DELETED = "absent from dump", "not returned by API", "post deleted"


@dataclass(frozen=True)
class Tombstone:
    """One key that is gone; meanings are in `silver_tables.TOMBSTONES`."""

    id: int
    as_of: datetime
    reason: str
    post_id: int | None


def load(lake: Lake, site: str) -> dict[str, pa.Table]:
    """The tombstones of a site by table, each in `ARROW`; tables without any are left out."""
    delta = open_delta(lake, TOMBSTONES.name)
    if delta is None:
        return {}
    held = delta.to_pyarrow_table(filters=[("site", "=", site)], columns=["table_name", *ARROW.names])
    return {name: _of(held, name) for name in pc.unique(held["table_name"]).to_pylist()}


def save(lake: Lake, site: str, by_table: Mapping[str, pa.Table]) -> None:
    """Makes these the site's tombstones, in one commit."""
    named = [
        rows.append_column("table_name", pa.array([name] * len(rows), pa.string())) for name, rows in by_table.items()
    ]
    plain.replace_site(lake, TOMBSTONES, site, pa.concat_tables(named))


def swept(rows: pa.Table) -> list[tuple[int, datetime]]:
    """Keys that the API did not return, and when."""
    told = rows.filter(pc.equal(rows["reason"], NOT_RETURNED))
    return list(zip(told["id"].to_pylist(), told["as_of"].to_pylist(), strict=True))


def with_posts(rows: pa.Table) -> list[Tombstone]:
    """Those of rows that a deleted post took along."""
    return [Tombstone(**row) for row in rows.filter(pc.is_valid(rows["post_id"])).to_pylist()]


def table(tombstones: Iterable[Tombstone]) -> pa.Table:
    """In `ARROW`."""
    return pa.Table.from_pylist([vars(tombstone) for tombstone in tombstones], schema=ARROW)


def _of(held: pa.Table, name: str) -> pa.Table:
    return held.filter(pc.equal(held["table_name"], name)).select(ARROW.names).cast(ARROW)
