"""Holds the next dump against what was predicted for it, for one site. See docs/reconciliation.md.

Belongs here: the comparison and the order of work. Not here: the prediction (`predict.py`), what is due
(`lake/reconcilable.py`), what the numbers must be (`quality/reconciliation.py`).

Reads bronze alone. A table is compared in one job over its keys, as a converge is: what does not fit into memory goes
through Spark's disk, and the driver holds counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from so_lakehouse import failpoints
from so_lakehouse.lake import lock, reconcilable, reconciliation
from so_lakehouse.lake.chain import Dump, supporting_dumps
from so_lakehouse.lake.disk import scratch, told_when_full
from so_lakehouse.lake.manifests import BronzeManifest
from so_lakehouse.lake.reconcilable import RECONCILED, RULES, Pair, Reconcilable
from so_lakehouse.lake.reconciliation import Reconciliation
from so_lakehouse.lake.storage import Lake
from so_lakehouse.progress import Progress, in_steps, silent
from so_lakehouse.quality.reconciliation import outcomes
from so_lakehouse.schema import POSTS, Table, Type
from so_lakehouse.schema_api import entities_of
from so_lakehouse.settings import Settings
from so_lakehouse.spark import clean, examine, overlay, state
from so_lakehouse.spark.cascade import DEPENDENTS, Posts
from so_lakehouse.spark.overlay import ALIVE, HEARD
from so_lakehouse.spark.predict import Evidence, posts_of, predicted
from so_lakehouse.spark.session import Work, fit_to_rows

FORETOLD, TOLD = "foretold_", "told_"  # prefixes of the two sides' columns where they stand beside each other

Counts = Mapping[str, int]
Row = dict[str, Any]


def reconcile(
    spark: SparkSession, lake: Lake, site: str, settings: Settings, progress: Progress = silent
) -> list[Reconciliation]:
    """Compares what is due of a site, writes it to the lake and returns it, oldest quarter first."""
    # Maintenance has these locks when it removes dumps and pages; a converge when it examines a dump, as this does.
    parts = [f"silver.{table.name}" for table in RECONCILED]
    held = lock.writing(lake, parts, f"reconcile {site}", settings, progress, Work(spark))
    with told_when_full(site, scratch(lake, settings)), lake.answering(), held:
        return [_reconciled(spark, lake, found, settings, progress) for found in reconcilable.due(lake, site)]


def _reconciled(
    spark: SparkSession, lake: Lake, found: Reconcilable, settings: Settings, progress: Progress
) -> Reconciliation:
    fit_to_rows(spark, max(pair.next.rows for pair in found.pairs))
    step = in_steps(progress, len(found.pairs))
    posts: Posts | None = None
    tables, columns, now = [], [], datetime.now(UTC)
    for pair in sorted(found.pairs, key=lambda pair: pair.table is not POSTS):
        compared, rows = _compared(spark, lake, pair, posts, settings.keep_personal)
        posts = rows or posts
        key = {"site": found.site, "quarter": date.fromisoformat(found.quarter), "table_name": pair.table.name}
        tables.append({**key, **_facts(pair), **_totals(compared), "reconciled_at": now})
        columns += [{**key, **column} for column in _columns(pair.table, compared, settings.keep_personal)]
        step(f"{found.site} {found.quarter}: compared {pair.table.name}")
    version = {"data_version": found.data_version}
    results = {
        reconciliation.TABLES.name: [row | version for row in tables],
        reconciliation.COLUMNS.name: [row | version for row in columns],
    }
    missing_days = {pair.table.name: list(pair.missing_days) for pair in found.pairs}
    done = Reconciliation(
        site=found.site,
        quarter=found.quarter,
        release=found.pairs[0].next.release,
        rules=RULES,
        inputs=found.inputs,
        files=reconciliation.files_of(found.quarter, found.site, found.data_version),
        missing_days=missing_days,
        checks=outcomes(found.site, found.quarter, {row["table_name"]: row for row in tables}, missing_days),
        written_at=now.isoformat(timespec="seconds"),
    )
    failpoints.reach("reconciliation.before_manifest")
    lock.require(lake, *(f"silver.{table.name}" for table in RECONCILED))
    done.save(lake, results)
    return done


def _compared(
    spark: SparkSession, lake: Lake, pair: Pair, posts: Posts | None, keep_personal: bool
) -> tuple[Counts, Posts | None]:
    """Counts by name, and the predicted posts where this is their table."""
    rules = clean.rule_version(pair.table, keep_personal)

    def examined(manifest: BronzeManifest) -> Dump:
        return examine.examined(spark, lake, pair.table, manifest, rules)

    chain = supporting_dumps(pair.older, lambda manifest: examined(manifest).is_open)
    evidence = Evidence(pair.table, tuple(map(examined, chain)), pair.pages, pair.until, keep_personal)
    prediction = predicted(spark, lake, evidence, posts if pair.table.name in DEPENDENTS else None)
    following = examined(pair.next)
    told = state.told_rows(spark, lake, pair.table, following, keep_personal)
    beside = _beside(prediction.rows, told, pair, keep_personal)
    beside = _with_untold(beside, examine.untold_keys(spark, lake, following), following)
    found = beside.agg(*_counted(pair.table, keep_personal)).collect()[0].asDict()
    unfollowed = told.where(_by_cut(pair) & ~_of_kind(pair.table)).count() if _kinds(pair.table) else 0
    return found | {"unfollowed": unfollowed}, posts_of(prediction) if pair.table is POSTS else None


def _by_cut(pair: Pair) -> Column:
    return F.col("CreationDate") <= F.lit(pair.next.cut_at)


def _kinds(table: Table) -> list[int]:
    """The kinds of post that pages tell; of a table without kinds, none."""
    return [entity.post_type for entity in entities_of(table) if entity.post_type is not None]


def _of_kind(table: Table) -> Column:
    kinds = _kinds(table)
    return F.col("PostTypeId").isin(kinds) if kinds else F.lit(True)


def _beside(decided: DataFrame, told: DataFrame, pair: Pair, keep_personal: bool) -> DataFrame:
    """Every key of either side once, rows created by the cut alone: `here` and the values under each side's prefix."""
    names = [name for name in overlay.value_columns(pair.table, keep_personal) if name != "Id"]
    left = decided.where(F.col(ALIVE) & _by_cut(pair) & _of_kind(pair.table))
    right = told.where(_by_cut(pair) & _of_kind(pair.table))

    def side(rows: DataFrame, prefix: str, *more: str) -> DataFrame:
        columns = [F.col(name).alias(prefix + name) for name in (*names, *more)]
        return rows.select("Id", F.lit(True).alias(f"{prefix}here"), *columns)

    return side(left, FORETOLD, HEARD).join(side(right, TOLD), "Id", "full_outer")


