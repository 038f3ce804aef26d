"""Which of the evidence in bronze a table of silver must still take in, which it ignores, and why.

Belongs here: the decision, from manifests and ledger alone. Not here: any row (`spark/`).

Source of the rules: docs/converge.md. A dump orders by (cut, revision). The newest one decides; older ones count only
where it is silent: where it holds keys in a form that could not be read ("open"), the dump before it tells those, and
so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from so_lakehouse.lake.api_pages import PagesManifest, pages_of
from so_lakehouse.lake.chain import Dump, applied_dumps, pages_after, supporting_dumps
from so_lakehouse.lake.ledger import DUMP, Ledger, LedgerRow
from so_lakehouse.lake.manifests import BronzeManifest, bronze_manifests, issues_of
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.schema import table as schema_table
from so_lakehouse.schema_api import entities_of


@dataclass(frozen=True)
class Ignored:
    """An input that was not applied, with the reason as a sentence for people.

    `settled`: silver already holds it, or what is newer; nobody need do anything.
    """

    source: str
    partition: str
    rows: int
    reason: str
    settled: bool = False


@dataclass(frozen=True)
class WaitingDump:
    """The newest dump of a table and the older ones it rests on, oldest first (`chain`; the newest is its last)."""

    chain: tuple[BronzeManifest, ...]

    @property
    def newest(self) -> BronzeManifest:
        return self.chain[-1]

    @property
    def rests_on(self) -> str | None:
        return ",".join(manifest.data_version for manifest in self.chain[:-1]) or None


def eligible_dumps(lake: Lake, table: str, site: str) -> tuple[list[BronzeManifest], list[Ignored]]:
    """A table's dumps that passed every gate, in the order of (cut, revision), and those that did not.

    A dump counts only as a whole: where any table of the same (site, quarter, bytes) failed a blocking check or has not
    been read yet, none of its tables is taken in, so that tables of one cut stay together. So do issues that others
    have replaced in bronze; of those that do not count nobody need hear.
    """
    eligible: dict[str, BronzeManifest] = {}  # by version: what a re-issue inherits is the same dump
    ignored = []
    for standing in bronze_manifests(lake, table, site):
        quarter = {name: issues_of(BronzeManifest.load(lake, name, standing.quarter, site)) for name in TABLES}
        for manifest in issues_of(standing):
            reason = _why_not(manifest, {name: _same_bytes(issues, manifest) for name, issues in quarter.items()})
            if not reason:
                eligible[manifest.data_version] = manifest
            elif manifest is standing:
                ignored.append(Ignored(DUMP, manifest.quarter, manifest.rows, reason))
    return list(eligible.values()), ignored


def _why_not(manifest: BronzeManifest, whole: Mapping[str, BronzeManifest | None]) -> str:
    """Why a table of a dump is not taken in; empty where it is. `whole`: all tables of the same bytes (None: bronze has
    none: their reading was killed, or not asked for)."""
    if not manifest.present:
        return f"{manifest.release} has no {manifest.table}: what silver holds of it stays"
    if unread := [table for table, other in whole.items() if other is None]:
        return f"not read as a whole: bronze has another dump of {', '.join(unread)} or none; read all its tables"
    read = [(table, other.checks) for table, other in whole.items() if other is not None]
    failed = [
        f"{table}.{check.name}" for table, checks in read for check in checks if check.blocking and not check.passed
    ]
    return f"blocked by checks of bronze: {', '.join(failed)}" if failed else ""


def _same_bytes(issues: Iterable[BronzeManifest], manifest: BronzeManifest) -> BronzeManifest | None:
    return next((issue for issue in issues if issue.raw_version == manifest.raw_version), None)


def bytes_to_take_in(lake: Lake, site: str, tables: Iterable[str], known: Ledger) -> int:
    """Bytes of bronze, of dumps that silver has never applied."""
    waiting = [
        manifest
        for table in tables
        for manifest in bronze_manifests(lake, table, site)
        if manifest.data_version not in {row.data_version for row in known.of(table)}
    ]
    return sum(lake.size(file) for manifest in waiting for file in manifest.files)


def waiting_dump(
    eligible: list[BronzeManifest],
    applied: LedgerRow | None,
    rule_version: str,
    is_open: Callable[[BronzeManifest], bool],
    again: bool = False,
) -> tuple[WaitingDump | None, list[Ignored]]:
    """The dump to apply now (None: nothing to do), and why the others are not.

    `is_open(manifest)` tells whether a dump holds keys that it does not tell; it is asked of as few dumps as possible.
    `again`: the newest one is to be applied even where it already is.
    """
    if not eligible:
        return None, []
    newest = eligible[-1]
    if applied is not None and _order(newest) < (applied.cut_at, applied.revision):
        return None, [_superseded(manifest, _day(applied.cut_at)) for manifest in eligible]
    chain = supporting_dumps(eligible, is_open)
    others = [_superseded(manifest, newest.cut_date) for manifest in eligible if manifest not in chain]
    waiting = WaitingDump(chain)
    if (
        not again
        and applied is not None
        and (applied.data_version, applied.rule_version, applied.rests_on)
        == (
            newest.data_version,
            rule_version,
            waiting.rests_on,
        )
    ):
        told = [Ignored(DUMP, newest.quarter, newest.rows, f"{_name(newest)} is already applied", settled=True)]
        return None, [*others, *told]
    return waiting, others


@dataclass(frozen=True)
class WaitingPages:
    """Pages that may say something: `new` ones, and those that silver has already taken in."""

    new: tuple[PagesManifest, ...]
    known: tuple[PagesManifest, ...]


def waiting_pages(
    lake: Lake, table: str, site: str, after: datetime | None, ledger: Iterable[LedgerRow], rule_version: str
) -> tuple[WaitingPages, list[Ignored]]:
    """The pages of a table's entities that were fetched after a moment (`chain.pages_after`), and why others say
    nothing."""
    applied = {row.input for row in ledger}
    new, known, ignored = [], [], []
    for entity in entities_of(schema_table(table)):
        for manifest in pages_of(lake, entity.name, site):
            failed = [check.name for check in manifest.checks if check.blocking and not check.passed]
            source = f"api/{entity.name}"
            if failed:
                reason = f"blocked by checks of bronze: {', '.join(failed)}"
            elif after is not None and manifest.newest <= after:
                reason = (
                    f"fetched by {manifest.newest:%Y-%m-%d}, not later than the applied cut {_day(after)}: superseded"
                )
            elif (source, manifest.day, manifest.data_version, rule_version) in applied:
                known.append(manifest)
                reason = "already applied"
            else:
                new.append(manifest)
                continue
            ignored.append(Ignored(source, manifest.day, manifest.rows, reason, settled=not failed))
    return WaitingPages(tuple(new), tuple(known)), ignored


@dataclass(frozen=True)
class Heard:
    """All evidence of one table of a site that is to be heard beside what silver holds.

    `dump`: to be applied now (None: none is); `dumps`: these, or else those that silver rests on as far as bronze holds
    them, oldest first; `cut`: of the newest of them; `pages_after`: only pages fetched later may say something (None:
    all may); `ignored`: inputs that say nothing, and why.
    """

    dump: WaitingDump | None
    dumps: tuple[Dump, ...]
    cut: datetime | None
    pages_after: datetime | None
    pages: WaitingPages
    ignored: tuple[Ignored, ...]


def heard(
    lake: Lake,
    table: str,
    site: str,
    applied: Iterable[LedgerRow],
    newest_dump: LedgerRow | None,
    rule_version: str,
    examine: Callable[[BronzeManifest], Dump],
    again: bool = False,
) -> Heard:
    """What is to be heard of a table whose inputs `applied` silver has taken in.

    `examine` tells what cleaning finds in a dump; it is asked of as few as possible. `again`: the newest dump is to be
    applied even where it already is.
    """
    eligible, ignored = eligible_dumps(lake, table, site)
    dump, others = waiting_dump(eligible, newest_dump, rule_version, lambda m: examine(m).is_open, again)
    cut = dump.newest.cut_at if dump else (newest_dump.cut_at if newest_dump else None)
    chain = dump.chain if dump else applied_dumps(lake, table, site, newest_dump)
    dumps = tuple(examine(manifest) for manifest in chain)
    after = pages_after(dumps, cut)
    pages, overtaken = waiting_pages(lake, table, site, after, applied, rule_version)
    return Heard(dump, dumps, cut, after, pages, (*ignored, *others, *overtaken))


def _order(manifest: BronzeManifest) -> tuple[datetime, int]:
    return manifest.cut_at, manifest.revision


def _superseded(manifest: BronzeManifest, cut: str) -> Ignored:
    reason = f"{_name(manifest)} is not newer than the applied cut {cut}: superseded"
    return Ignored(DUMP, manifest.quarter, manifest.rows, reason, settled=True)


def _name(manifest: BronzeManifest) -> str:
    return f"{manifest.release} (cut {manifest.cut_date}, revision {manifest.revision})"


def _day(moment: datetime | None) -> str:
    return date.isoformat(moment.date()) if moment else ""


def reasons(ignored: Iterable[Ignored]) -> list[str]:
    """The sentences, each once."""
    return list(dict.fromkeys(entry.reason for entry in ignored))


def notes(ignored: Iterable[Ignored], has_news: bool) -> list[str]:
    """What was not taken in and why, for people. Where something was (`has_news`), what was settled long before is not
    worth telling; of settled days of pages their number is."""
    told = [entry for entry in ignored if not (entry.settled and has_news)]
    days = {entry.partition for entry in told if entry.settled and entry.source != DUMP}
    sentences = [f"{entry.partition}: {entry.reason}" for entry in told if not entry.settled or entry.source == DUMP]
    if days:
        sentences.append(f"pages of {len(days)} days from {min(days)} to {max(days)}: applied or superseded before")
    return sentences
