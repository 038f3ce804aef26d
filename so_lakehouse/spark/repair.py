"""Puts a table's keys and its ledger right where somebody else wrote into it; the first step of a rebuild on request.

Belongs here: rows that were lost or doubled behind the ledger's back. Not here: what the rows should say, which the
rebuild then finds out from bronze.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from so_lakehouse import schema
from so_lakehouse.lake import ledger, silver_tables
from so_lakehouse.lake.ledger import FOUND, Ledger, LedgerRow
from so_lakehouse.lake.storage import Lake
from so_lakehouse.spark import clean, read, write


def repair(spark: SparkSession, lake: Lake, site: str, name: str, known: Ledger, keep_personal: bool) -> bool:
    """Leaves one row for each key, and makes the ledger add up to them; False where that was so. In one commit.

    What stays of a doubled key may be either row: the comparison with bronze follows. The caller holds the table's lock
    and has recorded every commit.
    """
    delta = ledger.open_delta(lake, name)
    if delta is None:
        return False
    rows = read.silver_rows(spark, lake, name, site)
    held, keyed = rows.agg(F.count(F.lit(1)), F.countDistinct("Id")).collect()[0]
    missing = keyed - ledger.rows_held(known.of(name))
    if held == keyed and not missing:
        return False
    row = LedgerRow(
        site=site,
        table_name=name,
        source=FOUND,
        partition="rebuild",
        data_version=f"{name}@{delta.version()}",
        rule_version=clean.rule_version(schema.table(name), keep_personal),
        applied_at=datetime.now(UTC),
        rows_in=max(missing, 0),
        rows_inserted=max(missing, 0),
        rows_deleted=max(-missing, 0),
    )
    if held == keyed:
        write.record(spark, lake, [row])
        return True
    table = silver_tables.silver_table(schema.table(name), keep_personal)
    single = rows.where(F.col("Id").isNotNull()).dropDuplicates(["Id"]).drop("site")
    write.replace_site(single, lake, table, site, ledger.commit_metadata([row]))
    write.record(spark, lake, ledger.load(lake, site, [name]).unrecorded)
    return True
