"""Bronze and silver as DataFrames: what a manifest or a Delta table names, with declared types. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.dataset as pds
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from so_lakehouse.lake import silver_tables, tiny
from so_lakehouse.lake.silver_tables import DeltaTable
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import Table, Type
from so_lakehouse.schema_forms import SPARK

# What the driver may hold of one table: several are compared at once, and each row passes it twice.
FEW_ROWS, FEW_BYTES = 5_000, 50_000_000

QUARANTINE = "byte_offset BIGINT, reason STRING, detail STRING, id BIGINT, raw BINARY"


def bronze_form(table: Table) -> str:
    """Spark's DDL of `schema_forms.bronze_schema`: tag lists are still one string."""
    columns = [f"`{c.name}` {SPARK[Type.TEXT if c.type is Type.TAGS else c.type]}" for c in table.columns]
    return ", ".join([*columns, "`_extra` MAP<STRING, STRING>", "`_offset` BIGINT"])


def page_form(table: Table) -> str:
    """Spark's DDL of `api_pages.page_schema`."""
    return f"{bronze_form(table)}, `_as_of` TIMESTAMP, `_present` BOOLEAN"


def parquet(spark: SparkSession, lake: Lake, files: Sequence[str], form: str) -> DataFrame:
    """The rows of these files of the lake; without files, no rows."""
    if not files:
        return no_rows(spark, form)
    return spark.read.schema(form).parquet(*(lake.uri(file) for file in files))


def arrow(lake: Lake, files: Sequence[str], columns: Sequence[str]) -> pa.Table:
    """These columns of Parquet files of the lake, without a job of Spark's: for what is known to be small."""
    return pds.dataset([lake.path(file) for file in files], filesystem=lake.fs, format="parquet").to_table([*columns])


def silver_rows(spark: SparkSession, lake: Lake, table: str, site: str) -> DataFrame:
    """Current rows of one site; held by the driver where they are few."""
    held = tiny.held(lake, table, site)
    if held.rows <= FEW_ROWS and held.packed_bytes <= tiny.TINY_BYTES:
        return spark.createDataFrame(tiny.rows(lake, table, site))
    return spark.read.format("delta").load(silver_tables.uri(lake, table)).where(F.col("site") == site)


def few(rows: DataFrame) -> DataFrame:
    """The same rows, computed here and now and held by the driver: for at most `FEW_ROWS` that are asked several times.

    A plan over held rows is short, and much of it costs no job. What Spark's own cache holds is planned, cut into jobs
    and described each time with all that it came from, which of few rows is most of the work.
    """
    return rows.sparkSession.createDataFrame(rows.toArrow())


def few_or_not(rows: DataFrame, most: float) -> DataFrame:
    """The rows, held as by `few` where they are at most `FEW_ROWS`; `most`: how many there can be."""
    return few(rows) if most <= FEW_ROWS else rows


def no_rows(spark: SparkSession, form: str) -> DataFrame:
    """A table of this form (DDL) without rows. Known to be empty when it is planned: it costs no job."""
    return spark.range(0).select(F.from_json(F.lit("{}"), form).alias("row")).select("row.*")


def keyed(spark: SparkSession, told: Iterable[tuple[int, datetime]], key: str, moment: str) -> DataFrame:
    """Pairs of a key and a moment in UTC, as rows with these column names."""
    pairs = list(told)
    columns = {
        key: pa.array([pair[0] for pair in pairs], pa.int64()),
        moment: pa.array([pair[1] for pair in pairs], pa.timestamp("us", tz="UTC")),
    }
    return spark.createDataFrame(pa.table(columns))  # of a list Spark would make a job with a Python process


def silver_form(table: DeltaTable) -> str:
    """Spark's DDL of a table of silver."""
    return ", ".join(f"`{column.name}` {column.type}" for column in table.columns)
