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

# Up to this many rows, most of a converge's CPU is Spark's own: compiling plans, cutting them into stages and jobs.
# 250,000 posts and their next quarter took 29.8 and 100.2 s as small, 11.7 and 31.3 s as large (2 cores, one run each).
SMALL_ROWS = 100_000
SMALL = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
}
LARGE = {
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.sql.adaptive.enabled": "true",
    # Adaptive execution joins small partitions again, so this bounds memory per task, not the number of files.
    "spark.sql.shuffle.partitions": str(8 * (os.cpu_count() or 1)),
}

DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # The log of a small table is a few files: listing and replaying it in many tasks costs more than it saves.
    "spark.databricks.delta.snapshotPartitions": "2",
    # Converge hands MERGE rows that it has written to files (`write.stage`): no second copy of them.
    "spark.databricks.delta.merge.materializeSource": "none",
    # VACUUM lists files in as many tasks as this; the default of 10,000 takes 45 s on an empty table.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
}

QUIET = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.debug.maxToStringFields": "200",
}

# Small commits wait for the driver and the disk, not for cores; more tables at once than this gained nothing.
TABLES_AT_ONCE = 4

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
    for name, value in (SMALL if rows <= SMALL_ROWS else LARGE).items():
        spark.conf.set(name, value)


def writers(spark: SparkSession) -> int:
    """How many tables may be written at once: each needs a session of its own."""
    return TABLES_AT_ONCE if hasattr(spark, "newSession") else 1


def own_session(spark: SparkSession) -> SparkSession:
    """A session with a configuration of its own, so that threads do not see each other's commit metadata.

    Spark Connect has none to give: there it is the caller's session, and tables are written one after the other.
    """
    if not hasattr(spark, "newSession"):
        return spark
    session = spark.newSession()
    for name in SMALL:  # a new session knows only what the application was started with
        session.conf.set(name, spark.conf.get(name) or "")
    return session


def require_spark(settings: Settings) -> None:
    """Raises `Unavailable` where Java or the jars are missing, with what to do; starts nothing."""
    require_java()
    require_jars(settings)


def open_session(settings: Settings) -> SparkSession:
    """The session of this process, started where there is none; it lasts as long as the process.

    Raises `Unavailable` where Java or the jars are missing, before anything starts.
    """
    require_spark(settings)
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for name, value in spark_config(settings).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()
