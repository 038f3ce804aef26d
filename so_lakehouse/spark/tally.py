"""Counts what a plan does, input by input, and collects the tombstones that it leaves.

Belongs here: from decided keys to numbers and tombstones. Not here: the decisions (`overlay.py`, `cascade.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from so_lakehouse.lake.ledger import DUMP, KEPT
from so_lakehouse.lake.tombstones import ABSENT_FROM_DUMP, NOT_RETURNED, POST_DELETED
from so_lakehouse.spark.absence import DENIED, Absence
from so_lakehouse.spark.compare import ACTION, ADVANCE, DELETE, INSERT, SAME, UPDATE
from so_lakehouse.spark.overlay import (
    ALIVE,
    BASE,
    GONE_AS_OF,
    GONE_POST,
    GONE_REASON,
    HEARD,
    INPUT,
    PRESENT,
)

COUNTED_AS = {INSERT: "rows_inserted", UPDATE: "rows_updated", ADVANCE: "rows_unchanged", SAME: "rows_unchanged"}
SUPERSEDED, SUPPRESSED = "rows_superseded", "rows_suppressed"
_KINDS = (ACTION, ALIVE, BASE, INPUT, PRESENT, HEARD, GONE_REASON)


@dataclass(frozen=True)
class Tally:
    """Keys of one table by what happens to them."""

    groups: tuple[Row, ...]

    @classmethod
    def of(cls, acted: DataFrame) -> Tally:
        """Counts the rows of `compare.actions`, in one query."""
        return cls(tuple(acted.groupBy(*_KINDS).agg(F.count("*").alias("n")).collect()))

    def count(self, wanted: Callable[[Row], bool]) -> int:
        return sum(group["n"] for group in self.groups if wanted(group))

    @property
    def changes(self) -> int:
        """Keys whose row is written or deleted."""
        return self.count(lambda g: g[ACTION] in (INSERT, UPDATE, ADVANCE, DELETE))

    @property
    def held(self) -> int:
        """Rows that silver held before."""
        return self.count(lambda g: g[ACTION] in (UPDATE, ADVANCE, SAME, DELETE))

    @property
    def gone(self) -> int:
        """Keys that some statement, not a dump's silence, declares dead."""
        return self.count(lambda g: g[GONE_REASON] is not None)

    @property
    def deleted_by_absence(self) -> int:
        return self.count(lambda g: g[ACTION] == DELETE and g[GONE_REASON] is None)

    @property
    def taken_back(self) -> int:
        """Rows of which an older dump than the newest tells other values than silver held."""
        return self.count(lambda g: g[ACTION] == UPDATE and g[BASE] == KEPT and not g[HEARD])

    @property
    def deleted_with_posts(self) -> int:
        return self.count(lambda g: g[ACTION] == DELETE and g[GONE_REASON] == POST_DELETED)

    def deleted_by(self, input_name: str | None, with_posts: bool) -> int:
        """Rows deleted by a statement of this input (None: of one counted before).

        `with_posts`: also those that its statement put under a deleted post.
        """
        reasons = (NOT_RETURNED, POST_DELETED) if with_posts else (NOT_RETURNED,)
        return self.count(lambda g: g[ACTION] == DELETE and g[GONE_REASON] in reasons and g[INPUT] == input_name)

    def of_dump(self) -> Counter[str]:
        """What became of the rows that the newest dump tells."""
        return self._outcome(lambda g: g[BASE] == DUMP)

    def of_older(self) -> Counter[str]:
        """What became of the rows that older dumps tell in its place, and of those that only pages tell that were
        counted before, where these are news to silver again."""
        return self._outcome(lambda g: g[BASE] == KEPT) + self._outcome(
            lambda g: g[BASE] is None and g[INPUT] is None and g[ALIVE] and g[ACTION] in (INSERT, UPDATE)
        )

    def _outcome(self, wanted: Callable[[Row], bool]) -> Counter[str]:
        outcome: Counter[str] = Counter()
        for group in filter(wanted, self.groups):
            outcome[_dump_outcome(group)] += group["n"]
        return outcome

    def of_pages(self, input_name: str) -> Counter[str]:
        """What became of the keys of which this input tells the newest presence."""
        outcome: Counter[str] = Counter()
        for group in self.groups:
            if group[INPUT] == input_name and group[PRESENT]:
                outcome[_page_outcome(group)] += group["n"]
        return outcome


def _dump_outcome(group: Row) -> str:
    if not group[ALIVE]:
        return SUPPRESSED
    if group[INPUT] is not None and group[HEARD]:
        return SUPERSEDED  # the page has it, and counts it
    return COUNTED_AS[group[ACTION]]


def _page_outcome(group: Row) -> str:
    if not group[HEARD]:
        return SUPERSEDED
    return COUNTED_AS[group[ACTION]] if group[ALIVE] else SUPPRESSED


def tombstones(acted: DataFrame, absence: Absence) -> DataFrame:
    """Tombstones of every key that this plan finds dead: id, as_of, reason, post_id."""
    told = acted.where(F.col(GONE_REASON).isNotNull())
    silent = acted.where((F.col(ACTION) == DELETE) & F.col(GONE_REASON).isNull())
    return told.select(
        F.col("Id").alias("id"),
        F.col(GONE_AS_OF).alias("as_of"),
        F.col(GONE_REASON).alias("reason"),
        F.col(GONE_POST).alias("post_id"),
    ).unionByName(absences(silent, absence))


def absences(deleted: DataFrame, absence: Absence) -> DataFrame:
    """Tombstones of keys that dumps deny; none where there is no dump."""
    return (
        absence.moments(deleted, "Id")
        .where(F.col(DENIED).isNotNull())
        .select(
            F.col("Id").alias("id"),
            F.col(DENIED).alias("as_of"),
            F.lit(ABSENT_FROM_DUMP).alias("reason"),
            F.lit(None).cast("bigint").alias("post_id"),
        )
    )
