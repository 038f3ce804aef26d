"""How Spark is started: every configuration that matters, with its reason. Nothing here reads or writes data."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import psutil

from so_lakehouse.errors import Unavailable
from so_lakehouse.lake.object_store import ObjectStore
from so_lakehouse.settings import Settings
from so_lakehouse.spark import catalog, java_names
from so_lakehouse.spark.jars import jars_for, require_jars
from so_lakehouse.spark.java import require_java

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOG = logging.getLogger(__name__)
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
    # Of small files one task reads all; by default as many as there are cores share them.
    "spark.sql.leafNodeDefaultParallelism": "1",
    # A broadcast is a job of its own: joined by sorting, a converge of a few rows took a tenth less CPU.
    "spark.sql.autoBroadcastJoinThreshold": "-1",
}
LARGE = {
    "spark.sql.codegen.wholeStage": "true",
    "spark.sql.codegen.factoryMode": "FALLBACK",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.autoBroadcastJoinThreshold": str(10 * 2**20),  # bytes; Spark's default
    # Adaptive execution joins small partitions again, so this bounds memory per task, not the number of files.
    "spark.sql.shuffle.partitions": str(8 * (os.cpu_count() or 1)),
}

DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}

# What a session of its own may set, also one of a Spark Connect server that somebody else has started.
SESSION = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.compression.codec": "zstd",
    # The default counts nanoseconds, which other readers take for dates from 1677 to 2262 only.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # A table's log names some thousand files at most: one task replays it. Two cost a ninth of a small converge's CPU.
    "spark.databricks.delta.snapshotPartitions": "1",
    # Converge hands MERGE rows that it has written to files (`write.stage`): no second copy of them.
    "spark.databricks.delta.merge.materializeSource": "none",
    # VACUUM lists files in as many tasks as this; the default of 10,000 takes 45 s on an empty table.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
}

S3A = {
    # Parquet that Spark writes itself appears when the job is done, without a copy: a store has no rename.
    "spark.hadoop.fs.s3a.committer.name": "magic",
    "spark.hadoop.mapreduce.outputcommitter.factory.scheme.s3a": "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory",
    "spark.sql.sources.commitProtocolClass": "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol",
    "spark.sql.parquet.output.committer.class": "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter",
    # The others are made for AWS' own servers.
    "spark.hadoop.fs.s3a.input.stream.type": "classic",
}

# Of a Spark Connect server: the work of a client that is gone is stopped before another may take over its locks
# (`lake/lease.py`). A client that lives comes back whenever the server ends an answer; who does not is gone.
CONNECT_SERVER = {
    "spark.connect.execute.reattachable.senderMaxStreamDuration": "20s",
    "spark.connect.execute.manager.detachedTimeout": "20s",
    "spark.connect.execute.manager.maintenanceInterval": "10s",
}

QUIET = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # Of each query Spark writes down its plan for the page that we do not show: in short form, without its columns.
    "spark.sql.ui.explainMode": "simple",
    "spark.sql.debug.maxToStringFields": "1",
}

_own_sessions: list[SparkSession] = []  # of `own_session`, while they are open

# Small commits wait for the driver and the disk, not for cores; more tables at once than this gained nothing.
TABLES_AT_ONCE = 4

SECRETS = ("spark.hadoop.fs.s3a.access.key", "spark.hadoop.fs.s3a.secret.key")

# One alone fails where the host's name resolves to a loopback address: the driver would bind one and announce another.
LOCAL_ADDRESS = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


def spark_config(settings: Settings) -> dict[str, str]:
    """The configuration as text of a Spark that we start, or that is to be our Spark Connect server. Holds the object
    store's keys. Reads no file and starts nothing."""
    is_local = settings.spark_master.startswith("local")
    config = {
        "spark.app.name": "so_lakehouse",
        "spark.master": settings.spark_master,
        "spark.driver.memory": settings.spark_memory,
        "spark.sql.warehouse.dir": str(settings.home / "spark"),
        "spark.driver.extraJavaOptions": f"{JAVA_OPTIONS} {settings.spark_java}",
        **DELTA,
        **SESSION,
        **CONNECT_SERVER,
        **QUIET,
        **(LOCAL_ADDRESS if is_local else {}),
    }
    if settings.lake_is_in_s3:
        config |= S3A | ObjectStore.of(settings).spark_options()
    return config | catalog.options(settings) | _jars(settings)


def _jars(settings: Settings) -> dict[str, str]:
    """How Spark's processes get their jars: those on `spark.jars` are copied beside the driver and to each executor."""
    jars = [str(settings.jars_folder / jar.file) for jar in jars_for(settings)]
    if settings.spark_workers_have_jars or settings.spark_master.startswith("local"):
        class_path = os.pathsep.join(jars)
        return {"spark.driver.extraClassPath": class_path, "spark.executor.extraClassPath": class_path}
    return {"spark.jars": ",".join(jars)}


