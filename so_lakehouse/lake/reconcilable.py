"""What can be reconciled of a site, and what of it is due: decided from manifests alone.

Belongs here: which dumps and pages belong together, and whether they have been compared. Not here: any row
(`spark/reconcile.py`), the form of results (`reconciliation.py`).

A dump is reconciled with what was known before it came: the dump before it, and the pages fetched since, up to a day
after its cut, because pages of a day are fetched after the day. Where no page was fetched between the two cuts there is
nothing to reconcile, which is not the same as full marks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from so_lakehouse.lake.api_pages import PagesManifest, pages_of
from so_lakehouse.lake.api_raw import fetches_of
from so_lakehouse.lake.manifests import BronzeManifest
from so_lakehouse.lake.reconciliation import Reconciliation, version_of
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.waiting import eligible_dumps
from so_lakehouse.schema import TABLES, Table
from so_lakehouse.schema_api import entities_of

# Raise it when the comparison changes its outcome: what bronze still holds the inputs of is then compared again.
RULES = 1

# Pages of the last day before the cut are fetched after it.
GRACE = timedelta(days=1)

RECONCILED: tuple[Table, ...] = tuple(table for table in TABLES.values() if entities_of(table))


@dataclass(frozen=True)
class Pair:
    """One table of a dump, and what was known before it came. `older`: dumps before it, oldest first, never empty;
    `pages`: those fetched after the last of these that passed their checks, whatever their day."""

    table: Table
    older: tuple[BronzeManifest, ...]
    next: BronzeManifest
    pages: tuple[PagesManifest, ...]

    @property
    def previous(self) -> BronzeManifest:
        return self.older[-1]

    @property
    def until(self) -> datetime:
        """Pages fetched later are not part of the prediction."""
        return self.next.cut_at + GRACE

    @property
    def days(self) -> tuple[str, ...]:
        """The days (ISO) from the previous cut to the next."""
        first, last = (date.fromisoformat(dump.cut_date) for dump in (self.previous, self.next))
        return tuple((first + timedelta(days=number)).isoformat() for number in range(1, (last - first).days + 1))

    @property
    def missing_days(self) -> tuple[str, ...]:
        """Of these, days that some entity had not been asked for whole by `until`."""
        whole = {(pages.entity, pages.day) for pages in self.pages if pages.is_whole and pages.whole_by <= self.until}
        entities = entities_of(self.table)
        return tuple(day for day in self.days if any((entity.name, day) not in whole for entity in entities))

    @property
    def has_pages_between(self) -> bool:
        """Whether some page was, or may have been, fetched before the next cut."""
        return any(pages.day < self.next.cut_date for pages in self.pages)

    @property
    def inputs(self) -> dict[str, Any]:
        """The versions of what is compared."""
        return {
            "next": self.next.data_version,
            "previous": self.previous.data_version,
            "pages": {f"{pages.entity}/{pages.day}": pages.data_version for pages in self.pages},
        }


@dataclass(frozen=True)
class Reconcilable:
    """All tables of one dump of a site that can be compared."""

    site: str
    quarter: str
    pairs: tuple[Pair, ...]

    @property
    def inputs(self) -> dict[str, Any]:
        return {pair.table.name: pair.inputs for pair in self.pairs}

    @property
    def data_version(self) -> str:
        return version_of(RULES, self.inputs)


def is_due(lake: Lake, site: str) -> bool:
    """Whether a dump of the site is here that has not been compared with what was predicted for it."""
    return next(_due(lake, site), None) is not None


def due(lake: Lake, site: str) -> list[Reconcilable]:
    """What is to be compared now, oldest quarter first.

    Not what has been compared, and not what bronze no longer holds all pages of: maintenance takes them once silver has
    the next dump, and less evidence would make a worse prediction of the same data.
    """
    return list(_due(lake, site))


def reconcilable(lake: Lake, site: str) -> list[Reconcilable]:
    """Every dump of the site with another before it and pages in between, oldest quarter first."""
    by_quarter: defaultdict[str, list[Pair]] = defaultdict(list)
    for table in RECONCILED:
        for pair in _pairs(lake, site, table):
            by_quarter[pair.next.quarter].append(pair)
    return [
        Reconcilable(site, quarter, tuple(pairs))
        for quarter, pairs in sorted(by_quarter.items())
        if any(pair.has_pages_between for pair in pairs)
    ]


def _pairs(lake: Lake, site: str, table: Table) -> Iterator[Pair]:
    dumps, _ = eligible_dumps(lake, table.name, site)
    if len(dumps) < 2:
        return
    every = [pages for entity in entities_of(table) for pages in pages_of(lake, entity.name, site) if pages.passed]
    for following in dumps:
        older = tuple(dump for dump in dumps if dump.quarter < following.quarter)
        if older and not following.replaced_by:
            since, last = older[-1].cut_at, following.cut_date
            yield Pair(table, older, following, tuple(p for p in every if p.newest > since and p.day <= last))


def _due(lake: Lake, site: str) -> Iterator[Reconcilable]:
    for found in reconcilable(lake, site):
        done = Reconciliation.load(lake, found.quarter, site)
        if done is not None and (done.data_version == found.data_version or _lacks_any_of(done, found)):
            continue
        if not any(_is_fetched_and_not_here(lake, pair) for pair in found.pairs):
            yield found


def _lacks_any_of(done: Reconciliation, found: Reconcilable) -> bool:
    """Whether bronze no longer holds a page or the previous dump of what was compared."""
    now = found.inputs
    return any(
        table not in now or told["previous"] != now[table]["previous"] or told["pages"].keys() - now[table]["pages"]
        for table, told in done.inputs.items()
    )


def _is_fetched_and_not_here(lake: Lake, pair: Pair) -> bool:
    """Whether raw has pages of a day that bronze has none of: removed since, or not read yet."""
    site, here = pair.next.site, {(pages.entity, pages.day) for pages in pair.pages}
    wanted = [(entity.name, day) for entity in entities_of(pair.table) for day in pair.days]
    return any(
        PagesManifest.load(lake, entity, day, site) is None and fetches_of(lake, entity, day, site)
        for entity, day in wanted
        if (entity, day) not in here
    )
