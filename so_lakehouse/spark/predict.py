"""What dumps and pages predict for the next dump: the rows that silver would hold of them, from bronze alone.

DataFrame to DataFrame; the rules are the converge's own (docs/converge.md), each by the function that the converge
calls. Belongs here: putting them together without silver. Not here: which dumps and pages (`lake/reconcilable.py`), the
comparison (`reconcile.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.chain import Dump, pages_after
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import Table
from so_lakehouse.spark import cascade, overlay, pages, state
from so_lakehouse.spark.absence import Absence, absence, heard_after
from so_lakehouse.spark.cascade import Posts
from so_lakehouse.spark.overlay import ALIVE, GONE_AS_OF


@dataclass(frozen=True)
class Evidence:
    """What was known of one table of a site. `dumps`: the newest and those it rests on, oldest first; `pages` fetched
    after `until` are not heard."""

    table: Table
    dumps: tuple[Dump, ...]
    pages: tuple[PagesManifest, ...]
    until: datetime
    keep_personal: bool

    @property
    def cut(self) -> datetime:
        return self.dumps[-1].manifest.cut_at


@dataclass(frozen=True)
class Prediction:
    """Decided rows as `overlay.py` has them, each key once, and what the dumps say of keys that they do not tell."""

    rows: DataFrame
    absence: Absence


def predicted(spark: SparkSession, lake: Lake, of: Evidence, posts: Posts | None) -> Prediction:
    """The state after all of this evidence. `posts`: what takes rows along; None for a table whose rows stand alone."""
    base = state.folded(spark, lake, of.table, of.dumps, None, of.keep_personal)
    silent = absence(spark, lake, of.table, of.dumps, of.cut)
    decided = overlay.undisputed(base)
    if heard := _heard(of):
        said = pages.statements(spark, lake, of.table, heard, of.keep_personal).where(F.col("_as_of") <= of.until)
        ranked = pages.ranked(heard_after(said, base, silent, of.cut), of.table, of.keep_personal)
        newest = ranked.where(F.col(pages.OUTCOME).isNull())
        decided = overlay.decided(base, newest, of.table, of.keep_personal, of.cut)
    if posts is not None and posts.voids_after(None if of.dumps[-1].is_open else of.cut):
        decided = cascade.voided(decided, posts, of.cut)
    return Prediction(decided, silent)


def posts_of(prediction: Prediction) -> Posts:
    """Predicted posts as the tables see them whose rows go along with one."""
    gone = prediction.rows.where(~F.col(ALIVE)).select("Id", GONE_AS_OF).toArrow().to_pylist()
    swept = tuple((row["Id"], row[GONE_AS_OF]) for row in gone)
    return Posts(prediction.rows.where(ALIVE).select("Id"), swept, prediction.absence, "")


def _heard(of: Evidence) -> Sequence[PagesManifest]:
    """The pages of which some row may say something beside the dumps."""
    after = pages_after(of.dumps, None)
    return [manifest for manifest in of.pages if after is None or manifest.newest > after]