def fit_to_rows(spark: SparkSession, rows: int) -> None:
    """Sets what depends on how much is to be done; `rows` of the largest table."""
    fitting = SMALL if rows <= SMALL_ROWS else LARGE
    for name in SMALL.keys() | LARGE.keys():
        if name in fitting:
            spark.conf.set(name, fitting[name])
        else:
            spark.conf.unset(name)


@contextmanager
def own_session(spark: SparkSession) -> Iterator[SparkSession]:
    """A session with a configuration of its own, so that threads do not see each other's commit metadata."""
    if is_remote(spark):
        session = spark.cloneSession()  # type: ignore[attr-defined]
    else:
        session = spark.newSession()
        for name in SMALL.keys() | LARGE.keys():  # a new session knows only what the application was started with
            if (value := spark.conf.get(name, None)) is not None:
                session.conf.set(name, value)
    _own_sessions.append(session)
    try:
        yield session
    finally:
        _own_sessions.remove(session)
        if is_remote(session):  # the server would keep it for an hour; here it goes by itself
            session.client.release_session()
            session.client.close()


class Work:
    """What Spark is doing for this process, to be stopped from another thread by whoever keeps its locks."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark

    def cancel(self) -> None:
        """Whoever waits for Spark meets an error. A commit that has begun goes on."""
        for session in (self._spark, *_own_sessions):
            session.interruptAll()

    def kill(self) -> None:
        """Ends the Java that this process has started, and with it a commit that waits for its store. What a Spark
        Connect server does goes on."""
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if child.name() == "java":
                    child.kill()


def is_remote(spark: SparkSession) -> bool:
    """Whether the work is done by a Spark Connect server."""
    return not hasattr(spark, "newSession")


def require_spark(settings: Settings) -> None:
    """Raises `Unavailable` where Java or the jars are missing, with what to do; starts nothing. A Spark Connect server
    has its own."""
    if settings.spark_remote:
        return
    require_java()
    require_jars(settings)


def open_session(settings: Settings) -> SparkSession:
    """The session of this process, started where there is none; it lasts as long as the process.

    Raises `Unavailable` where Java or the jars are missing, before anything starts, and where no Spark Connect server
    answers. A metastore that does not answer is left out, with a warning: Spark would fail at the first statement.
    """
    require_spark(settings)
    from pyspark.sql import SparkSession

    if settings.spark_remote:
        return _connected(settings)
    if settings.metastore and not catalog.answers(settings):
        LOG.warning("The metastore at %s does not answer; Spark starts without it.", settings.metastore)
        settings = replace(settings, metastore="")
    config = spark_config(settings)
    secrets = {name: config.pop(name) for name in SECRETS if name in config}
    builder = SparkSession.builder
    for name, value in config.items():
        builder = builder.config(name, value)
    with _handed_over(secrets), _without_asking_its_name(settings):
        session = builder.getOrCreate()
    java_names.remember(session)
    return session


@contextmanager
def _without_asking_its_name(settings: Settings) -> Iterator[None]:
    """Spark on this machine alone, started in the block, asks nobody for the address of the host's name. Java else does
    so before it reads any configuration, and ends where nobody knows that name, as in many containers."""
    variable = "SPARK_LOCAL_IP"
    if variable in os.environ or not settings.spark_master.startswith("local"):
        yield
        return
    os.environ[variable] = LOCAL_ADDRESS["spark.driver.host"]
    try:
        yield
    finally:
        del os.environ[variable]


@contextmanager
def _handed_over(secrets: dict[str, str]) -> Iterator[None]:
    """Spark that starts in the block finds these settings in a file. pyspark would write them on Java's command line,
    which every account of the machine can read."""
    if not secrets:
        yield
        return
    before = os.environ.get("PYSPARK_SUBMIT_ARGS")
    with NamedTemporaryFile("w", suffix=".conf") as file:  # for its owner alone
        file.writelines(f"{name} {value}\n" for name, value in secrets.items())
        file.flush()
        # Unless it is asked for too, spark-defaults.conf is not read, and in it is a cluster's secret.
        ours = f"--load-spark-defaults --properties-file {file.name}"
        os.environ["PYSPARK_SUBMIT_ARGS"] = f"{ours} {before or 'pyspark-shell'}"
        try:
            yield
        finally:
            del os.environ["PYSPARK_SUBMIT_ARGS"]
            if before is not None:
                os.environ["PYSPARK_SUBMIT_ARGS"] = before


def _connected(settings: Settings) -> SparkSession:
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    try:
        builder = SparkSession.builder.remote(settings.spark_remote)
        for name, value in SESSION.items():
            builder = builder.config(name, value)
        return builder.getOrCreate()
    except (PySparkException, ImportError) as error:
        raise Unavailable(
            f"No Spark Connect server answers at {settings.spark_remote.partition('/;')[0]}: "  # behind it is the token
            f"{' '.join(str(error).split())}. Start it, or leave LAKEHOUSE_SPARK_REMOTE empty for a Spark of our own."
        ) from error
