"""What must hold of one silver table of one site: declared from the schema, judged from numbers that Spark measured.

Belongs here: names, severities, sentences, limits. Not here: how the numbers are measured (`spark/measure.py`).

Dumps dangle by nature (votes on deleted posts, authors who left), so a reference is judged against the site's own last
gate: what may not happen is that the share of dangling references jumps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from so_lakehouse.lake.gates import TableGate
from so_lakehouse.lake.ledger import DUMP, LedgerRow
from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.quality import CheckDeclaration
from so_lakehouse.schema import FABRICATED_POST_IDS, Table, Type, table

# Stack Overflow, the oldest site, opened its beta on 2008-07-31; posts that were migrated keep their dates, but none is
# older than the network.
FIRST_DAY = datetime(2008, 7, 31, tzinfo=UTC)
# The clock of the publisher's database and the cut's date can differ by a day at either end.
CUT_TOLERANCE = timedelta(days=1)
DANGLING_JUMP = 0.02  # of the references of a column; real quarters move by less than 0.005
DANGLING_ROWS = 20  # fewer new dangling rows than this say nothing on a small site
ROW_LOSS_SHARE, ROW_LOSS_ROWS = 0.10, 100
LATE_AFTER = timedelta(days=60)  # the quietest sites have months without a post, but not two without a vote
MAGNITUDE = 10
SMALL_ID = 10_000  # below it, an order of magnitude is a handful of rows

# The date by which a table shows that it is current, where it has one that moves every month on a living site.
PULSE = {"posts": "LastActivityDate", "users": "LastAccessDate", "votes": "CreationDate", "comments": "CreationDate"}


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
    highest_ids: tuple[int, ...] = ()  # at most two, the highest first


@dataclass(frozen=True)
class Judgement:
    """One check's answer."""

    passed: bool
    detail: str
    metadata: dict[str, object] = field(default_factory=dict)


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
        """What this check noted at the last gate; empty at the first."""
        checks = self.last_gate.checks if self.last_gate else ()
        return next((dict(outcome.metadata) for outcome in checks if outcome.name == check), {})

    @property
    def evidence_until(self) -> datetime | None:
        """The newest moment that any applied evidence speaks of."""
        cuts = [row.cut_at for row in self.ledger if row.cut_at is not None]
        days = [_end_of_day(row.partition) for row in self.ledger if row.source.startswith("api/")]
        return max([*cuts, *days], default=None)


@dataclass(frozen=True)
class Check:
    """A declaration with the function that judges it."""

    declaration: CheckDeclaration
    judge: Callable[[Case], Judgement]


def checks(name: str) -> tuple[CheckDeclaration, ...]:
    """The checks of one silver table, known before anything runs."""
    return tuple(check.declaration for check in _checks(table(name)))


def outcomes(case: Case) -> tuple[CheckOutcome, ...]:
    """What every declared check says of these numbers."""
    found = []
    for check in _checks(case.table):
        judged, declared = check.judge(case), check.declaration
        found.append(CheckOutcome(declared.name, judged.passed, declared.blocking, judged.detail, judged.metadata))
    return tuple(found)


