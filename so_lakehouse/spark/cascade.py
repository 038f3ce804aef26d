"""What goes along with a deleted post: its comments and its history, as far as their own evidence is older.

DataFrame to DataFrame. The rule looks at the final state of posts only, so the order of arrival does not matter: a row
goes where its post is not in silver and the newest evidence of the post's absence is newer than the row's own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from so_lakehouse.lake.tombstones import POST_DELETED, Tombstone, with_posts
from so_lakehouse.spark import keys, read
from so_lakehouse.spark.absence import DENIED, Absence
from so_lakehouse.spark.overlay import ALIVE, GONE_AS_OF, GONE_POST, GONE_REASON

DEPENDENTS = ("comments", "post_history")


@dataclass(frozen=True)
class Posts:
    """Posts of a site as they will be when this run is done."""

    alive: DataFrame  # Id
    swept: tuple[tuple[int, datetime], ...]  # posts that are not alive because a page says so: id, as of
    absence: Absence  # what the dumps that posts rest on say of posts that they do not tell
    dump: str  # names these dumps: a re-issue of one cut may lack other posts

    def voids_after(self, cut: datetime | None) -> bool:
        """Whether a row that speaks of `cut` (None: of any moment) can be voided at all: some absence is newer."""
        absences = [self.absence.as_of, *(moment for _, moment in self.swept)]
        return any(moment is not None and (cut is None or moment > cut) for moment in absences)

    def version(self) -> str:
        """Names the absences: another name, other absences."""
        swept = sorted((key, moment.isoformat()) for key, moment in self.swept)
        return hashlib.sha256(json.dumps([self.dump, swept]).encode()).hexdigest()[:16]


def undeleted(posts: Posts, tombstones: Sequence[Tombstone]) -> tuple[Tombstone, ...]:
    """The tombstones of rows that must be fetched from bronze again: their post is back, or the dump that denied it was
    re-issued and does so no more."""
    ids = {tombstone.post_id for tombstone in tombstones if tombstone.post_id is not None}
    back = alive_of(posts, ids)
    gone = _gone_as_of(posts, ids - back) if posts.absence.unread is not None else {}

    def is_back(tombstone: Tombstone) -> bool:
        if tombstone.post_id not in gone:
            return tombstone.post_id in back
        as_of = gone[tombstone.post_id]
        return as_of is None or as_of < tombstone.as_of

    return tuple(filter(is_back, tombstones))


def dated(posts: Posts, held: pa.Table) -> pa.Table:
    """Tombstones of a table, those of rows that went along as of the newest evidence of their post's absence."""
    gone = _gone_as_of(posts, {tombstone.post_id for tombstone in with_posts(held) if tombstone.post_id is not None})
    moments = [gone.get(post_id) or as_of for post_id, as_of in zip(*_columns(held, "post_id", "as_of"), strict=True)]
    place = held.schema.get_field_index("as_of")
    return held.set_column(place, held.schema.field(place), pa.array(moments, held.schema.field(place).type))


def _columns(rows: pa.Table, *names: str) -> list[list[Any]]:
    return [rows[name].to_pylist() for name in names]


def _gone_as_of(posts: Posts, ids: Iterable[int]) -> dict[int, datetime | None]:
    """As of when each of these posts is known to be gone; None: it is not known to be."""
    wanted, swept = sorted(ids), dict(posts.swept)
    if posts.absence.others is None:
        denied = dict.fromkeys(wanted, posts.absence.as_of)
    else:
        rows = posts.absence.moments(keys.rows(posts.alive.sparkSession, wanted), "Id")
        denied = {row["Id"]: row[DENIED] for row in rows.select("Id", DENIED).toArrow().to_pylist()}
    told = {key: [moment for moment in (as_of, swept.get(key)) if moment] for key, as_of in denied.items()}
    return {key: max(moments, default=None) for key, moments in told.items()}


def alive_of(posts: Posts, ids: Iterable[int]) -> set[int]:
    """Those of these posts that are alive."""
    wanted = sorted(ids)
    return {row[0] for row in posts.alive.where(F.col("Id").isin(wanted)).collect()} if wanted else set()


def candidates(target: DataFrame, posts: Posts, cut: datetime | None) -> DataFrame:
    """Rows of silver whose post may be gone."""
    if posts.absence.as_of is not None and (cut is None or posts.absence.as_of > cut):
        return target.join(posts.alive.select(F.col("Id").alias("PostId")), "PostId", "left_anti")
    return target.join(_swept(posts).select(F.col("_post").alias("PostId")), "PostId", "left_semi")


def voided(rows: DataFrame, posts: Posts, cut: datetime | None) -> DataFrame:
    """The decided rows, those dead whose post took them along. `cut` is what rows without `_as_of` speak of."""
    alive = posts.alive.select(F.col("Id").alias("_alive_post"))
    joined = rows.join(_swept(posts), F.col("PostId") == F.col("_post"), "left")
    joined = joined.join(alive, F.col("PostId") == F.col("_alive_post"), "left")
    joined = posts.absence.moments(joined, "PostId")
    absence = F.greatest(DENIED, "_post_gone")
    evidence = F.coalesce("_as_of", F.lit(cut).cast("timestamp"))
    void = F.coalesce(F.col(ALIVE) & F.col("_alive_post").isNull() & (evidence < absence), F.lit(False))
    marked = {
        ALIVE: F.col(ALIVE) & ~void,
        GONE_AS_OF: F.when(void, absence).otherwise(F.col(GONE_AS_OF)),
        GONE_REASON: F.when(void, F.lit(POST_DELETED)).otherwise(F.col(GONE_REASON)),
        GONE_POST: F.when(void, F.col("PostId")).otherwise(F.col(GONE_POST)),
    }
    return joined.withColumns(marked).drop("_post", "_post_gone", "_alive_post", DENIED)


def _swept(posts: Posts) -> DataFrame:
    return read.keyed(posts.alive.sparkSession, posts.swept, "_post", "_post_gone")
