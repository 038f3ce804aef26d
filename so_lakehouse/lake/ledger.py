"""The ledger of silver: which input was applied to which table, and what became of its rows.

The truth is in the commits: each commit of a silver table carries its ledger rows as user metadata, so that they
appear with the data or not at all. `silver/ledger` repeats them for readers and keeps them when a table's history
expires; after a crash between the two, the next run finds the rows in the history. Read here without a JVM;
written by `plain.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, Self

import pyarrow as pa
from deltalake import DeltaTable

from so_lakehouse.lake import delta, paths, silver_tables
from so_lakehouse.lake.storage import Lake

DUMP = "dump"
KEPT = "kept"  # source of rows that older dumps tell where the newest is silent
POSTS = "posts"  # source of rows that go along with a deleted post
FOUND = "found"  # source of rows that were lost or doubled behind the ledger's back, when a rebuild found them


@dataclass(frozen=True)
class LedgerRow:
    """One applied input; meanings are in `silver_tables.LEDGER`."""

    site: str
    table_name: str
    source: str
    partition: str
    data_version: str
    rule_version: str
    applied_at: datetime
    rows_in: int = 0
    rows_inserted: int = 0
    rows_updated: int = 0
    rows_unchanged: int = 0
    rows_superseded: int = 0
    rows_suppressed: int = 0
    rows_quarantined: int = 0
    rows_deduplicated: int = 0
    rows_deleted: int = 0
    cut_at: datetime | None = None
    revision: int | None = None
    rests_on: str | None = None
    delta_version: int | None = None

    @property
    def rows_accounted(self) -> int:
        """The sum that must equal `rows_in`."""
        return (
            self.rows_inserted
            + self.rows_updated
            + self.rows_unchanged
            + self.rows_superseded
            + self.rows_suppressed
            + self.rows_quarantined
            + self.rows_deduplicated
        )

    @property
    def input(self) -> tuple[str, str, str, str]:
        """What makes an input the same input."""
        return (self.source, self.partition, self.data_version, self.rule_version)

    def to_json(self) -> dict[str, Any]:
        """For commit metadata: ISO times, no delta_version (a commit does not know its own)."""
        content = {name: value for name, value in asdict(self).items() if value is not None and name != "delta_version"}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in content.items()}

    @classmethod
    def from_json(cls, content: dict[str, Any], delta_version: int) -> Self:
        times = {name: datetime.fromisoformat(content[name]) for name in ("applied_at", "cut_at") if name in content}
        return cls.of_any_release(content | times | {"delta_version": delta_version})

    @classmethod
    def of_any_release(cls, content: dict[str, Any]) -> Self:
        """The row as this release knows it: what it does not know is left out, what is missing has its default."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in content.items() if name in known and value is not None})


ARROW = pa.schema(
    [
        ("site", pa.string()),
        ("table_name", pa.string()),
        ("source", pa.string()),
        ("partition", pa.string()),
        ("data_version", pa.string()),
        ("rule_version", pa.string()),
        ("applied_at", pa.timestamp("us", tz="UTC")),
        *((field.name, pa.int64()) for field in fields(LedgerRow) if field.name.startswith("rows_")),
        ("cut_at", pa.timestamp("us", tz="UTC")),
        ("revision", pa.int32()),
        ("rests_on", pa.string()),
        ("delta_version", pa.int64()),
    ]
)


def to_arrow(rows: Iterable[LedgerRow]) -> pa.Table:
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=ARROW)


def newest_dump(rows: Iterable[LedgerRow]) -> LedgerRow | None:
    """The dump that stands applied, by one table's rows: the last in the order of (cut, revision, application)."""
    dumps = [row for row in rows if row.source == DUMP]
    return max(dumps, key=lambda row: (row.cut_at, row.revision, row.applied_at), default=None)


def rows_held(rows: Iterable[LedgerRow]) -> int:
    """What is left of all that these inputs brought: current rows of silver."""
    return sum(row.rows_inserted - row.rows_deleted for row in rows)


def commit_metadata(rows: Sequence[LedgerRow]) -> str:
    """What a commit carries."""
    return json.dumps({"ledger": [row.to_json() for row in rows]}, separators=(",", ":"))


