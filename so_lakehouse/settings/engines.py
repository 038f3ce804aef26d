"""The Postgres, the Spark and the Dagster that do the work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from so_lakehouse.settings.entry import PROJECT_ROOT, setting


@dataclass(frozen=True)
class EngineSettings:
    """The Postgres, the Spark and the Dagster that do the work."""

    postgres: str = setting(
        "LAKEHOUSE_POSTGRES",
        "",
        "Postgres address, best of a database named lakehouse (Dagster counts rows under that name); default the "
        "embedded server in <home>/postgres.",
        secret=True,  # with its password
    )
    postgres_dbt: str = setting(
        "LAKEHOUSE_POSTGRES_DBT",
        "",
        "Postgres address with the role that builds and publishes the marts; default LAKEHOUSE_POSTGRES.",
        secret=True,  # with its password
    )
    postgres_reader: str = setting(
        "LAKEHOUSE_POSTGRES_READER",
        "",
        "Postgres address with the role that only asks (so-lakehouse sql and status); default LAKEHOUSE_POSTGRES.",
        secret=True,  # with its password
    )
    spark_master: str = setting(
        "LAKEHOUSE_SPARK_MASTER", "local[*]", "Spark master: local[*], or spark://host:7077 for a cluster."
    )
    spark_workers_have_jars: bool = setting(
        "LAKEHOUSE_SPARK_WORKERS_HAVE_JARS",
        False,
        "Whether the cluster's workers have Spark's jars where this machine has them, as those of the stack do; else "
        "each run sends them (700 MB with a lake in an object store).",
    )
    spark_remote: str = setting(
        "LAKEHOUSE_SPARK_REMOTE",
        "",
        "Address of a Spark Connect server (sc://host:15002) to use instead of starting Spark.",
        secret=True,  # with its token
    )
    metastore: str = setting(
        "LAKEHOUSE_METASTORE",
        "",
        "Address of a Hive Metastore (thrift://host:9083) that shall know silver's tables by name; default none.",
    )
    spark_memory: str = setting("LAKEHOUSE_SPARK_MEMORY", "2g", "Memory of the Spark driver.")
    spark_java: str = setting(
        "LAKEHOUSE_SPARK_JAVA",
        "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC",
        "Options of Spark's Java; the default halves the CPU of small sites, millions of rows want -XX:+UseParallelGC.",
    )
    dagster: str = setting("LAKEHOUSE_DAGSTER", "", "Folder of Dagster's dagster.yaml; default <home>/dagster.")

    @property
    def jars_folder(self) -> Path:
        """Spark's jars, resolved once at set-up; they belong to the installation, not to a lake."""
        return PROJECT_ROOT / ".jars"
