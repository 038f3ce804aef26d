"""Decides for one table of one site what a converge would change, before anything is written.

Belongs here: which evidence is put together, and in what order. Not here: the rules (`clean.py`, `state.py`,
`overlay.py`, `cascade.py`, `compare.py`), the counting (`tally.py`), any write to a table (`write.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from so_lakehouse import schema
from so_lakehouse.errors import BadInput
from so_lakehouse.lake import tiny, tombstones, waiting
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.chain import Dump
from so_lakehouse.lake.ledger import DUMP, Ledger, LedgerRow, rows_held
from so_lakehouse.lake.manifests import BronzeManifest
from so_lakehouse.lake.silver_tables import silver_table
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.waiting import WaitingDump
from so_lakehouse.settings import Settings
from so_lakehouse.spark import books, cascade, examine, heard, keys, pages, read, rebuild, state
from so_lakehouse.spark.absence import absence
from so_lakehouse.spark.cascade import Posts
from so_lakehouse.spark.settle import Evidence, Scope, TablePlan, settle


def scope(
    spark: SparkSession,
    lake: Lake,
    site: str,
    table: schema.Table,
    ledger: Ledger,
    held: Mapping[str, pa.Table],
    settings: Settings,
    staging: str,
) -> Scope:
    """What the plan of one table looks at; `held` are the site's tombstones by table."""
    return Scope(
        spark=spark,
        lake=lake,
        site=site,
        table=table,
        settings=settings,
        applied=tuple(ledger.of(table.name)),
        newest_dump=ledger.newest_dump(table.name),
        tombstones=held.get(table.name, tombstones.NOTHING),
        staging=f"{staging}/{table.name}",
        started_at=datetime.now(UTC),
    )


def plan_table(of: Scope, posts: Posts | None) -> TablePlan:
    """The plan. `posts`: what posts will be, for a table whose rows go along with a post; None for the others."""
    plan = TablePlan(silver_table(of.table, of.settings.keep_personal), of.staging)
    examined: dict[str, Dump] = {}

    def examine_once(manifest: BronzeManifest) -> Dump:
        if manifest.input not in examined:
            examined[manifest.input] = examine.examined(of.spark, of.lake, of.table, manifest, of.rules)
        return examined[manifest.input]

    plan.returning = cascade.undeleted(posts, tombstones.with_posts(of.tombstones)) if posts is not None else ()
    found = waiting.heard(
        of.lake, of.table.name, of.site, of.applied, of.newest_dump, of.rules, examine_once, again=bool(plan.returning)
    )
    dump, dumps = found.dump, found.dumps
    if dump is None and of.newest_dump is not None:
        plan.returning = ()  # what their dump told comes back with it: it is not here, or does not pass any more
    plan.ignored, plan.cut = list(found.ignored), found.cut
    plan.absence = absence(of.spark, of.lake, of.table, dumps, plan.cut)
    plan.speaks_since = plan.cut if dumps and not dumps[-1].is_open else None
    if posts is not None and not posts.voids_after(plan.speaks_since):
        posts = None
    posts_row = books.posts_row(of, posts) if posts is not None else None
    if dump is not None or rebuild.is_due(of):
        rebuild.require_pages(of, found.pages_after)
    known = found.pages.known
    new = (*found.pages.new, *known) if plan.returning else found.pages.new
    if dump is not None:
        _plan_dump(of, plan, dump, dumps, new, known, posts, posts_row)
    elif new or posts_row:
        _plan_pages(of, plan, dumps, new, known, posts, posts_row)
    return plan


