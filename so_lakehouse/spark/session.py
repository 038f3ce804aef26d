"""How Spark is started: every configuration that matters, with its reason. Nothing here reads or writes data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from so_lakehouse.settings import Settings
from so_lakehouse.spark.jars import locked_jars, require_jars
from so_lakehouse.spark.java import require_java

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOG_CONFIGURATION = Path(__file__).with_name("log4j2.properties")

JAVA_OPTIONS = f"-Dlog4j2.configurationFile=file:{LOG_CONFIGURATION} -Dfile.encoding=UTF-8"

# From this many rows on, compiling a plan costs less than interpreting it. Below, most of a converge's CPU was compilation.
COMPILED_FROM_ROWS = 1_000_000

DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # The log of a small table is a few files: listing and replaying it in many tasks costs more than it saves.
    "spark.databricks.delta.snapshotPartitions": "2",
    # Converge hands MERGE a cached source that any task can compute again to the same rows: no second copy of it.
    "spark.databricks.delta.merge.materializeSource": "none",
    # VACUUM lists files in as many tasks as this; the default of 10,000 takes 45 s on an empty table.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
}

QUIET = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.debug.maxToStringFields": "200",
}

# One alone fails where the host's name resolves to a loopback address: the driver would bind one and announce another.
LOCAL_ADDRESS = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


def spark_config(settings: Settings) -> dict[str, str]:
    """Spark's configuration as text, for any session builder. Reads no file and starts nothing."""
    jars = [str(settings.jars_folder / jar.file) for jar in locked_jars()]
    config = {
        "spark.app.name": "so_lakehouse",
        "spark.master": settings.spark_master,
        "spark.jars": ",".join(jars),
        "spark.driver.memory": settings.spark_memory,
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(settings.home / "spark"),
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.driver.extraJavaOptions": f"{JAVA_OPTIONS} {settings.spark_java}",
        **DELTA,
        **QUIET,
    }
    return config | LOCAL_ADDRESS if settings.spark_master.startswith("local") else config


def fit_to_rows(spark: SparkSession, rows: int) -> None:
    """Sets what depends on how much is to be done; `rows` of the largest table."""
    compiled = "true" if rows >= COMPILED_FROM_ROWS else "false"
    spark.conf.set("spark.sql.codegen.wholeStage", compiled)
    spark.conf.set("spark.sql.codegen.factoryMode", "FALLBACK" if rows >= COMPILED_FROM_ROWS else "NO_CODEGEN")
    spark.conf.set("spark.sql.shuffle.partitions", str(4 * (os.cpu_count() or 1) if rows >= COMPILED_FROM_ROWS else 2))


def open_session(settings: Settings) -> SparkSession:
    """The session of this process, started where there is none; it lasts as long as the process.

    Raises `Unavailable` where Java or the jars are missing, before anything starts.
    """
    require_java()
    require_jars(settings)
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for name, value in spark_config(settings).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()
