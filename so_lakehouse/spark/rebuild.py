"""Rebuilding a table of a site from bronze: when it is due, and whether bronze still holds what its rows rest on.

A rebuild is a converge for which all of bronze is news: the state that dumps and pages support by today's rules is put
together anew and compared with silver; only rows that differ are written, in one commit. It is due by itself where the
ledger's rows were written by another rule version, and is asked for by `so-lakehouse rebuild`, which lets the ledger
look like that (`Ledger.by_other_rules`).

Belongs here: the refusal. Not here: the comparison (`plan.py`) and the columns on disk (`migrate.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from so_lakehouse.errors import BadInput
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.chain import supporting_dumps
from so_lakehouse.lake.ledger import DUMP, LedgerRow
from so_lakehouse.lake.manifests import BronzeManifest
from so_lakehouse.lake.waiting import eligible_dumps
from so_lakehouse.spark import examine
from so_lakehouse.spark.settle import Scope

PAGES = "api/"


def is_due(of: Scope) -> bool:
    """Whether rows of this table were made by other rules than today's."""
    if of.newest_dump is not None:
        return of.newest_dump.rule_version != of.rules
    return bool(of.applied) and all(row.rule_version != of.rules for row in of.applied)


def require_dumps(of: Scope) -> None:
    """Raises `BadInput` where a rebuild is due and bronze lacks dumps that silver's rows rest on."""
    if is_due(of):
        _require(of, [*_lost_dumps(of)])


def require_pages(of: Scope, after: datetime | None) -> None:
    """Raises `BadInput` where bronze lacks pages that silver has taken in and that were fetched after this moment: what
    is put together anew would lose what they told."""
    bounds = [bound for bound in (after, _overtaken_until(of)) if bound is not None]
    _require(of, [*_lost_pages(of, max(bounds, default=None))])


def _overtaken_until(of: Scope) -> datetime | None:
    """Silver does not rest on pages fetched until then, and they may have been removed; None: it is not known."""
    applied = of.newest_dump
    if applied is None or not applied.rests_on:
        return applied.cut_at if applied else None
    oldest = applied.rests_on.split(",")[0]
    return next((row.cut_at for row in of.applied if row.source == DUMP and row.data_version == oldest), None)


def _require(of: Scope, lost: list[str]) -> None:
    if lost:
        raise BadInput(
            f"silver/{of.table.name} of {of.site} is to be put together anew from bronze, but bronze does not hold "
            f"what its rows rest on: {', '.join(lost)}. Nothing was changed. Take these in again (dumps: so-lakehouse "
            f"run --site {of.site} --quarter …; pages: materialise their days again), and the rest follows by itself."
        )


def _lost_dumps(of: Scope) -> Iterator[str]:
    """Quarters that some row of silver may come from and that bronze cannot tell any more."""
    applied = of.newest_dump
    if applied is None:
        return
    eligible, _ = eligible_dumps(of.lake, of.table.name, of.site)
    if not eligible or (eligible[-1].cut_at, eligible[-1].revision) < (applied.cut_at, applied.revision):
        yield f"dump {applied.partition}"
        return
    oldest = supporting_dumps(eligible, lambda manifest: _is_open(of, manifest))[0]
    if _is_open(of, oldest):  # what it does not tell came from dumps before it, if there were any
        older = (row for row in of.applied if row.source == DUMP and _is_before(row, oldest))
        yield from dict.fromkeys(f"dump {row.partition}" for row in older)


def _is_open(of: Scope, manifest: BronzeManifest) -> bool:
    return examine.examined(of.spark, of.lake, of.table, manifest, of.rules).is_open


def _is_before(row: LedgerRow, manifest: BronzeManifest) -> bool:
    """An earlier issue of the same quarter that bronze did not keep cannot be taken in again: landed anew, this one
    still stands for the quarter. What it told stays as silver has it."""
    return row.cut_at is not None and row.cut_at < manifest.cut_at and row.partition != manifest.quarter


def _is_overtaken(pages: LedgerRow, cut: datetime) -> bool:
    if pages.cut_at is None:  # applied by an earlier release, which did not note when they were fetched
        return pages.partition < f"{cut:%Y-%m-%d}"
    return pages.cut_at <= cut


def _lost_pages(of: Scope, after: datetime | None) -> Iterator[str]:
    """Days that are needed and gone, or that do not pass any more; overtaken ones may have been removed."""
    for row in of.applied:
        if not row.source.startswith(PAGES) or (after is not None and _is_overtaken(row, after)):
            continue
        manifest = PagesManifest.load(of.lake, row.source.removeprefix(PAGES), row.partition, of.site)
        if manifest is None or not manifest.passed:
            yield f"{row.source} {row.partition}" + (" (blocked by checks of bronze)" if manifest else "")