def _plan_dump(
    of: Scope,
    plan: TablePlan,
    waiting_dump: WaitingDump,
    dumps: Sequence[Dump],
    new: Sequence[PagesManifest],
    known: Sequence[PagesManifest],
    posts: Posts | None,
    posts_row: LedgerRow | None,
) -> None:
    """The state that bronze supports, dumps and pages together, against what silver holds."""
    newest = dumps[-1]
    row = replace(
        of.row(DUMP, newest.manifest.quarter, newest.manifest.data_version),
        rows_in=newest.manifest.rows,
        rows_quarantined=newest.cleaning.quarantined,
        rows_deduplicated=newest.cleaning.deduplicated,
        cut_at=newest.manifest.cut_at,
        revision=newest.manifest.revision,
        rests_on=waiting_dump.rests_on,
    )
    if not of.applied and len(dumps) == 1 and not new and not posts_row:
        told = newest.cleaning.rows_in - newest.cleaning.quarantined - newest.cleaning.deduplicated
        plan.ledger_rows = [replace(row, rows_inserted=told)]
        plan.first_load = tiny.Size(told, newest.manifest.bytes_unpacked // 4)  # so far do files of silver pack it
        if told:
            plan.changes = state.told_rows(of.spark, of.lake, of.table, newest, of.settings.keep_personal)
        return
    before = state.kept_before(of.target, of.newest_dump, dumps[0].manifest.cut_at)
    rows = sum(told.manifest.rows for told in dumps) + rows_held(of.applied)
    rows += sum(page.rows + page.absent for page in (*new, *known))
    is_few = rows <= read.FEW_ROWS and sum(told.manifest.bytes_unpacked for told in dumps) <= read.FEW_BYTES
    base = state.folded(of.spark, of.lake, of.table, dumps, before, of.settings.keep_personal, is_few)
    evidence = heard.evidence_of(of, plan, base, known, new, held=False) if new or known else None
    counts = settle(of, plan, base, of.target, evidence, posts, dumps, is_few)
    deleted = counts.deleted_by_absence + counts.deleted_by(None, with_posts=posts_row is None)
    plan.ledger_rows = [
        books.counted(row, counts.of_dump(), rows_deleted=deleted),
        *books.kept_rows(of, row, counts),
        *books.page_rows(of, new, counts, evidence, posts_row),
        *books.deletions(posts_row, counts),
    ]


def _plan_pages(
    of: Scope,
    plan: TablePlan,
    dumps: Sequence[Dump],
    new: Sequence[PagesManifest],
    known: Sequence[PagesManifest],
    posts: Posts | None,
    posts_row: LedgerRow | None,
) -> None:
    """Pages, and posts that have gone, against the rows of silver that they speak of.

    `dumps`: the applied one and what it rests on, as far as bronze holds them.
    """
    target = of.target
    evidence = heard.evidence_of(of, plan, target, known, new, held=True) if new else None
    spoken = target.select("Id").limit(0)
    chosen: list[int] | None = []
    if evidence is not None:
        spoken, chosen = evidence.statements.select("Id").distinct(), evidence.keys
    if posts is not None and posts_row:
        spoken = spoken.union(cascade.candidates(target, posts, plan.speaks_since).select("Id")).distinct()
        chosen = keys.few(spoken)
    if chosen is not None:
        spoken = keys.rows(of.spark, chosen)
    if of.newest_dump is None and rebuild.is_due(of):  # there is no other evidence than these pages, by today's rules
        rows = rows_held(of.applied) + heard.keys_spoken_of(evidence)
        counts = settle(of, plan, target.limit(0), target, evidence, posts, [], rows <= read.FEW_ROWS)
    else:
        concerned = keys.near(target, chosen).join(spoken, "Id", "left_semi")
        is_few = chosen is not None and len(chosen) <= read.FEW_ROWS
        if is_few:
            concerned = read.few(concerned)
        elif chosen is not None:
            concerned = concerned.persist()  # found once, then compared with themselves as they will be
        base = concerned.drop("site")
        if evidence is not None and of.newest_dump is not None:
            base = _with_returned(of, base, evidence, dumps)
        try:
            counts = settle(of, plan, base, concerned, evidence, posts, [], is_few)
        finally:
            concerned.unpersist()
    plan.ledger_rows = [
        *books.page_rows(of, new, counts, evidence, posts_row, without_dump=of.newest_dump is None),
        *books.deletions(posts_row, counts),
    ]


def _with_returned(of: Scope, held: DataFrame, evidence: Evidence, dumps: Sequence[Dump]) -> DataFrame:
    """The held rows, and what the applied dumps tell of rows that pages bring back, or say something of after they went
    along with a post: of those silver has the key only.

    Every row that silver lacks is looked for, not only those with a tombstone: tombstones go in a commit before the
    rows come back, so that after a kill in between there is none.
    """
    along = keys.rows(of.spark, sorted(gone.id for gone in tombstones.with_posts(of.tombstones)))
    newest = evidence.statements.where(F.col(pages.OUTCOME).isNull())
    spoken = newest.where("_present").select("Id").union(newest.select("Id").join(along, "Id", "left_semi"))
    lacking = spoken.distinct().join(held, "Id", "left_anti")
    chosen = keys.few(lacking)
    if chosen == []:
        return held
    if not dumps:
        _require_dumps_of_swept(of, lacking)
        return held
    told = state.folded(of.spark, of.lake, of.table, dumps, None, of.settings.keep_personal)
    return held.unionByName(keys.near(told, chosen).join(lacking, "Id", "left_semi"))


def _require_dumps_of_swept(of: Scope, lacking: DataFrame) -> None:
    """Raises `BadInput` where rows come back of which bronze no longer has what their dump told."""
    swept = [key for key, _ in tombstones.swept(of.tombstones)]
    back = [row[0] for row in lacking.where(F.col("Id").isin(swept)).collect()] if swept else []
    if back and of.newest_dump is not None:
        raise BadInput(
            f"{len(back):,} rows of {of.table.name} of {of.site} (such as {min(back)}) are back, but bronze no longer "
            f"holds the dump {of.newest_dump.partition}, which has the columns that pages do not tell. Nothing was "
            f"changed. Take it in again: so-lakehouse run --site {of.site} --quarter …"
        )