@dataclass(frozen=True)
class Ledger:
    """All that was applied to one site. `unrecorded`: rows in commits of any site that the table does not hold yet."""

    site: str
    recorded: tuple[LedgerRow, ...]
    unrecorded: tuple[LedgerRow, ...]

    def of(self, table: str) -> list[LedgerRow]:
        """Rows of one table of the site, in the order in which they were applied."""
        rows = [row for row in (*self.recorded, *self.unrecorded) if (row.site, row.table_name) == (self.site, table)]
        return sorted(rows, key=lambda row: row.applied_at)

    def by_other_rules(self, tables: Iterable[str]) -> Self:
        """The ledger as if other rules than any of ours had made these tables: all of bronze is news to them then."""
        named = set(tables)

        def forget(row: LedgerRow) -> LedgerRow:
            return replace(row, rule_version="") if row.table_name in named else row

        return replace(self, recorded=tuple(map(forget, self.recorded)), unrecorded=tuple(map(forget, self.unrecorded)))

    def newest_dump(self, table: str) -> LedgerRow | None:
        """As the function of that name."""
        return newest_dump(self.of(table))

    def last_change(self, table: str) -> int | None:
        """Delta version of the last commit that changed rows of this site; None where there was none."""
        return max((row.delta_version for row in self.of(table) if row.delta_version is not None), default=None)


def load(lake: Lake, site: str, tables: Iterable[str]) -> Ledger:
    """The ledger of one site; commits of `tables` that it does not hold yet are read from their histories.

    Whoever records a commit records all earlier ones of that table, of any site: so only what follows the newest
    recorded version is read.
    """
    delta = open_delta(lake, silver_tables.LEDGER.name)
    known: dict[str, int] = {}
    if delta is not None:
        versions = delta.to_pyarrow_table(columns=["table_name", "delta_version"])
        newest = versions.group_by("table_name").aggregate([("delta_version", "max")]).to_pylist()
        known = {row["table_name"]: row["delta_version_max"] for row in newest if row["delta_version_max"] is not None}
    unrecorded = [row for table in tables for row in committed_rows(lake, table, known.get(table, -1))]
    return Ledger(site, tuple(_rows(delta, site)), tuple(unrecorded))


def recorded(lake: Lake) -> list[LedgerRow]:
    """What the table holds of all sites; a commit whose run was killed is in it after the next converge."""
    return _rows(open_delta(lake, silver_tables.LEDGER.name))


def _rows(delta: DeltaTable | None, site: str = "") -> list[LedgerRow]:
    """The table's rows, of one site or of all."""
    if delta is None:
        return []
    rows = delta.to_pyarrow_table(filters=[("site", "=", site)] if site else None).to_pylist()
    return [LedgerRow.of_any_release(row) for row in rows]


def committed_rows(lake: Lake, table: str, after_version: int) -> list[LedgerRow]:
    """The ledger rows that commits of a table after this version carry, oldest first."""
    table_now = open_delta(lake, table)
    if table_now is None:
        return []
    return [
        LedgerRow.from_json(entry, commit["version"])
        for commit in commits(lake, table, table_now, after_version)
        for entry in told(commit.get("userMetadata")) or ()
    ]


def commits(lake: Lake, table: str, table_now: DeltaTable, after_version: int) -> list[dict[str, Any]]:
    """What Delta's log tells of a table's commits after this version, oldest first."""
    return delta.commits(lake, paths.silver(table), range(after_version + 1, table_now.version() + 1))


def told(metadata: str | None) -> list[dict[str, Any]] | None:
    """The entries of `commit_metadata`; None where it is somebody else's commit."""
    try:
        content = json.loads(metadata or "{}")
    except json.JSONDecodeError:
        return None
    return content.get("ledger") if isinstance(content, dict) else None


def open_delta(lake: Lake, table: str) -> DeltaTable | None:
    """A silver table for reading without a JVM; None where it does not exist yet."""
    path = paths.silver(table)
    return delta.open_table(lake, path) if delta.is_table(lake, path) else None
