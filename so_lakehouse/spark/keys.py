"""Few keys as literal ranges: by them Delta skips files, and Parquet row groups and pages, that a change cannot touch.

A join with a table of keys says the same, but only at run time, when every file has been opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pyspark.sql import DataFrame

MOST_KEYS = 100_000  # a day of the busiest site; more would be most files anyway
MOST_RANGES = 64  # conditions are compared with every file's, row group's and page's statistics


def few(rows: DataFrame) -> list[int] | None:
    """The different `Id` of the rows; None where they are more than `MOST_KEYS`."""
    found = rows.select("Id").distinct().limit(MOST_KEYS + 1).collect()
    return None if len(found) > MOST_KEYS else sorted(row[0] for row in found)


def ranges(keys: Sequence[int], most: int = MOST_RANGES) -> list[tuple[int, int]]:
    """At most `most` ranges (first, last) that hold all keys, cut where the gaps are widest."""
    ordered = sorted(set(keys))
    gaps = sorted(range(1, len(ordered)), key=lambda place: ordered[place - 1] - ordered[place])
    cuts = [0, *sorted(gaps[: most - 1]), len(ordered)]
    return [(ordered[first], ordered[end - 1]) for first, end in pairwise(cuts) if first < end]


def condition(keys: Sequence[int], column: str = "Id") -> str:
    """SQL that is true for all of these keys, and for few others."""
    told = [f"{column} BETWEEN {first} AND {last}" for first, last in ranges(keys)]
    return f"({' OR '.join(told)})" if told else "false"


def near(rows: DataFrame, keys: Sequence[int] | None) -> DataFrame:
    """The rows with these keys and some others; all rows where `keys` is None."""
    return rows if keys is None else rows.where(condition(keys))
