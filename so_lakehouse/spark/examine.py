"""Looks once at an input before it is merged: how much of it cleaning refuses, and which keys that leaves untold.

Writes what is refused to the quarantine of the input. Belongs here: counting and quarantine. Not here: the rules
(`clean.py`) or the merge (`state.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from so_lakehouse import failpoints
from so_lakehouse.lake import paths
from so_lakehouse.lake.chain import Dump
from so_lakehouse.lake.ledger import DUMP
from so_lakehouse.lake.manifests import BronzeManifest
from so_lakehouse.lake.quarantine import CleaningManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import Table
from so_lakehouse.spark import clean, read

OPEN = "Id BIGINT"


def examine_dump(
    spark: SparkSession, lake: Lake, table: Table, manifest: BronzeManifest, rule_version: str
) -> CleaningManifest:
    """What cleaning finds in one dump; taken from its manifest where the same bytes were examined by the same rules."""
    found = CleaningManifest.load(lake, table.name, manifest.site, DUMP, manifest.input)
    is_same = found and (found.data_version, found.rule_version) == (manifest.data_version, rule_version)
    if found and is_same and bool(found.open_files) == bool(found.open_keys):
        return found
    rows = read.parquet(spark, lake, manifest.files, read.bronze_form(table))
    by_key = clean.judged(rows, table).groupBy("Id").agg(F.count("*").alias("n"), F.count(clean.REASON).alias("bad"))
    totals = by_key.agg(
        F.coalesce(F.sum("n"), F.lit(0)).alias("rows"),
        F.coalesce(F.sum("bad"), F.lit(0)).alias("bad"),
        F.count(F.when(F.col("n") > F.col("bad"), True)).alias("good_keys"),
        F.count(F.when(F.col("n") > F.col("bad") + 1, True)).alias("equal_keys"),
    ).collect()[0]
    equal_keys = totals["equal_keys"] > 0
    reasons: dict[str, int] = {}
    files: tuple[str, ...] = ()
    attempt = f"{paths.silver_quarantine(table.name, manifest.site, DUMP, manifest.input)}/attempt={uuid4().hex}"
    if totals["bad"] or equal_keys:
        files = _write(clean.refused(rows, table, equal_keys), lake, f"{attempt}/refused")
        kept = read.parquet(spark, lake, files, read.QUARANTINE)
        reasons = {row["reason"]: row["count"] for row in kept.groupBy("reason").count().collect()}
    quarantined = sum(reasons.values())
    open_keys = 0
    open_files: tuple[str, ...] = ()
    if totals["bad"] or manifest.quarantined:
        written = _write(_read_untold(spark, lake, table, manifest, files), lake, f"{attempt}/open")
        open_keys = read.parquet(spark, lake, written, OPEN).count()
        open_files = written if open_keys else ()
    cleaning = CleaningManifest(
        site=manifest.site,
        table=table.name,
        source=DUMP,
        partition=manifest.input,
        data_version=manifest.data_version,
        rule_version=rule_version,
        rows_in=totals["rows"],
        quarantined=quarantined,
        deduplicated=totals["rows"] - totals["good_keys"] - quarantined,
        equal_keys=equal_keys,
        open_keys=open_keys,
        reasons=reasons,
        files=files,
        open_files=open_files,
        written_at=datetime.now(UTC).isoformat(),
    )
    failpoints.reach("silver.before_quarantine_manifest")
    cleaning.save(lake)
    return cleaning


def examined(spark: SparkSession, lake: Lake, table: Table, manifest: BronzeManifest, rule_version: str) -> Dump:
    """One dump with what cleaning finds in it."""
    return Dump(manifest, examine_dump(spark, lake, table, manifest, rule_version))


def untold_keys(spark: SparkSession, lake: Lake, dump: Dump) -> DataFrame:
    """Keys (`Id`) that a dump holds only in quarantine, so that it says neither their values nor that they are gone.

    A fabricated post is told: there is no such post. Few are held by the driver: every plan over several dumps asks
    for them again and again.
    """
    files = dump.cleaning.open_files
    if files and dump.cleaning.open_keys <= read.FEW_ROWS:
        return spark.createDataFrame(read.arrow(lake, files, ["Id"]))
    return read.parquet(spark, lake, files, OPEN)


def _read_untold(
    spark: SparkSession, lake: Lake, table: Table, manifest: BronzeManifest, silver_quarantine: tuple[str, ...]
) -> DataFrame:
    bronze_files = [manifest.quarantine_file] if manifest.quarantine_file else []
    refused = read.parquet(spark, lake, silver_quarantine, read.QUARANTINE).where(F.col("reason") != clean.FABRICATED)
    unread = read.parquet(spark, lake, bronze_files, read.QUARANTINE)
    keys = refused.select("id").union(unread.select("id")).where("id IS NOT NULL").distinct()
    rows = read.parquet(spark, lake, manifest.files, read.bronze_form(table))
    told = clean.faultless(rows, table).select(F.col("Id").alias("id"))
    return keys.join(told, "id", "left_anti").select(F.col("id").alias("Id"))


def _write(rows: DataFrame, lake: Lake, folder: str) -> tuple[str, ...]:
    rows.write.parquet(lake.uri(folder))
    return tuple(path for path in lake.list(folder) if path.endswith(".parquet"))
