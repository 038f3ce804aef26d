"""Decides for one table what a converge would change, before anything is written.

Belongs here: putting evidence, state and comparison together, and counting. Not here: the rules themselves (`clean.py`,
`state.py`, `overlay.py`, `compare.py`) or any write (`write.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from so_lakehouse import schema
from so_lakehouse.errors import CheckFailed
from so_lakehouse.lake import paths, waiting
from so_lakehouse.lake.ledger import DUMP, Ledger, LedgerRow
from so_lakehouse.lake.manifests import BronzeManifest
from so_lakehouse.lake.silver_tables import DeltaTable, silver_table
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.waiting import Ignored, WaitingDump
from so_lakehouse.settings import Settings
from so_lakehouse.spark import clean, compare, examine, overlay, read, state, write
from so_lakehouse.spark.compare import ACTION, ADVANCE, DELETE, INSERT, SAME, UPDATE
from so_lakehouse.spark.overlay import ALIVE, IN_BASE, INPUT
from so_lakehouse.spark.state import Dump

SHRINK_SHARE = 0.10
SHRINK_ROWS = 100
ABSENT_FROM_DUMP = "absent from dump"

COUNTED_AS = {INSERT: "rows_inserted", UPDATE: "rows_updated", ADVANCE: "rows_unchanged", SAME: "rows_unchanged"}


@dataclass
class TablePlan:
    """What would become of one table of one site. Its DataFrames are lazy or cached; `release` frees them."""

    table: DeltaTable
    ignored: list[Ignored] = field(default_factory=list)
    ledger_rows: list[LedgerRow] = field(default_factory=list)
    first_load: bool = False  # silver has no row of this site: `changes` are rows to append
    changes: DataFrame | None = None  # compare.changed_rows, staged; None: no row changes
    staged: str = ""  # folder of `changes`
    tombstones: DataFrame | None = None  # the table's new tombstones (id, as_of, reason, post_id); None: no change


def plan_table(
    spark: SparkSession, lake: Lake, site: str, table: schema.Table, ledger: Ledger, settings: Settings, attempt: str
) -> TablePlan:
    """The plan for one table. Raises `CheckFailed` where a dump would delete too much; nothing was written then."""
    rules = clean.rule_version(table, settings.keep_personal)
    plan = TablePlan(silver_table(table, settings.keep_personal), staged=f"{paths.staging(site, attempt)}/{table.name}")
    eligible, plan.ignored = waiting.eligible_dumps(lake, table.name, site)
    examined: dict[str, Dump] = {}

    def examine_once(manifest: BronzeManifest) -> Dump:
        if manifest.quarter not in examined:
            examined[manifest.quarter] = Dump(manifest, examine.examine_dump(spark, lake, table, manifest, rules))
        return examined[manifest.quarter]

    applied = ledger.newest_dump(table.name)
    dump, ignored = waiting.waiting_dump(eligible, applied, rules, lambda manifest: examine_once(manifest).is_open)
    plan.ignored += ignored
    if dump is not None:
        dumps = [examine_once(manifest) for manifest in dump.chain]
        _plan_dump(spark, lake, site, table, plan, ledger, settings, dump, dumps, rules)
    return plan


def _plan_dump(
    spark: SparkSession,
    lake: Lake,
    site: str,
    table: schema.Table,
    plan: TablePlan,
    ledger: Ledger,
    settings: Settings,
    waiting_dump: WaitingDump,
    dumps: Sequence[Dump],
    rules: str,
) -> None:
    newest = dumps[-1]
    row = LedgerRow(
        site=site,
        table_name=table.name,
        source=DUMP,
        partition=newest.manifest.quarter,
        data_version=newest.manifest.data_version,
        rule_version=rules,
        applied_at=datetime.now(UTC),
        rows_in=newest.manifest.rows,
        rows_quarantined=newest.cleaning.quarantined,
        rows_deduplicated=newest.cleaning.deduplicated,
        cut_at=newest.manifest.cut_at,
        revision=newest.manifest.revision,
        rests_on=waiting_dump.rests_on,
    )
    if not ledger.of(table.name) and len(dumps) == 1:
        told = newest.cleaning.rows_in - newest.cleaning.quarantined - newest.cleaning.deduplicated
        plan.ledger_rows = [replace(row, rows_inserted=told)]
        plan.first_load = True
        if told:
            plan.changes = state.told_rows(spark, lake, table, newest, settings.keep_personal)
        return
    target = read.silver_rows(spark, lake, table.name, site)
    before = state.kept_before(target, ledger.newest_dump(table.name), dumps[0].manifest.cut_at)
    base = state.folded(spark, lake, table, dumps, before, settings.keep_personal)
    desired = overlay.silent_overlay(base)
    values = overlay.value_columns(table, settings.keep_personal)
    acted = compare.actions(desired.where(ALIVE), target, values, carried=(IN_BASE, INPUT)).persist()
    try:
        counts = Counter({row[ACTION]: row["count"] for row in acted.groupBy(ACTION).count().collect()})
        _guard_shrink(site, table, counts, newest.manifest, settings)
        if counts[INSERT] + counts[UPDATE] + counts[ADVANCE] + counts[DELETE]:
            rows = compare.changed_rows(desired.drop(ALIVE, IN_BASE, INPUT), acted)
            plan.changes = write.stage(rows, lake, plan.staged)
    finally:
        acted.unpersist()
    outcome = Counter()
    for action, name in COUNTED_AS.items():
        outcome[name] += counts[action]
    plan.ledger_rows = [replace(row, rows_deleted=counts[DELETE], **outcome)]
    if plan.changes is not None:
        plan.tombstones = plan.changes.where(F.col(ACTION) == DELETE).select(
            F.col("Id").alias("id"),
            F.lit(newest.manifest.cut_at).alias("as_of"),
            F.lit(ABSENT_FROM_DUMP).alias("reason"),
            F.lit(None).cast("bigint").alias("post_id"),
        )


def _guard_shrink(
    site: str, table: schema.Table, counts: Counter[str], manifest: BronzeManifest, settings: Settings
) -> None:
    held = counts[UPDATE] + counts[ADVANCE] + counts[SAME] + counts[DELETE]
    deleted = counts[DELETE]
    if settings.accept_shrink or deleted <= SHRINK_ROWS or deleted <= SHRINK_SHARE * held:
        return
    raise CheckFailed(
        f"deletions_plausible: {manifest.release} would delete {deleted:,} of {held:,} rows of {table.name} of {site} "
        f"({deleted / held:.0%}; the limit is {SHRINK_SHARE:.0%} and {SHRINK_ROWS} rows). Nothing was written. "
        "Compare the release with the publisher's site; if the deletions are real, run again with --accept-shrink."
    )
