"""Few keys as literal ranges: by them Delta skips files, and Parquet row groups and pages, that a change cannot touch.

A join with a table of keys says the same, but only at run time, when every file has been opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pds
from pyspark.sql import DataFrame, SparkSession

from so_lakehouse.lake.storage import Lake

MOST_KEYS = 100_000  # a day of the busiest site; more would be most files anyway
MOST_RANGES = 64  # conditions are compared with every file's, row group's and page's statistics


def staged(lake: Lake, folder: str) -> list[int] | None:
    """As `few`, of rows staged in a folder; reads their keys without a job of Spark's. None also for as many rows."""
    files = [lake.path(path) for path in lake.list(folder) if path.endswith(".parquet")]
    if not files:
        return []
    rows = pds.dataset(files, filesystem=lake.fs, format="parquet")
    if rows.count_rows() > MOST_KEYS:
        return None
    return sorted(pc.unique(rows.to_table(columns=["Id"])["Id"]).to_pylist())


def few(rows: DataFrame) -> list[int] | None:
    """The different `Id` of the rows; None where they are more than `MOST_KEYS`."""
    found = rows.select("Id").distinct().limit(MOST_KEYS + 1).collect()
    return None if len(found) > MOST_KEYS else sorted(row[0] for row in found)


def rows(spark: SparkSession, keys: Sequence[int]) -> DataFrame:
    """These keys as rows with the column `Id`."""
    return spark.createDataFrame(pa.table({"Id": pa.array(keys, pa.int64())}))


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