def _with_untold(beside: DataFrame, unread: DataFrame, following: Dump) -> DataFrame:
    """The rows with `untold`: whether the next dump may hold the key in a form that cannot be read."""
    if following.suspends_deletions:
        return beside.withColumn("untold", F.lit(True))
    if not following.is_open:
        return beside.withColumn("untold", F.lit(False))
    return beside.join(unread.withColumn("_untold", F.lit(True)), "Id", "left").withColumn(
        "untold", F.coalesce("_untold", F.lit(False))
    )


def _counted(table: Table, keep_personal: bool) -> list[Column]:
    """One count per name; of a column `name:column`."""
    foretold = F.coalesce(f"{FORETOLD}here", F.lit(False))
    told = F.coalesce(f"{TOLD}here", F.lit(False))
    both, heard = foretold & told, F.coalesce(FORETOLD + HEARD, F.lit(False))
    counts = {
        "predicted": foretold,
        "present": both,
        "untold": foretold & ~told & F.col("untold"),
        "missing": foretold & ~told & ~F.col("untold"),
        "extra": told & ~foretold,
    }
    followed = overlay.told_by_pages(table, FORETOLD)
    dates = {column.name for column in table.columns if column.type is Type.TIMESTAMP}
    for name in overlay.value_columns(table, keep_personal):
        if name == "Id":
            continue
        compared = both & followed[name] if name in followed else both
        agrees = _value(FORETOLD, name, dates).eqNullSafe(_value(TOLD, name, dates))
        counts[f"compared:{name}"] = compared
        counts[f"agreeing:{name}"] = compared & agrees
        counts[f"compared_of_pages:{name}"] = compared & heard if name in followed else F.lit(False)
        counts[f"agreeing_of_pages:{name}"] = compared & heard & agrees if name in followed else F.lit(False)
    return [F.count(F.when(condition, True)).alias(name) for name, condition in counts.items()]


def _value(side: str, name: str, dates: set[str]) -> Column:
    """A page's date is whole seconds."""
    return F.date_trunc("second", side + name) if name in dates else F.col(side + name)


def _facts(pair: Pair) -> Row:
    return {
        "release": pair.next.release,
        "cut_date": date.fromisoformat(pair.next.cut_date),
        "previous_cut_date": date.fromisoformat(pair.previous.cut_date),
        "pages_until": pair.until,
        "days": len(pair.days),
        "days_missing": len(pair.missing_days),
    }


def _totals(counts: Counts) -> Row:
    names = ("predicted", "present", "missing", "untold", "extra", "unfollowed")
    return {f"rows_{name}": counts[name] for name in names}


def _columns(table: Table, counts: Counts, keep_personal: bool) -> list[Row]:
    followed = overlay.told_by_pages(table, FORETOLD)
    parts = ("compared", "agreeing", "compared_of_pages", "agreeing_of_pages")
    return [
        {
            "column_name": name,
            "is_followed": name in followed,
            **{f"rows_{part}": counts[f"{part}:{name}"] for part in parts},
        }
        for name in overlay.value_columns(table, keep_personal)
        if name != "Id"
    ]
