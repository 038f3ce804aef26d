"""What goes along with a deleted post: its comments and its history, as far as their own evidence is older.

DataFrame to DataFrame. The rule looks at the final state of posts only, so the order of arrival does not matter: a row
goes where its post is not in silver and the newest evidence of the post's absence is newer than the row's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from so_lakehouse.lake.tombstones import Tombstone
from so_lakehouse.spark.overlay import ALIVE, GONE_AS_OF, GONE_POST, GONE_REASON

DEPENDENTS = ("comments", "post_history")
POST_DELETED = "post deleted"


@dataclass(frozen=True)
class Posts:
    """Posts of a site as they will be when this run is done. Lazy; frames of no rows stand for nothing."""

    alive: DataFrame  # Id
    tombstones: DataFrame  # id, as_of: of posts that are not alive
    cut: datetime | None  # of the dump that posts rest on
    newest_tombstone: datetime | None

    def voids_after(self, cut: datetime | None) -> bool:
        """Whether a row that speaks of `cut` can be voided at all: some absence is newer."""
        return any(moment is not None and (cut is None or moment > cut) for moment in (self.cut, self.newest_tombstone))

    def version(self) -> str:
        """Names the absences: another name, other absences."""
        return f"{self.cut.isoformat() if self.cut else 'none'}+{self.newest_tombstone or 'none'}"


def undeleted(posts: Posts, tombstones: Sequence[Tombstone]) -> bool:
    """Whether a post that took rows along is back, so that they must be fetched from bronze again."""
    ids = sorted({tombstone.post_id for tombstone in tombstones if tombstone.post_id is not None})
    return bool(ids) and bool(posts.alive.where(F.col("Id").isin(ids)).limit(1).count())


def candidates(target: DataFrame, posts: Posts, cut: datetime | None) -> DataFrame:
    """Rows of silver whose post may be gone."""
    if posts.cut is not None and (cut is None or posts.cut > cut):
        return target.join(posts.alive.select(F.col("Id").alias("PostId")), "PostId", "left_anti")
    return target.join(posts.tombstones.select(F.col("id").alias("PostId")), "PostId", "left_semi")


def voided(rows: DataFrame, posts: Posts, cut: datetime | None) -> DataFrame:
    """The decided rows, those dead whose post took them along. `cut` is what rows without `_as_of` speak of."""
    gone = posts.tombstones.select(F.col("id").alias("_post"), F.col("as_of").alias("_post_gone"))
    joined = rows.join(gone, F.col("PostId") == F.col("_post"), "left")
    absence = F.col("_post_gone")
    if posts.cut is not None and (cut is None or posts.cut > cut):
        # The posts' dump is newer than this table's: every post that it lacks is an absence, tombstone or not.
        alive = posts.alive.select(F.col("Id").alias("_alive_post"))
        joined = joined.join(alive, F.col("PostId") == F.col("_alive_post"), "left")
        absence = F.when(F.col("_alive_post").isNull(), F.greatest(F.lit(posts.cut), F.col("_post_gone")))
    evidence = F.coalesce("_as_of", F.lit(cut).cast("timestamp"))
    void = F.col(ALIVE) & absence.isNotNull() & (evidence < absence)
    marked = {
        ALIVE: F.col(ALIVE) & ~F.coalesce(void, F.lit(False)),
        GONE_AS_OF: F.when(void, absence).otherwise(F.col(GONE_AS_OF)),
        GONE_REASON: F.when(void, F.lit(POST_DELETED)).otherwise(F.col(GONE_REASON)),
        GONE_POST: F.when(void, F.col("PostId")).otherwise(F.col(GONE_POST)),
    }
    return joined.withColumns(marked).drop("_post", "_post_gone", "_alive_post")
