"""Equality of rows by 64 bits, so that texts are read but never shuffled."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F


def fingerprint(columns: Sequence[str]) -> Column:
    """64 bits of these columns' values.

    Nulls have a place of their own: xxhash64 alone passes over them, so that a value that moves to the next column
    would go unseen.
    """
    nulls = F.array(*(F.col(name).isNull() for name in columns))
    return F.xxhash64(nulls, *(F.col(name) for name in columns))
