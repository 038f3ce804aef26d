"""What must hold of one silver table of one site: each rule says yes or no, and why, from numbers alone.

Belongs here: limits and sentences. Not here: which rules a table has, and which of them block (`silver.py`).

Dumps dangle by nature (votes on deleted posts, links to posts that have gone), so a reference is judged against the
site's own history: what may not happen is that the share of dangling references jumps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from so_lakehouse.lake import ledger
from so_lakehouse.lake.ledger import DUMP
from so_lakehouse.quality import losses
from so_lakehouse.quality.silver_case import Case
from so_lakehouse.schema import FABRICATED_POST_IDS

# Stack Overflow, the oldest site, opened its beta on 2008-07-31; posts that were migrated keep their dates, but none is
# older than the network.
FIRST_DAY = datetime(2008, 7, 31, tzinfo=UTC)
# The clock of the publisher's database and the cut's date can differ by a day at either end.
CUT_TOLERANCE = timedelta(days=1)
# Further off, a date is no matter of clocks: calendar and months of every site's marts would reach to it.
FAR = timedelta(days=366)
DANGLING_JUMP = 0.02  # of the references of a column; real quarters move by less than 0.005
DANGLING_ROWS = 20  # fewer new dangling rows than this say nothing on a small site
LATE_AFTER = timedelta(days=60)  # the quietest sites have months without a post, but not two without a vote
MAGNITUDE = 10
INPUTS = "inputs"  # in the metadata of `ledger_conserved`: how many rows of the ledger the checks have seen
SMALL_ID = 10_000  # below it, an order of magnitude is a handful of rows


@dataclass(frozen=True)
class Judgement:
    """One check's answer."""

    passed: bool
    detail: str
    metadata: dict[str, object] = field(default_factory=dict)


def _written_by_others(case: Case) -> str:
    """The cause and the cure of what converge itself never writes."""
    return f"Something else wrote the table; so-lakehouse rebuild --site {case.site} makes it again from bronze."


def keys_present(case: Case) -> Judgement:
    bad = case.measured.null_keys
    return Judgement(
        bad == 0,
        f"{case.where}: {bad:,} rows without a key. {_written_by_others(case)}"
        if bad
        else f"{case.where}: all keys present.",
    )


def keys_unique(case: Case) -> Judgement:
    doubled = case.measured.rows - case.measured.null_keys - case.measured.distinct_keys
    if not doubled:
        return Judgement(
            True, f"{case.where}: {case.measured.rows:,} rows, as many keys.", {"rows": case.measured.rows}
        )
    return Judgement(
        False,
        f"{case.where}: {doubled:,} rows repeat a key. {_written_by_others(case)}",
        {"doubled": doubled},
    )


def conserved(case: Case) -> Judgement:
    wrong = [row for row in case.ledger if row.rows_in != row.rows_accounted]
    noted: dict[str, object] = {INPUTS: len(case.ledger)}
    if not wrong:
        return Judgement(True, f"{case.where}: {len(case.ledger)} inputs, every row accounted for.", noted)
    named = ", ".join(
        f"{row.source} {row.partition} ({row.rows_in:,} in, {row.rows_accounted:,} accounted)" for row in wrong
    )
    return Judgement(False, f"{case.where}: {named}. This is a defect of converge: keep bronze and report it.", noted)


def match(case: Case) -> Judgement:
    expected = ledger.rows_held(case.ledger)
    if expected == case.measured.rows:
        return Judgement(True, f"{case.where}: {expected:,} rows by ledger and by count.")
    return Judgement(
        False,
        f"{case.where}: {case.measured.rows:,} rows, but the ledger says {expected:,}. {_written_by_others(case)}",
        {"rows": case.measured.rows, "by_ledger": expected},
    )


def row_count(case: Case) -> Judgement:
    dumps = [row for row in case.ledger if row.source == DUMP and row.cut_at is not None]
    cuts = sorted({row.cut_at for row in dumps if row.cut_at is not None})
    if len(cuts) < 2:
        return Judgement(True, f"{case.where}: no earlier dump to compare with.")
    newest, before = ([row for row in dumps if row.cut_at == cut][-1] for cut in (cuts[-1], cuts[-2]))
    lost = before.rows_in - newest.rows_in
    metadata: dict[str, object] = {"rows": newest.rows_in, "rows_before": before.rows_in}
    if not losses.is_too_much(lost, before.rows_in):
        return Judgement(True, f"{case.where}: {newest.rows_in:,} rows after {before.rows_in:,}.", metadata)
    return Judgement(False, f"{case.where}: {newest.rows_in:,} rows, {before.rows_in:,} before.", metadata)


