"""Every write to a table of silver that holds the publisher's rows: create, merge, replace. One call is one
commit.

Belongs here: how rows reach a table. Not here: which rows (`plan.py`), the ledger and the tombstones (`lake/plain.py`),
and who may write at all (`lake/lock.py`): the caller holds the tables' locks, and before each commit it is asked
whether it still does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from so_lakehouse import failpoints
from so_lakehouse.errors import BadInput
from so_lakehouse.lake import ledger, lock, paths, silver_tables, tiny
from so_lakehouse.lake.delta import log_of
from so_lakehouse.lake.silver_tables import DeltaTable, quoted_path, spark_literal
from so_lakehouse.lake.storage import Lake
from so_lakehouse.spark import keys
from so_lakehouse.spark.compare import ACTION, DELETE

USER_METADATA = "spark.databricks.delta.commitInfo.userMetadata"


def create(spark: SparkSession, lake: Lake, table: DeltaTable) -> None:
    """Creates the table where there is none."""
    if ledger.open_delta(lake, table.name) is None:
        failpoints.reach("silver.before_table")
        lock.require(lake, f"silver.{table.name}")
        lake.delete(log_of(paths.silver(table.name)))  # without a commit: Spark would take it for a table
        spark.sql(silver_tables.create_statement(table, silver_tables.uri(lake, table.name)))
        failpoints.reach("silver.table_created")


def stage(changes: DataFrame, lake: Lake, folder: str) -> DataFrame:
    """Writes rows as Parquet and returns them from there: computed once, of known size, and independent of the table
    that they are merged into. (Delta refuses a cached source, and would make such a copy itself.)
    """
    changes.write.parquet(lake.uri(folder))
    return changes.sparkSession.read.schema(changes.schema).parquet(lake.uri(folder))


def merge(spark: SparkSession, staged: str, lake: Lake, table: DeltaTable, site: str, metadata: str) -> None:
    """Applies the `compare.changed_rows` staged in a folder to one site, in one commit.

    Site and keys stand in the condition as literals: merges of different sites touch different partitions, and a merge
    of few keys opens few files.
    """
    changes, size = tiny.staged(lake, staged)
    if tiny.is_tiny(lake, table.name, site, size):
        tiny.merge(lake, table, site, changes.to_table(), metadata)
        return
    source = "parquet.`" + lake.uri(staged).replace("`", "``") + "`"
    changed = keys.staged(lake, staged)
    where = f"t.site = {site_literal(site)}"
    if changed is not None:
        where += f" AND {keys.condition(changed, 't.Id')}"
    lock.require(lake, f"silver.{table.name}")
    with commits_saying(spark, metadata):
        spark.sql(_merge_statement(table, silver_tables.uri(lake, table.name), source, site, where))


def _merge_statement(table: DeltaTable, address: str, source: str, site: str, where: str) -> str:
    columns = [name for name in table.column_names if name not in ("site", "Id")]
    assignments = ", ".join(f"t.`{name}` = s.`{name}`" for name in columns)
    names = ", ".join(f"`{name}`" for name in columns)
    values = ", ".join(f"s.`{name}`" for name in columns)
    return f"""
        MERGE INTO {quoted_path(address)} t USING {source} s ON {where} AND t.Id = s.Id
        WHEN MATCHED AND s.{ACTION} = '{DELETE}' THEN DELETE
        WHEN MATCHED THEN UPDATE SET {assignments}
        WHEN NOT MATCHED AND s.{ACTION} <> '{DELETE}'
          THEN INSERT (site, `Id`, {names}) VALUES ({site_literal(site)}, s.`Id`, {values})
    """


def load_site(rows: DataFrame, size: tiny.Size, lake: Lake, table: DeltaTable, site: str, metadata: str) -> None:
    """Writes a site's first rows, about as many as `size` says, in one commit."""
    if tiny.is_tiny(lake, table.name, site, size):
        tiny.replace_site(lake, table, site, rows.toArrow(), metadata)
    else:
        replace_site(rows, lake, table, site, metadata)


def replace_site(rows: DataFrame, lake: Lake, table: DeltaTable, site: str, metadata: str = "") -> None:
    """Makes these rows the site's only ones, in one commit; `site` is put first, the other columns come by name.

    So is a site's first load written too: of two writers that both believe theirs to be the first, Delta lets one pass.
    To append would let both.
    """
    complete = rows.withColumn("site", F.lit(site)).select(*table.column_names)
    writer = complete.write.format("delta").mode("overwrite").option("replaceWhere", f"site = {site_literal(site)}")
    if metadata:
        writer = writer.option("userMetadata", metadata)
    lock.require(lake, f"silver.{table.name}")
    writer.save(silver_tables.uri(lake, table.name))


def site_literal(site: str) -> str:
    """The site as a SQL spark_literal; `BadInput` for what cannot be a site key."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", site):
        raise BadInput(f"{site!r} is no site key; they look like beer, beer.meta or mathoverflow.net.")
    return spark_literal(site)


@contextmanager
def commits_saying(spark: SparkSession, metadata: str) -> Iterator[None]:
    """Commits of this session carry the metadata, for the block only."""
    spark.conf.set(USER_METADATA, metadata)
    try:
        yield
    finally:
        spark.conf.unset(USER_METADATA)
