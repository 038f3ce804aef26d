"""Makes silver hold what all evidence in bronze says, for one site. See docs/converge.md for the rules.

Belongs here: the order of work. Plan every table, refuse what must be refused, then write: tombstones, tables, ledger.
A crash anywhere in between is repaired by the next run, because every step finds out by itself what is already there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pyarrow as pa
from pyspark.sql import SparkSession

from so_lakehouse import failpoints, schema
from so_lakehouse.errors import CheckFailed
from so_lakehouse.lake import gates, ledger, lock, paths, plain, silver_tables, tombstones, waiting
from so_lakehouse.lake.disk import require_space, scratch, told_when_full
from so_lakehouse.lake.ledger import Ledger, LedgerRow
from so_lakehouse.lake.manifests import bronze_manifests
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.tombstones import Tombstone
from so_lakehouse.progress import Progress, in_steps, silent
from so_lakehouse.settings import Settings
from so_lakehouse.spark import catalog, gate, repair, settled, write
from so_lakehouse.spark.cascade import DEPENDENTS, Posts
from so_lakehouse.spark.converged import Converged, converged
from so_lakehouse.spark.migrate import bring_up
from so_lakehouse.spark.plan import plan_table, scope
from so_lakehouse.spark.posts import posts_after
from so_lakehouse.spark.rebuild import require_dumps
from so_lakehouse.spark.session import TABLES_AT_ONCE, Work, fit_to_rows, own_session
from so_lakehouse.spark.settle import Scope, TablePlan

LOG = logging.getLogger(__name__)


def converge_where_due(
    start: Callable[[], SparkSession],
    lake: Lake,
    site: str,
    tables: Sequence[str],
    settings: Settings,
    progress: Progress = silent,
    rebuild: bool = False,
) -> dict[str, Converged]:
    """As `converge`; Spark is started (`start`) only where manifests and ledger do not tell that nothing is due."""
    told = None if rebuild else settled.standing(lake, site, _in_order(tables), settings)
    return told or converge(start(), lake, site, tables, settings, progress, rebuild)


def converge(
    spark: SparkSession,
    lake: Lake,
    site: str,
    tables: Sequence[str],
    settings: Settings,
    progress: Progress = silent,
    rebuild: bool = False,
) -> dict[str, Converged]:
    """Takes in what bronze holds and silver does not, for these tables of one site; returns what became of each.

    `rebuild`: takes in all that bronze holds, as after a change of the rules. Raises `CheckFailed` where a dump would
    delete too much of a table, `BadInput` where a rebuild lacks evidence or a newer release made the tables; no row was
    written then.
    """
    write.site_literal(site)
    names = _in_order(tables)
    written = [*names, silver_tables.TOMBSTONES.name, silver_tables.LEDGER.name]
    parts = [f"silver.{name}" for name in written]
    held = lock.writing(lake, parts, f"converge {site}", settings, progress, Work(spark))
    with told_when_full(site, scratch(lake, settings)), catalog.answering(settings), lake.answering(), held:
        known = repair.ledger_in_order(spark, lake, site, names, progress)
        gates.follow_before_expiry(lake, names)
        for name in names:
            table = silver_tables.silver_table(schema.table(name), settings.keep_personal)
            bring_up(spark, lake, table, progress)
        bring_up(spark, lake, silver_tables.TOMBSTONES, progress)
        # Twice: the changes are staged beside the table before they are merged into it.
        folder = lake.local_path("")
        if folder and (needed := 2 * waiting.bytes_to_take_in(lake, site, names, known)):
            require_space(folder, needed, settings.disk_reserve_bytes, f"{site}: silver")
        heard = settled.heard(lake, site, names, settings)  # before the plan: what lands meanwhile is news
        try:
            made = _converge(spark, lake, site, names, known, settings, progress, rebuild)
        except CheckFailed as error:
            gates.refuse(lake, site, str(error))
            raise
        gates.refuse(lake, site, "")
        settled.note(lake, site, names, heard)
        if missing := catalog.follow(spark, lake, settings):
            LOG.warning(missing)
        return {name: replace(table, catalog=missing) for name, table in made.items()}


def _in_order(tables: Sequence[str]) -> list[str]:
    """The tables as the schema orders them, each once; `BadInput` for a name that is none."""
    wanted = {schema.table(name).name for name in tables}
    return [name for name in schema.TABLES if name in wanted]


def _converge(
    spark: SparkSession,
    lake: Lake,
    site: str,
    names: Sequence[str],
    known: Ledger,
    settings: Settings,
    progress: Progress,
    rebuild: bool,
) -> dict[str, Converged]:
    seen = repair.as_to_rebuild(spark, lake, site, names, known, settings, rebuild)
    attempt, step = uuid4().hex, in_steps(progress, 3 * len(names))  # compared, written, checked
    try:
        plans = _planned(spark, lake, site, names, seen, settings, attempt, step)
        _refuse(plans)
        _write(spark, lake, site, plans, step)
    finally:
        lake.delete(paths.staging(site, attempt))
    plain.record(lake, _to_record(ledger.load(lake, site, names), plans))
    after = ledger.load(lake, site, names)
    judged = {name: plan.judged for name, plan in plans.items()}
    checked = gate.checked(spark, lake, site, names, after, judged, step)
    checks = {name: found.checks for name, found in checked.items()}
    return {
        name: converged(lake, name, known, after, plan.ignored, checks.get(name, ())) for name, plan in plans.items()
    }


def _planned(
    spark: SparkSession,
    lake: Lake,
    site: str,
    names: Sequence[str],
    known: Ledger,
    settings: Settings,
    attempt: str,
    step: Callable[[str], None],
) -> dict[str, TablePlan]:
    """The plans of all tables: posts first, because comments and history go along with them."""
    fit_to_rows(spark, max((m.rows for name in names for m in bronze_manifests(lake, name, site)), default=0))
    held = tombstones.load(lake, site)
    staging = paths.staging(site, attempt)

    def of(name: str) -> Scope:
        return scope(spark, lake, site, schema.table(name), known, held, settings, staging)

    def plan(name: str, posts: Posts | None = None) -> TablePlan:
        require_dumps(of(name))
        planned = plan_table(of(name), posts)
        step(f"{site}: compared {name}")
        return planned

    with ThreadPoolExecutor(TABLES_AT_ONCE) as pool:
        independent = {name: pool.submit(plan, name) for name in names if name not in DEPENDENTS}
        plans = {"posts": independent["posts"].result()} if "posts" in independent else {}
        concerned = any(name in DEPENDENTS for name in names)
        posts = posts_after(of("posts"), plans.get("posts")) if concerned else None
        dependent = {name: pool.submit(plan, name, posts) for name in names if name in DEPENDENTS}
        futures = independent | dependent
        return {name: futures[name].result() for name in names}


def _refuse(plans: dict[str, TablePlan]) -> None:
    """Raises `CheckFailed` where a dump may not delete what it lacks: of every such table, so that whoever accepts it
    has seen all of it."""
    failed = [check for plan in plans.values() for check in plan.judged if not check.passed]
    if failed:
        message = " ".join(f"{check.name}: {check.detail}" for check in failed)
        raise CheckFailed(message, {name: plan.judged for name, plan in plans.items()})


def _write(
    spark: SparkSession, lake: Lake, site: str, plans: dict[str, TablePlan], step: Callable[[str], None]
) -> None:
    returning = {name: plan.returning for name, plan in plans.items() if plan.returning}
    _write_tombstones(lake, site, plans, returning)
    changed = [plan for plan in plans.values() if plan.changes is not None]
    with ThreadPoolExecutor(TABLES_AT_ONCE) as pool:
        for plan in pool.map(lambda plan: _write_table(spark, lake, site, plan), changed):
            step(f"{site}: wrote {plan.table.name}")
    if returning:
        _write_tombstones(lake, site, plans, {})


def _write_tombstones(
    lake: Lake, site: str, plans: dict[str, TablePlan], returning: dict[str, tuple[Tombstone, ...]]
) -> None:
    """All tables' tombstones in one commit, before the rows go: a crash leaves a key too many, never one too few.

    So do the tombstones of rows that come back with their post (`returning`), which nothing else would fetch again.
    """
    new = {name: plan.tombstones for name, plan in plans.items() if plan.tombstones is not None}
    if not new:
        return
    for name in new.keys() & returning.keys():
        new[name] = pa.concat_tables([new[name], tombstones.table(returning[name])])
    failpoints.reach("silver.before_tombstones")
    tombstones.save(lake, site, tombstones.load(lake, site) | new)
    failpoints.reach("silver.tombstones_written")


def _write_table(spark: SparkSession, lake: Lake, site: str, plan: TablePlan) -> TablePlan:
    metadata = ledger.commit_metadata(plan.ledger_rows)
    assert plan.changes is not None, "only plans that change something are written"
    with own_session(spark) as session:
        write.create(session, lake, plan.table)
        failpoints.reach(f"silver.before_{plan.table.name}")
        if plan.first_load is not None:
            write.load_site(plan.changes, plan.first_load, lake, plan.table, site, metadata)
        else:
            write.merge(session, plan.staged_changes, lake, plan.table, site, metadata)
    failpoints.reach(f"silver.{plan.table.name}_written")
    return plan


def _to_record(after: Ledger, plans: dict[str, TablePlan]) -> list[LedgerRow]:
    """Rows that commits carry and the ledger lacks, and those of inputs that changed nothing and so have no commit."""
    without_commit = [row for plan in plans.values() if plan.changes is None for row in plan.ledger_rows]
    return [*after.unrecorded, *without_commit]
