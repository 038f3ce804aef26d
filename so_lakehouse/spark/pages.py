"""Pages of the API as statements: cleaned, in silver's spelling, with the input that each came from.

Belongs here: reading pages and counting what does not become a key's newest statement. Not here: what a newest
statement does to a row (`overlay.py`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from so_lakehouse import failpoints
from so_lakehouse.lake import paths
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.quarantine import CleaningManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import Table
from so_lakehouse.spark import clean, read
from so_lakehouse.spark.absence import HEARD_AFTER
from so_lakehouse.spark.fingerprint import fingerprint
from so_lakehouse.spark.overlay import INPUT, newest_first, value_columns

SUPERSEDED, SUPPRESSED, DEDUPLICATED = "rows_superseded", "rows_suppressed", "rows_deduplicated"
OUTCOME = "_outcome"


def source(manifest: PagesManifest) -> str:
    """The ledger's name of an entity's pages."""
    return f"api/{manifest.entity}"


def input_name(manifest: PagesManifest) -> str:
    """Names an input in DataFrames."""
    return f"{manifest.entity}/{manifest.day}"


def page_rows(spark: SparkSession, lake: Lake, table: Table, manifests: Sequence[PagesManifest]) -> DataFrame:
    """All rows of these pages as bronze holds them, with `_input`."""
    files = [file for manifest in manifests for file in manifest.files]
    rows = read.parquet(spark, lake, files, read.page_form(table))
    if not files:
        return rows.withColumn(INPUT, F.lit(None).cast("string"))
    path = F.col("_metadata.file_path")
    entity, day = (F.regexp_extract(path, "/bronze/api/([^/]+)/day=([^/]+)/", group) for group in (1, 2))
    return rows.withColumn(INPUT, F.concat(entity, F.lit("/"), day))


def quarantine_pages(
    spark: SparkSession, lake: Lake, table: Table, manifests: Sequence[PagesManifest], rules: str
) -> Counter[str]:
    """Writes what cleaning refuses of these pages to the quarantine of each; returns refused rows by input name."""
    rows = clean.judged(page_rows(spark, lake, table, manifests).where("_present"), table)
    bad = rows.where(F.col(clean.REASON).isNotNull()).groupBy(INPUT, clean.REASON).count().collect()
    counts: Counter[str] = Counter()
    for row in bad:
        counts[row[INPUT]] += row["count"]
    for manifest in manifests:
        files: tuple[str, ...] = ()
        if counts[input_name(manifest)]:
            folder = paths.silver_quarantine(table.name, manifest.site, source(manifest), manifest.day)
            attempt = f"{folder}/attempt={uuid4().hex}"
            present = page_rows(spark, lake, table, [manifest]).where("_present").drop(INPUT)
            clean.refused(present, table, equal_keys=False).write.parquet(lake.uri(attempt))
            files = tuple(path for path in lake.list(attempt) if path.endswith(".parquet"))
        elif CleaningManifest.load(lake, table.name, manifest.site, source(manifest), manifest.day) is None:
            continue  # nothing is refused, and nothing was
        failpoints.reach("silver.before_page_quarantine")
        CleaningManifest(
            site=manifest.site,
            table=table.name,
            source=source(manifest),
            partition=manifest.day,
            data_version=manifest.data_version,
            rule_version=rules,
            rows_in=manifest.rows,
            quarantined=counts[input_name(manifest)],
            reasons={row[clean.REASON]: row["count"] for row in bad if row[INPUT] == input_name(manifest)},
            files=files,
            written_at=datetime.now(UTC).isoformat(),
        ).save(lake)
    return counts


def statements(
    spark: SparkSession, lake: Lake, table: Table, manifests: Sequence[PagesManifest], keep_personal: bool
) -> DataFrame:
    """Every faultless statement of these pages: silver's columns, `_as_of`, `_present`, `_input`, `_offset`."""
    rows = page_rows(spark, lake, table, manifests)
    told = clean.faultless(rows.where("_present"), table).unionByName(rows.where(~F.col("_present")))
    beside = ["_as_of", "_present", INPUT, "_offset"]
    return clean.shaped(told, table, keep_personal, beside)


def ranked(found: DataFrame, table: Table, keep_personal: bool) -> DataFrame:
    """Statements of `absence.heard_after`, with `_outcome`: null for the newest of its key, else what became of it in
    the ledger's words."""
    values = value_columns(table, keep_personal)
    late = F.coalesce(F.col("_as_of") <= F.col(HEARD_AFTER), F.lit(False))
    same = Window.partitionBy(INPUT, "Id", "_as_of", "_present", fingerprint(values)).orderBy(F.desc("_offset"))
    by_key = Window.partitionBy("Id").orderBy(
        F.asc(late), *newest_first(table, keep_personal), F.desc_nulls_last(INPUT), F.desc("_offset")
    )
    rank = F.row_number().over(by_key)
    outcome: Column = (
        F.when(late, SUPERSEDED)
        .when(rank == 1, F.lit(None))  # before the copies: of two at one offset each window may choose another
        .when(F.row_number().over(same) > 1, DEDUPLICATED)
        .otherwise(F.when(F.first("_present").over(by_key), SUPERSEDED).otherwise(SUPPRESSED))
    )
    return found.withColumn(OUTCOME, outcome)


def overtaken(found: DataFrame) -> defaultdict[str, Counter[str]]:
    """For each counted input: what became of the rows of `ranked` that are not the newest of their key."""
    rows = found.where(F.col(OUTCOME).isNotNull() & F.col("_present") & F.col(INPUT).isNotNull())
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows.groupBy(INPUT, OUTCOME).count().collect():
        counts[row[INPUT]][row[OUTCOME]] = row["count"]
    return counts
