"""What a converge made of one table of one site, as its callers are told. Nothing here reads or writes rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from so_lakehouse.lake import ledger
from so_lakehouse.lake.ledger import Ledger, LedgerRow
from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.waiting import Ignored
from so_lakehouse.spark.gate import current_rows, data_version


@dataclass(frozen=True)
class Converged:
    """What a converge made of one table of one site."""

    table: str
    site: str
    rows: int  # current rows of the site
    applied: tuple[LedgerRow, ...]  # what this run applied; empty: nothing was new
    ignored: tuple[Ignored, ...]  # what it did not, and why
    version: int | None  # of the Delta table, after this run; None: there is no table yet
    data_version: str  # changes exactly when rows of the site do
    checks: tuple[CheckOutcome, ...] = ()
    is_here: bool = True  # whether silver has taken in evidence of the table itself; one without rows can be
    catalog: str = ""  # why the metastore may not know silver's tables, and what to do

    @property
    def quarantined(self) -> int:
        return sum(row.rows_quarantined for row in self.applied)


def converged(
    lake: Lake,
    table: str,
    before: Ledger,
    after: Ledger,
    ignored: Iterable[Ignored],
    checks: tuple[CheckOutcome, ...],
) -> Converged:
    """The table as it lies in the lake, and what of its ledger is new since `before`."""
    known = {(row.input, row.applied_at) for row in before.of(table)}
    delta = ledger.open_delta(lake, table)
    return Converged(
        table=table,
        site=after.site,
        rows=current_rows(after, table),
        applied=tuple(row for row in after.of(table) if (row.input, row.applied_at) not in known),
        ignored=tuple(ignored),
        version=None if delta is None else delta.version(),
        data_version=data_version(after, table),
        checks=checks,
        is_here=any(row.source != ledger.POSTS for row in after.of(table)),
    )