def after_launch(case: Case) -> Judgement:
    """The baseline is the site's own oldest date: what a dump adds before it was not there when it was new."""
    before = case.baseline("dates_after_launch")
    early = {}
    for name, oldest in case.measured.oldest.items():
        known = datetime.fromisoformat(str(before[name])) if name in before else FIRST_DAY
        if FIRST_DAY - FAR <= oldest < max(FIRST_DAY, known - CUT_TOLERANCE):
            early[name] = oldest
    noted = {name: oldest.isoformat() for name, oldest in case.measured.oldest.items()}
    return _dates(case, early, f"before {FIRST_DAY:%Y-%m-%d}, or before any that this site had", noted)


def before_cut(case: Case) -> Judgement:
    until = case.evidence_until
    if until is None:
        return Judgement(True, f"{case.where}: no evidence yet.")
    newest = case.measured.newest
    late = {name: at for name, at in newest.items() if until + CUT_TOLERANCE < at <= until + FAR}
    noted = {name: at.isoformat() for name, at in newest.items()}
    return _dates(case, late, f"after {until:%Y-%m-%d}, the end of the evidence", noted)


def in_reach(case: Case) -> Judgement:
    until, oldest, newest = case.evidence_until, case.measured.oldest, case.measured.newest
    ancient = {name: at for name, at in oldest.items() if at < FIRST_DAY - FAR}
    judged = _dates(case, ancient, f"more than a year before {FIRST_DAY:%Y-%m-%d}, when the network began", {})
    if judged.passed and until is not None:
        far = {name: at for name, at in newest.items() if at > until + FAR}
        judged = _dates(case, far, f"more than a year after {until:%Y-%m-%d}, the end of the evidence", {})
    remedy = "" if judged.passed else " The site waits for a dump that has them right: report it to its publisher."
    return replace(judged, detail=judged.detail + remedy)


def _dates(case: Case, wrong: Mapping[str, datetime], what: str, noted: Mapping[str, object]) -> Judgement:
    if not wrong:
        return Judgement(True, f"{case.where}: no date {what}.", dict(noted))
    named = ", ".join(f"{name} {value:%Y-%m-%d}" for name, value in wrong.items())
    return Judgement(False, f"{case.where}: dates {what}: {named}.", dict(noted))


def allowed(column: str) -> Callable[[Case], Judgement]:
    def judge(case: Case) -> Judgement:
        bad = case.measured.not_allowed.get(column, 0)
        if not bad:
            return Judgement(True, f"{case.where}: every {column} is known.")
        told = f"{case.where}: {bad:,} rows with an unknown {column}. {_written_by_others(case)}"
        return Judgement(False, told, {"rows": bad})

    return judge


def refers(check: str, column: str, referred: str) -> Callable[[Case], Judgement]:
    """The baseline is what the newest dump left, and of a dump what was there before it: a day is not compared with the
    day before, or a share could creep."""

    def judge(case: Case) -> Judgement:
        used, dangling = case.measured.references.get(column, (0, 0))
        share = dangling / used if used else 0.0
        dump, before = ledger.newest_dump(case.ledger), case.baseline(check)
        applied = f"{dump.data_version} {dump.rule_version}" if dump else ""
        since = bool(before) and before.get("dump") == applied
        base = {name: before[f"dump_{name}" if since else name] for name in ("share", "dangling")} if before else {}
        noted: dict[str, object] = {"references": used, "dangling": dangling, "share": round(share, 6), "dump": applied}
        noted |= {f"dump_{name}": base[name] if since else noted[name] for name in ("share", "dangling")}
        told = f"{case.where}: {dangling:,} of {used:,} {column} ({share:.1%}) are not in {referred}"
        if not base:
            return Judgement(True, f"{told}; this is the baseline.", noted)
        share_before, dangling_before = float(str(base["share"])), int(str(base["dangling"]))
        jumped = share > share_before + DANGLING_JUMP and dangling > dangling_before + DANGLING_ROWS
        when = "since the newest dump" if since else "before it"
        return Judgement(not jumped, f"{told}; the baseline is {share_before:.1%}, {when}.", noted)

    return judge


def fabricated(case: Case) -> Judgement:
    ids = ", ".join(map(str, sorted(FABRICATED_POST_IDS)))
    bad = case.measured.fabricated
    told = f"{case.where}: {bad:,} fabricated posts (of {ids})."
    return Judgement(bad == 0, f"{told} {_written_by_others(case)}" if bad else told, {"rows": bad})


def ids_plausible(case: Case) -> Judgement:
    leaps = [(high, low) for high, low in pairwise(case.measured.highest_ids) if high >= max(MAGNITUDE * low, SMALL_ID)]
    if not leaps:
        return Judgement(True, f"{case.where}: the highest ids follow from the ones before them.")
    high, low = max(leaps, key=lambda leap: leap[0] / leap[1])
    return Judgement(
        False,
        f"{case.where}: id {high} is more than ten times the next ({low}): probably fabricated, and so are those above "
        "it. Look at the posts on the site; add to FABRICATED_POST_IDS the ids that are not there.",
        {"highest": high, "next": low},
    )


def not_late(column: str) -> Callable[[Case], Judgement]:
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