def _checks(of: Table) -> list[Check]:
    found = [
        Check(CheckDeclaration("keys_present", True, "Every row has its key."), _keys_present),
        Check(CheckDeclaration("keys_unique", True, "No key occurs twice."), _keys_unique),
        Check(CheckDeclaration("ledger_conserved", True, "Of every input, each row became something."), _conserved),
        Check(CheckDeclaration("rows_match_ledger", True, "Rows = inserted minus deleted, over the ledger."), _match),
        Check(
            CheckDeclaration(
                "row_count_plausible", False, "The newest dump did not lose more than a tenth of the rows."
            ),
            _row_count,
        ),
        Check(CheckDeclaration("dates_after_launch", False, "No date is older than the network."), _after_launch),
        Check(CheckDeclaration("dates_before_cut", False, "No date is later than the evidence."), _before_cut),
    ]
    for column in of.columns:
        if column.allowed:
            sentence = f"{column.name} holds only codes that the schema knows."
            found.append(
                Check(CheckDeclaration(f"{_snake(column.name)}_allowed", True, sentence), _allowed(column.name))
            )
        if column.references:
            name = f"{_snake(column.name)}_refers"
            sentence = (
                f"{column.name}: the share that is not in {column.references} has not jumped since the last gate."
            )
            found.append(Check(CheckDeclaration(name, False, sentence), _refers(name, column.name, column.references)))
    if of.name == "posts":
        found += [
            Check(CheckDeclaration("no_fabricated_posts", True, "None of the posts that dumps made up."), _fabricated),
            Check(CheckDeclaration("ids_plausible", False, "No id is ten times the one before it."), _ids_plausible),
        ]
    if of.name in PULSE:
        sentence = f"The newest {PULSE[of.name]} is not long before the cut."
        found.append(Check(CheckDeclaration("newest_day_not_late", False, sentence), _not_late(PULSE[of.name])))
    return found


def _keys_present(case: Case) -> Judgement:
    bad = case.measured.null_keys
    return Judgement(
        bad == 0, f"{case.where}: {bad:,} rows without a key." if bad else f"{case.where}: all keys present."
    )


def _keys_unique(case: Case) -> Judgement:
    doubled = case.measured.rows - case.measured.null_keys - case.measured.distinct_keys
    if not doubled:
        return Judgement(
            True, f"{case.where}: {case.measured.rows:,} rows, as many keys.", {"rows": case.measured.rows}
        )
    return Judgement(
        False,
        f"{case.where}: {doubled:,} rows repeat a key. Two writers without the lock can do this; "
        f"so-lakehouse rebuild --site {case.site} makes the table again from bronze.",
        {"doubled": doubled},
    )


def _conserved(case: Case) -> Judgement:
    wrong = [row for row in case.ledger if row.rows_in != row.rows_accounted]
    if not wrong:
        return Judgement(True, f"{case.where}: {len(case.ledger)} inputs, every row accounted for.")
    named = ", ".join(
        f"{row.source} {row.partition} ({row.rows_in:,} in, {row.rows_accounted:,} accounted)" for row in wrong
    )
    return Judgement(False, f"{case.where}: {named}. This is a defect of converge: keep bronze and report it.")


def _match(case: Case) -> Judgement:
    expected = sum(row.rows_inserted - row.rows_deleted for row in case.ledger)
    if expected == case.measured.rows:
        return Judgement(True, f"{case.where}: {expected:,} rows by ledger and by count.")
    return Judgement(
        False,
        f"{case.where}: {case.measured.rows:,} rows, but the ledger says {expected:,}. Something else wrote the table; "
        f"so-lakehouse rebuild --site {case.site} makes it again from bronze.",
        {"rows": case.measured.rows, "by_ledger": expected},
    )


def _row_count(case: Case) -> Judgement:
    dumps = [row for row in case.ledger if row.source == DUMP and row.cut_at is not None]
    cuts = sorted({row.cut_at for row in dumps if row.cut_at is not None})
    if len(cuts) < 2:
        return Judgement(True, f"{case.where}: no earlier dump to compare with.")
    newest, before = ([row for row in dumps if row.cut_at == cut][-1] for cut in (cuts[-1], cuts[-2]))
    lost = before.rows_in - newest.rows_in
    metadata: dict[str, object] = {"rows": newest.rows_in, "rows_before": before.rows_in}
    if lost <= ROW_LOSS_ROWS or lost <= ROW_LOSS_SHARE * before.rows_in:
        return Judgement(True, f"{case.where}: {newest.rows_in:,} rows after {before.rows_in:,}.", metadata)
    return Judgement(False, f"{case.where}: {newest.rows_in:,} rows, {before.rows_in:,} before.", metadata)


