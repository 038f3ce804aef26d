"""How far a table of a site is whole: the dump's cut, and the days of the API that follow it without a gap.

Belongs here: the decision, from the ledger and the manifests of pages alone. Not here: where it is published
(`gates.py`), which columns are counters (`schema.py`). Source of the rule: docs/converge.md, `complete_to`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta

from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.ledger import LedgerRow
from so_lakehouse.schema import Table
from so_lakehouse.schema_api import entities_of

A_DAY = timedelta(days=1)

# What bronze holds of (entity, ISO day); None where it holds nothing.
Pages = Callable[[str, str], PagesManifest | None]


def rows_complete_to(table: Table, cut: datetime | None, ledger: Iterable[LedgerRow], pages: Pages) -> datetime | None:
    """The moment up to which the table's rows are whole; None without a dump.

    `cut`: of the newest applied dump. `ledger`: the rows of this table. `pages` is asked day after day, until one does
    not count in any of the table's entities: missing, not whole, blocked by a check, or not taken in.
    """
    entities = entities_of(table)
    if cut is None or not entities:
        return cut
    taken_in = {(row.source, row.partition, row.data_version) for row in ledger}
    complete, asked_until, day = cut, date.min, cut.date() + A_DAY
    while True:
        found = [pages(entity.name, day.isoformat()) for entity in entities]
        counted = [manifest for manifest in found if manifest is not None and _counts(manifest, taken_in)]
        if len(counted) < len(entities):
            return complete
        # A row that was active again before its day was asked for had left that day. The days to the one before the
        # asking bring it, so nothing is whole before they are here.
        asked_until = max(asked_until, *(manifest.whole_by.date() - A_DAY for manifest in counted))
        if asked_until <= day:
            complete = datetime.combine(day, time.max, UTC)
        day += A_DAY


def _counts(manifest: PagesManifest, taken_in: set[tuple[str, str, str]]) -> bool:
    source = f"api/{manifest.entity}"
    return manifest.is_whole and manifest.passed and (source, manifest.day, manifest.data_version) in taken_in
