"""What the checks say of a site's tables after a converge, written to its gates.

Belongs here: which tables are measured, and with what. Not here: the numbers (`measure.py`), the judgement
(`quality/`), the file (`lake/gates.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from pyspark.sql import SparkSession

from so_lakehouse import schema
from so_lakehouse.lake import gates, ledger
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.complete import rows_complete_to
from so_lakehouse.lake.gates import TableGate
from so_lakehouse.lake.ledger import Ledger
from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.strangers import strange_commits
from so_lakehouse.quality import deletions
from so_lakehouse.quality.silver import outcomes
from so_lakehouse.quality.silver_case import Case
from so_lakehouse.quality.silver_rules import INPUTS
from so_lakehouse.spark.measure import measured
from so_lakehouse.spark.session import TABLES_AT_ONCE


def checked(
    spark: SparkSession,
    lake: Lake,
    site: str,
    names: Sequence[str],
    after: Ledger,
    judged: Mapping[str, tuple[CheckOutcome, ...]],
    step: Callable[[str], None],
) -> dict[str, TableGate]:
    """The gates of these tables; checks run only where rows or ledger changed since the last gate.

    `judged`: what was said, by table, of a dump before it was taken in; it stands until the next one. `step` is told of
    each table that was checked.
    """
    last = gates.load(lake, site)

    def check(name: str) -> TableGate | None:
        delta = ledger.open_delta(lake, name)
        if delta is None or not after.of(name):
            return None
        version = data_version(after, name)
        before = _judged_last(last.get(name))  # none: an earlier release wrote the gate
        same = before and last[name].data_version == version and _inputs(last[name]) == len(after.of(name))
        if same and not strange_commits(lake, name, delta, site, last[name].version):
            # Other sites, maintenance, a migration. (Of a dump that changed no row the ledger tells, and the same rows
            # may be too old for its cut.)
            return _reaching(lake, site, name, after, replace(last[name], version=delta.version()))
        table = schema.table(name)
        found = measured(spark, lake, table, site, current_rows(after, name))
        case = Case(table, site, found, tuple(after.of(name)), last.get(name))
        step(f"{site}: checked {name}")
        before = judged.get(name) or before or deletions.none_yet(case.where)
        return _reaching(lake, site, name, after, TableGate(delta.version(), version, (*before, *outcomes(case))))

    with ThreadPoolExecutor(TABLES_AT_ONCE) as pool:
        found = {name: gate for name, gate in zip(names, pool.map(check, names), strict=True) if gate is not None}
    if any(last.get(name) != gate for name, gate in found.items()):
        gates.save(lake, site, found)
    return found


def _judged_last(gate: TableGate | None) -> tuple[CheckOutcome, ...]:
    """What the last gate says of the dump that was taken in last."""
    names = {declared.name for declared in deletions.DECLARATIONS}
    return tuple(check for check in gate.checks if check.name in names) if gate else ()


def _inputs(gate: TableGate) -> object:
    """How many rows of the ledger its checks have seen; None where an earlier release did not note it."""
    return next((check.metadata.get(INPUTS) for check in gate.checks if check.name == "ledger_conserved"), None)


def current_rows(after: Ledger, table: str) -> int:
    """Current rows of the site, by the ledger."""
    return ledger.rows_held(after.of(table))


def data_version(after: Ledger, table: str) -> str:
    """Version of the site's rows, by the ledger."""
    return gates.data_version(table, after.last_change(table))


def _reaching(lake: Lake, site: str, table: str, after: Ledger, gate: TableGate) -> TableGate:
    """The gate with how far the table is whole, by what silver has taken in."""

    def pages(entity: str, day: str) -> PagesManifest | None:
        return PagesManifest.load(lake, entity, day, site)

    newest = after.newest_dump(table)
    cut = newest.cut_at if newest else None
    complete_to = rows_complete_to(schema.table(table), cut, after.of(table), pages)
    return replace(gate, complete_to=complete_to, cut_at=cut)
