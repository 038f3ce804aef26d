"""Proves that the warehouse is the projection of silver: both sides are read whole and compared by an order-free hash.

Belongs here: that comparison, as a check. It reads every column of every row on both sides as streams, so its memory
does not grow with the site. A load makes it before it commits: what does not equal silver is never seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi as adbc

from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.quality.warehouse import EQUALS_SILVER
from so_lakehouse.sql import literal, quoted
from so_lakehouse.warehouse.feed import SilverTable, arrow_schema
from so_lakehouse.warehouse.projection import Projection


@dataclass(frozen=True)
class Digest:
    """Rows of a stream and the sum of their hashes modulo 2^64: the same for the same rows in any order."""

    rows: int
    hashes: int


def equals_silver(
    cursor: adbc.Cursor, silver: SilverTable, projection: Projection, site: str, table: str = ""
) -> CheckOutcome:
    """Does the warehouse's table hold the projection of this version of silver, for one site?

    Reads inside the cursor's transaction. `table`: where the rows are, as SQL names it; default the table of `lake`.
    """
    fields = ", ".join(quoted(name) for name in projection.field_names)
    cursor.execute(f"SELECT {fields} FROM {table or f'lake.{projection.name}'} WHERE site = {literal(site)}")
    schema = arrow_schema(projection)
    here = digest(batch.cast(schema) for batch in cursor.fetch_record_batch())
    there = digest(silver.rows(projection, site).reader())
    numbers = {"rows": here.rows, "rows_in_silver": there.rows, "silver_version": silver.version}
    where = f"lake.{projection.name} of {site}"
    if here == there:
        detail = f"{where}: {here.rows:,} rows, the same as silver version {silver.version}."
        return CheckOutcome(EQUALS_SILVER.name, True, EQUALS_SILVER.blocking, detail, numbers)
    difference = "the same number of rows, other values" if here.rows == there.rows else f"{there.rows:,} in silver"
    detail = f"{where} has {here.rows:,} rows, {difference} (version {silver.version})."
    return CheckOutcome(EQUALS_SILVER.name, False, EQUALS_SILVER.blocking, detail, numbers)


def digest(batches: Iterable[pa.RecordBatch]) -> Digest:
    """The digest of a stream of batches; columns count by position and value, absence is a value of its own."""
    rows, total = 0, np.uint64(0)
    with np.errstate(over="ignore"):  # the arithmetic is modulo 2^64
        for batch in batches:
            rows += batch.num_rows
            state = np.zeros(batch.num_rows, np.uint64)
            for column in batch.columns:
                state = _mixed(state * _ODD + _as_numbers(column))
            total += state.sum(dtype=np.uint64)
    return Digest(rows, int(total))


_ODD = np.uint64(0x9E3779B97F4A7C15)
_ABSENT = np.uint64(0x5851F42D4C957F2D)


def _mixed(values: np.ndarray) -> np.ndarray:
    """Spreads every bit over all (the finaliser of SplitMix64), so that swapped values do not cancel out."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _as_numbers(column: pa.Array) -> np.ndarray:
    """One unsigned number per value. Texts repeat (tags, licences), so each distinct one is hashed once per batch."""
    absent = np.asarray(pc.is_null(column))
    if pa.types.is_string(column.type):
        encoded = cast(pa.DictionaryArray, pc.dictionary_encode(column.fill_null("")))
        texts = map(str, encoded.dictionary.to_pylist())
        hashed = [int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) for text in texts]
        numbers = np.array(hashed, np.uint64)[np.asarray(encoded.indices)]
    else:
        whole = pa.int32() if pa.types.is_date32(column.type) else pa.int64()
        numbers = np.asarray(column.cast(whole).cast(pa.int64()).fill_null(0)).view(np.uint64)
    return np.where(absent, _ABSENT, numbers)
