"""What a check of silver looks at: the numbers of one table of one site, its ledger, and its last gate.

Belongs here: the facts. Not here: how the numbers are measured (`spark/measure.py`), what is said of them
(`silver_rules.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from so_lakehouse.lake.gates import TableGate
from so_lakehouse.lake.ledger import LedgerRow
from so_lakehouse.schema import Table, Type

LAST_PASSED = "last passed"  # in the metadata of a check that failed: what it noted when it passed last
HIGHEST_IDS = 20  # a handful of made-up ids stands above the real ones, not one


@dataclass(frozen=True)
class Measured:
    """Numbers of one table of one site at one Delta version."""

    rows: int
    null_keys: int = 0
    distinct_keys: int = 0
    not_allowed: Mapping[str, int] = field(default_factory=dict)  # column → rows with a code that the schema lacks
    oldest: Mapping[str, datetime] = field(default_factory=dict)  # date column → its smallest value
    newest: Mapping[str, datetime] = field(default_factory=dict)
    references: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # column → (set, of which dangling)
    fabricated: int = 0
    highest_ids: tuple[int, ...] = ()  # at most HIGHEST_IDS, the highest first


@dataclass(frozen=True)
class Case:
    """All that a check may look at."""

    table: Table
    site: str
    measured: Measured
    ledger: tuple[LedgerRow, ...]
    last_gate: TableGate | None

    @property
    def where(self) -> str:
        return f"{self.table.name} of {self.site}"

    def baseline(self, check: str) -> dict[str, object]:
        """What this check noted when it passed last; empty where it never did."""
        checks = self.last_gate.checks if self.last_gate else ()
        last = next((outcome for outcome in checks if outcome.name == check), None)
        if last is None:
            return {}
        return dict(last.metadata if last.passed else last.metadata.get(LAST_PASSED, {}))

    @property
    def evidence_until(self) -> datetime | None:
        """The newest moment that any applied evidence speaks of."""
        cuts = [row.cut_at for row in self.ledger if row.cut_at is not None]
        # Pages that an earlier release applied: it did not note when they were fetched.
        pages = [row for row in self.ledger if row.source.startswith("api/") and row.cut_at is None]
        days = [_end_of_day(row.partition) for row in pages]
        return max([*cuts, *days], default=None)


def date_columns(of: Table) -> list[str]:
    return [column.name for column in of.columns if column.type is Type.TIMESTAMP]


def _end_of_day(partition: str) -> datetime:
    return datetime.fromisoformat(partition).replace(tzinfo=UTC) + timedelta(days=1)
