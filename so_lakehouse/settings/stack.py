"""The services that `so-lakehouse stack` starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from so_lakehouse.settings.entry import PROJECT_ROOT, setting


@dataclass(frozen=True)
class StackSettings:
    """The services that `so-lakehouse stack` starts."""

    stack_network: str = setting(
        "LAKEHOUSE_STACK_NETWORK",
        "machine",
        "Where the stack's services are: machine (all on 127.0.0.1) or containers (each at a host of its name).",
    )
    stack_s3: str = setting("LAKEHOUSE_STACK_S3", "minio", "The stack's object store: minio or versitygw.")
    stack_programs: Path = setting(
        "LAKEHOUSE_STACK_PROGRAMS", PROJECT_ROOT / ".stack" / "bin", "Folder of the programs that the stack builds."
    )
    stack_s3_port: int = setting("LAKEHOUSE_STACK_S3_PORT", 9000, "Port of the stack's object store.")
    stack_s3_page_port: int = setting("LAKEHOUSE_STACK_S3_PAGE_PORT", 9001, "Port of MinIO's web page.")
    stack_postgres_port: int = setting("LAKEHOUSE_STACK_POSTGRES_PORT", 5432, "Port of the stack's Postgres.")
    stack_metastore_port: int = setting("LAKEHOUSE_STACK_METASTORE_PORT", 9083, "Port of the Hive Metastore.")
    stack_spark_port: int = setting("LAKEHOUSE_STACK_SPARK_PORT", 7077, "Port of the Spark master.")
    stack_spark_page_port: int = setting("LAKEHOUSE_STACK_SPARK_PAGE_PORT", 8080, "Port of the Spark master's page.")
    stack_worker_port: int = setting(
        "LAKEHOUSE_STACK_WORKER_PORT", 7078, "Port of the first Spark worker; further ones take the next."
    )
    stack_worker_page_port: int = setting(
        "LAKEHOUSE_STACK_WORKER_PAGE_PORT",
        8081,
        "Port of the first Spark worker's page; further ones take the next.",
    )
    stack_connect_port: int = setting(
        "LAKEHOUSE_STACK_CONNECT_PORT", 15002, "Port of a Spark Connect server of ours, where one is started."
    )
    stack_workers: int = setting("LAKEHOUSE_STACK_WORKERS", 1, "Spark workers, each a process of its own.")
    stack_worker_cores: int = setting("LAKEHOUSE_STACK_WORKER_CORES", 2, "Cores that one Spark worker gives away.")
    stack_worker_memory: str = setting(
        "LAKEHOUSE_STACK_WORKER_MEMORY", "2g", "Memory that one Spark worker gives away."
    )
    stack_code_port: int = setting("LAKEHOUSE_STACK_CODE_PORT", 4000, "Port of Dagster's code location.")
    stack_dagster_port: int = setting("LAKEHOUSE_STACK_DAGSTER_PORT", 3000, "Port of Dagster's web page.")