def _after_launch(case: Case) -> Judgement:
    early = {name: oldest for name, oldest in case.measured.oldest.items() if oldest < FIRST_DAY}
    return _dates(case, early, f"before {FIRST_DAY:%Y-%m-%d}")


def _before_cut(case: Case) -> Judgement:
    until = case.evidence_until
    if until is None:
        return Judgement(True, f"{case.where}: no evidence yet.")
    late = {name: newest for name, newest in case.measured.newest.items() if newest > until + CUT_TOLERANCE}
    return _dates(case, late, f"after {until:%Y-%m-%d}, the end of the evidence")


def _dates(case: Case, wrong: Mapping[str, datetime], what: str) -> Judgement:
    if not wrong:
        return Judgement(True, f"{case.where}: no date {what}.")
    named = ", ".join(f"{name} {value:%Y-%m-%d}" for name, value in wrong.items())
    return Judgement(
        False, f"{case.where}: dates {what}: {named}.", {name: str(value) for name, value in wrong.items()}
    )


def _allowed(column: str) -> Callable[[Case], Judgement]:
    def judge(case: Case) -> Judgement:
        bad = case.measured.not_allowed.get(column, 0)
        if not bad:
            return Judgement(True, f"{case.where}: every {column} is known.")
        return Judgement(False, f"{case.where}: {bad:,} rows with an unknown {column}.", {"rows": bad})

    return judge


def _refers(check: str, column: str, referred: str) -> Callable[[Case], Judgement]:
    def judge(case: Case) -> Judgement:
        used, dangling = case.measured.references.get(column, (0, 0))
        share = dangling / used if used else 0.0
        metadata: dict[str, object] = {"references": used, "dangling": dangling, "share": round(share, 6)}
        before = case.baseline(check)
        told = f"{case.where}: {dangling:,} of {used:,} {column} ({share:.1%}) are not in {referred}"
        if not before:
            return Judgement(True, f"{told}; this is the baseline.", metadata)
        share_before, dangling_before = float(str(before["share"])), int(str(before["dangling"]))
        jumped = share > share_before + DANGLING_JUMP and dangling > dangling_before + DANGLING_ROWS
        return Judgement(not jumped, f"{told}; it was {share_before:.1%} at the last gate.", metadata)

    return judge


def _fabricated(case: Case) -> Judgement:
    ids = ", ".join(map(str, sorted(FABRICATED_POST_IDS)))
    bad = case.measured.fabricated
    return Judgement(bad == 0, f"{case.where}: {bad:,} fabricated posts (of {ids}).", {"rows": bad})


def _ids_plausible(case: Case) -> Judgement:
    highest = case.measured.highest_ids
    if len(highest) < 2 or highest[0] < max(MAGNITUDE * highest[1], SMALL_ID):
        return Judgement(True, f"{case.where}: the highest id follows from the one before it.")
    return Judgement(
        False,
        f"{case.where}: id {highest[0]} is more than ten times the next ({highest[1]}): probably fabricated. "
        "Look at the post on the site; add the id to FABRICATED_POST_IDS if it is not there.",
        {"highest": highest[0], "next": highest[1]},
    )


def _not_late(column: str) -> Callable[[Case], Judgement]:
    def judge(case: Case) -> Judgement:
        newest, until = case.measured.newest.get(column), case.evidence_until
        if newest is None or until is None or newest >= until - LATE_AFTER:
            return Judgement(
                True, f"{case.where}: newest {column} {newest:%Y-%m-%d}." if newest else f"{case.where}: none."
            )
        return Judgement(
            False, f"{case.where}: newest {column} is {newest:%Y-%m-%d}, the evidence ends {until:%Y-%m-%d}."
        )

    return judge


def date_columns(of: Table) -> list[str]:
    return [column.name for column in of.columns if column.type is Type.TIMESTAMP]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _end_of_day(partition: str) -> datetime:
    return datetime.fromisoformat(partition).replace(tzinfo=UTC) + timedelta(days=1)
