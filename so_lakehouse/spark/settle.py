"""Settles what a plan's evidence does to silver: decided rows against held ones, staged and counted.

Belongs here: putting base, statements and posts together, what is judged by, and staging the result. Not here: which
evidence there is (`plan.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from so_lakehouse import schema
from so_lakehouse.lake import ledger, tombstones
from so_lakehouse.lake.chain import Dump
from so_lakehouse.lake.ledger import LedgerRow
from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.lake.silver_tables import DeltaTable, silver_table
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.tiny import Size
from so_lakehouse.lake.tombstones import ABSENT_FROM_DUMP, Tombstone
from so_lakehouse.lake.waiting import Ignored
from so_lakehouse.quality import deletions
from so_lakehouse.quality.deletions import Deletions
from so_lakehouse.settings import Settings
from so_lakehouse.spark import cascade, clean, compare, overlay, pages, read, tally, write
from so_lakehouse.spark.absence import DENIED, NOTHING_DENIED, Absence
from so_lakehouse.spark.cascade import Posts
from so_lakehouse.spark.compare import ACTION, DELETE
from so_lakehouse.spark.tally import Tally


@dataclass(frozen=True)
class Scope:
    """One table of one site, and what is known of it before the plan."""

    spark: SparkSession
    lake: Lake
    site: str
    table: schema.Table
    settings: Settings
    applied: tuple[LedgerRow, ...]
    newest_dump: LedgerRow | None
    tombstones: pa.Table  # of this table, as `lake/tombstones.py` has them
    staging: str
    started_at: datetime

    @property
    def rules(self) -> str:
        return clean.rule_version(self.table, self.settings.keep_personal)

    @property
    def target(self) -> DataFrame:
        """What silver holds of the site; no rows where the table does not exist yet."""
        if ledger.open_delta(self.lake, self.table.name) is None:
            return read.no_rows(self.spark, read.silver_form(silver_table(self.table, self.settings.keep_personal)))
        return read.silver_rows(self.spark, self.lake, self.table.name, self.site)

    def row(self, source: str, partition: str, data_version: str) -> LedgerRow:
        """A ledger row of this table without counts."""
        return LedgerRow(self.site, self.table.name, source, partition, data_version, self.rules, self.started_at)


@dataclass(frozen=True)
class Evidence:
    """What pages say: `pages.ranked` statements, how many rows cleaning refused of each input, and the keys (None: they
    are many)."""

    statements: DataFrame
    refused: Counter[str]
    keys: list[int] | None


@dataclass
class TablePlan:
    """What would become of one table of one site. `ledger_rows` empty: nothing is new."""

    table: DeltaTable
    staging: str
    ignored: list[Ignored] = field(default_factory=list)
    ledger_rows: list[LedgerRow] = field(default_factory=list)
    first_load: Size | None = None  # where silver has no row of this site: of `changes`, which are all its rows
    changes: DataFrame | None = None  # compare.changed_rows, staged; None: no row changes
    tombstones: pa.Table | None = None  # all of the table's from now on; None: those it has stay
    returning: tuple[Tombstone, ...] = ()  # of rows whose post is back; they stand until those rows are written
    cut: datetime | None = None  # of the newest dump, once this plan is carried out
    speaks_since: datetime | None = None  # no row rests on older evidence; None: some may
    absence: Absence = NOTHING_DENIED  # what the dumps say then of keys that they do not tell
    judged: tuple[CheckOutcome, ...] = ()  # of the dump that this plan applies: whether it may delete what it lacks

    @property
    def dump(self) -> LedgerRow | None:
        """The ledger row of the dump that this plan applies; None where it applies none."""
        return next((row for row in self.ledger_rows if row.source == ledger.DUMP), None)

    @property
    def staged_changes(self) -> str:
        return f"{self.staging}/changes"


def settle(
    of: Scope,
    plan: TablePlan,
    base: DataFrame,
    target: DataFrame,
    evidence: Evidence | None,
    posts: Posts | None,
    dumps: Sequence[Dump],
    is_few: bool,
) -> Tally:
    """Puts into the plan what changes, and returns how many keys go which way.

    `base`: rows before pages speak; `target`: the rows of silver to compare with; `posts`: what may take rows along;
    `dumps`: those that `base` comes from, oldest first (none: it comes from silver itself); `is_few`: whether both
    sides together have few rows.
    """
    personal = of.settings.keep_personal
    decided = overlay.undisputed(base)
    if evidence is not None:
        newest = evidence.statements.where(F.col(pages.OUTCOME).isNull())
        decided = overlay.decided(base, newest, of.table, personal, plan.cut)
    if posts is not None:
        decided = cascade.voided(decided, posts, plan.cut)
    compared = compare.actions(decided, target, overlay.value_columns(of.table, personal))
    acted = read.few(compared) if is_few else compared.select(*compare.KINDS).persist()
    try:
        counts = Tally.of(acted)
        if dumps:
            plan.judged = _judged(of, counts, dumps)
        if counts.changes:
            changed = compare.changed_rows(acted) if is_few else compare.many_changed_rows(decided, acted)
            plan.changes = write.stage(changed, of.lake, plan.staged_changes)
        held = cascade.dated(posts, of.tombstones) if posts is not None else of.tombstones
        _settle_tombstones(of, plan, acted, counts, held, decides=bool(dumps))
    finally:
        acted.unpersist()
    return counts


def _settle_tombstones(
    of: Scope, plan: TablePlan, acted: DataFrame, counts: Tally, known: pa.Table, decides: bool
) -> None:
    """Tombstones live until a dump with a later cut: those of this very cut and those not decided anew stay. `known`:
    those that are held, as of what is known of posts by now."""
    if not (counts.gone or counts.deleted_by_absence or len(known)):
        return
    rows = _new_tombstones(plan, acted, counts)
    if len(known):
        held = of.spark.createDataFrame(known)
        if not decides:
            rows = rows.unionByName(_not_decided(held, acted, plan))
        else:
            held = plan.absence.moments(held.where(F.col("reason") == ABSENT_FROM_DUMP), "id")
            held = held.where(F.col("as_of") == F.col(DENIED)).drop(DENIED)
            spoken = _keys(acted.where(F.col(ACTION) != compare.ABSENT))
            rows = rows.unionByName(held.join(spoken, "id", "left_anti"))
    found = rows.select(*tombstones.ARROW.names).toArrow().cast(tombstones.ARROW)
    if found.sort_by("id") != of.tombstones.sort_by("id"):
        plan.tombstones = found


def _not_decided(held: DataFrame, acted: DataFrame, plan: TablePlan) -> DataFrame:
    """The held tombstones of keys that this plan does not decide, but those of rows whose post is back."""
    back = sorted({t.post_id for t in plan.returning if t.post_id is not None})
    held = held.where(~F.coalesce(F.col("post_id").isin(back), F.lit(False)))
    return held.join(_keys(acted), "id", "left_anti")


def _keys(acted: DataFrame) -> DataFrame:
    return acted.select(F.col("Id").alias("id"))


def _new_tombstones(plan: TablePlan, acted: DataFrame, counts: Tally) -> DataFrame:
    if counts.gone or plan.changes is None:
        return tally.tombstones(acted, plan.absence)
    return tally.absences(plan.changes.where(F.col(ACTION) == DELETE), plan.absence)


def _judged(of: Scope, counts: Tally, dumps: Sequence[Dump]) -> tuple[CheckOutcome, ...]:
    """What the checks say of the deletions of the newest of these dumps.

    What open dumps cannot tell, older ones tell; but the applied one, which told it, may be gone from bronze: an
    earlier release of ours kept no issue that another had replaced.
    """
    applied, newest, forgotten = of.newest_dump, dumps[-1].manifest, ""
    if applied is not None and applied.cut_at is not None and dumps[-1].is_open:
        is_replaced = applied.data_version not in [dump.manifest.data_version for dump in dumps]
        if is_replaced and applied.cut_at >= dumps[0].manifest.cut_at:
            forgotten = applied.partition
    return deletions.outcomes(
        Deletions(
            of.table.name,
            of.site,
            newest.release,
            newest.revision,
            counts.deleted_by_absence,
            counts.held,
            counts.taken_back,
            forgotten,
            of.settings.accept_shrink,
        )
    )
