"""What pages say for one plan: statements of new and of known pages, of remembered sweeps, ranked and staged.

Belongs here: which pages are asked. Not here: how one statement is read (`pages.py`) and what it does (`overlay.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from so_lakehouse.lake import tombstones
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.spark import keys, pages, read, write
from so_lakehouse.spark.absence import heard_after
from so_lakehouse.spark.overlay import INPUT
from so_lakehouse.spark.settle import Evidence, Scope, TablePlan


def evidence_of(
    of: Scope,
    plan: TablePlan,
    base: DataFrame,
    known: Sequence[PagesManifest],
    new: Sequence[PagesManifest],
    held: bool,
) -> Evidence:
    """Statements of pages beside the rows of `base`; those of `new` are counted.

    `held`: silver has what `known` pages said, in rows and in the sweeps that it remembers; else they are read again.
    """
    refused = pages.quarantine_pages(of.spark, of.lake, of.table, new, of.rules)
    said = _said(of, new)
    earlier = [page for page in known if page not in new]
    if earlier and not held:
        said = said.unionByName(_uncounted(_said(of, earlier)))
    elif earlier and (went := _went_along(of, said)):
        said = said.unionByName(_uncounted(keys.near(_said(of, earlier), went).where(F.col("Id").isin(went))))
    swept = tombstones.swept(of.tombstones) if held else []
    if swept:
        remembered = read.keyed(of.spark, swept, "Id", "_as_of").withColumn("_present", F.lit(False))
        said = said.unionByName(remembered, allowMissingColumns=True)
    if plan.absence.unread is not None:  # rows differ in what they speak of; few are spoken of
        base = keys.near(base, keys.few(said)).join(said.select("Id").distinct(), "Id", "left_semi")
    after = heard_after(said, base, plan.absence, plan.cut)
    ranked = pages.ranked(after, of.table, of.settings.keep_personal)
    folder = f"{plan.staging}/statements"
    return Evidence(write.stage(ranked, of.lake, folder), refused, keys.staged(of.lake, folder))


def _said(of: Scope, manifests: Sequence[PagesManifest]) -> DataFrame:
    return pages.statements(of.spark, of.lake, of.table, manifests, of.settings.keep_personal)


def _uncounted(statements: DataFrame) -> DataFrame:
    return statements.withColumn(INPUT, F.lit(None).cast("string"))


def _went_along(of: Scope, said: DataFrame) -> list[int]:
    """The rows spoken of that went along with a post: of these silver has the key only, so it cannot tell whether what
    put them under that post is newer."""
    along = [tombstone.id for tombstone in tombstones.with_posts(of.tombstones)]
    if not along:
        return []
    spoken = said.select("Id").join(keys.rows(of.spark, along), "Id", "left_semi").distinct()
    return [row[0] for row in spoken.collect()]


def keys_spoken_of(evidence: Evidence | None) -> float:
    """How many keys pages speak of; infinitely many where they were not counted."""
    if evidence is None:
        return 0
    return inf if evidence.keys is None else len(evidence.keys)
