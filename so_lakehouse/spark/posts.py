"""Posts of a site as they will be when a run is done, for the tables whose rows go along with them.

Belongs here: finding that out, from the plan of posts or from what is applied. Not here: what it does to comments and
history (`cascade.py`).
"""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from so_lakehouse.lake import chain, tombstones
from so_lakehouse.lake.ledger import LedgerRow, rows_held
from so_lakehouse.spark import examine, read
from so_lakehouse.spark.absence import Absence, absence
from so_lakehouse.spark.cascade import Posts, alive_of
from so_lakehouse.spark.compare import ACTION, DELETE, INSERT
from so_lakehouse.spark.settle import Scope, TablePlan


def posts_after(of: Scope, plan: TablePlan | None) -> Posts | None:
    """Posts once their `plan` is carried out (None: they are not part of this run).

    None where silver has no posts of this site and gets none.
    """
    alive = _alive(of, plan)
    if alive is None:
        return None
    dump = (plan.dump if plan else None) or of.newest_dump
    denied = plan.absence if plan and plan.dump else _applied_absence(of)
    posts = Posts(alive, (), denied, _name(dump) if denied.as_of else "")
    if plan is not None and plan.tombstones is not None:
        return replace(posts, swept=tuple(tombstones.swept(plan.tombstones)))
    swept = tombstones.swept(of.tombstones)
    # A run that was killed before it wrote posts has left tombstones of posts that are still there.
    there = alive_of(posts, [key for key, _ in swept])
    return replace(posts, swept=tuple((key, as_of) for key, as_of in swept if key not in there))


def _alive(of: Scope, plan: TablePlan | None) -> DataFrame | None:
    """Id of the posts, held where they are few: each table that goes along asks for them several times. None where
    there are none and never were."""
    rows = [*of.applied, *(plan.ledger_rows if plan is not None else ())]
    if not rows:
        return None
    return read.few_or_not(_alive_rows(of, plan), rows_held(rows))


def _alive_rows(of: Scope, plan: TablePlan | None) -> DataFrame:
    changes = plan.changes if plan is not None else None
    ids = of.target.select("Id")
    if changes is None:
        return ids
    if plan is not None and plan.first_load:
        return changes.select("Id")
    deleted = changes.where(F.col(ACTION) == DELETE).select("Id")
    inserted = changes.where(F.col(ACTION) == INSERT).select("Id")
    return ids.join(deleted, "Id", "left_anti").union(inserted)


def _applied_absence(of: Scope) -> Absence:
    """What is denied: nothing where bronze no longer holds the dumps, as which keys they told is unknown then."""
    manifests = chain.applied_dumps(of.lake, of.table.name, of.site, of.newest_dump)
    dumps = [examine.examined(of.spark, of.lake, of.table, manifest, of.rules) for manifest in manifests]
    return absence(of.spark, of.lake, of.table, dumps, None)


def _name(dump: LedgerRow | None) -> str:
    """Names the dumps that posts rest on: a re-issue of one cut may lack other posts."""
    return "" if dump is None else f"{dump.data_version}<{dump.rests_on}|{dump.rule_version}"
