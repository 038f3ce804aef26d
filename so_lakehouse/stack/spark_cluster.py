"""A Spark standalone cluster out of pyspark's own scripts: a master, and workers that are processes of their own.

Belongs here: how master and workers are started, and what every Spark process of the stack is configured with. Does
not belong here: sessions (`spark/session.py`). Who does not know the secret can neither submit work nor join.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import requests

from so_lakehouse.settings import Settings
from so_lakehouse.spark.java import require_java
from so_lakehouse.stack.network import LOCAL, MACHINE, Network
from so_lakehouse.stack.ports import Port, answers
from so_lakehouse.stack.process import Service
from so_lakehouse.stack.secrets import write_private

DAEMON_MEMORY = "512m"  # of the master's and a worker's own Java; executors have theirs

IDLE = "15s"
# A run keeps its Spark until it ends. One that waits, for another's lock or for dbt, gives its executors away: else the
# other, which has the lock, would wait for them for ever.
SHARED = {
    "spark.dynamicAllocation.enabled": "true",
    "spark.dynamicAllocation.initialExecutors": "1",
    "spark.dynamicAllocation.executorIdleTimeout": IDLE,
    "spark.dynamicAllocation.cachedExecutorIdleTimeout": IDLE,  # what one had in memory is read again
    "spark.dynamicAllocation.shuffleTracking.timeout": IDLE,
}


def services(settings: Settings, secrets: Mapping[str, str]) -> list[Service]:
    """Master and workers as native processes, in the order in which they start."""
    workers = [_worker(settings, secrets, number) for number in range(settings.stack_workers)]
    return [_master(settings, secrets), *workers]


def _master(settings: Settings, secrets: Mapping[str, str]) -> Service:
    page = Port(settings.stack_spark_page_port, "LAKEHOUSE_STACK_SPARK_PAGE_PORT")
    port = Port(settings.stack_spark_port, "LAKEHOUSE_STACK_SPARK_PORT")
    return Service(
        name="spark-master",
        command=lambda: master_command(settings),
        ports=[port, page],
        healthy=lambda: master_is_ready(settings),
        environment=environment(settings),
        prepare=lambda: configure(settings, secrets),
    )


def _worker(settings: Settings, secrets: Mapping[str, str], number: int) -> Service:
    page = Port(settings.stack_worker_page_port + number, "LAKEHOUSE_STACK_WORKER_PAGE_PORT")
    return Service(
        name=f"spark-worker-{number + 1}",
        command=lambda: worker_command(settings, number),
        ports=[Port(settings.stack_worker_port + number, "LAKEHOUSE_STACK_WORKER_PORT"), page],
        healthy=lambda: worker_is_ready(settings, number),
        environment=environment(settings),
        prepare=lambda: configure(settings, secrets),
    )


def master_is_ready(settings: Settings) -> bool:
    """Whether the master takes work and shows its page."""
    ports = (settings.stack_spark_port, settings.stack_spark_page_port)
    return all(answers(port, Network(settings).host("spark-master")) for port in ports)


def worker_is_ready(settings: Settings, number: int = 0) -> bool:
    """Whether this machine's or this container's worker has joined its master."""
    page = f"http://{LOCAL}:{settings.stack_worker_page_port + number}/json/"
    try:
        return bool(requests.get(page, timeout=2).json()["masterurl"])
    except requests.RequestException:
        return False


def master_command(settings: Settings) -> list[str]:
    """The master, natively and in a container."""
    where = ["--host", Network(settings).host("spark-master"), "--port", str(settings.stack_spark_port)]
    page = ["--webui-port", str(settings.stack_spark_page_port)]
    require_java()
    return [_spark_class(), "org.apache.spark.deploy.master.Master", *where, *page]


def worker_command(settings: Settings, number: int = 0) -> list[str]:
    """A worker, natively and in a container, where it goes by the container's own name."""
    require_java()
    network = Network(settings)
    where = ["--host", LOCAL] if settings.stack_network == MACHINE else []
    return [
        _spark_class(),
        "org.apache.spark.deploy.worker.Worker",
        *where,
        *("--port", str(settings.stack_worker_port + number)),
        *("--webui-port", str(settings.stack_worker_page_port + number)),
        *("--cores", str(settings.stack_worker_cores)),
        *("--memory", settings.stack_worker_memory),
        *("--work-dir", str(settings.stack_folder / "spark" / f"work-{number + 1}")),
        network.spark,
    ]


def environment(settings: Settings) -> dict[str, str]:
    """Variables of every process of the cluster. Natively all of them bind 127.0.0.1."""
    kept = {name: os.environ[name] for name in ("PATH", "JAVA_HOME", "LANG") if name in os.environ}
    bound = {"SPARK_LOCAL_IP": LOCAL} if settings.stack_network == MACHINE else {}
    return (
        kept
        | bound
        | {
            "SPARK_HOME": str(spark_home()),
            "SPARK_CONF_DIR": str(configuration_folder(settings)),
            "SPARK_DAEMON_MEMORY": DAEMON_MEMORY,
            # What applications leave in a worker's folder goes a day after they ended.
            "SPARK_WORKER_OPTS": "-Dspark.worker.cleanup.enabled=true -Dspark.worker.cleanup.appDataTtl=86400",
        }
    )


def configuration_folder(settings: Settings) -> Path:
    """The folder of spark-defaults.conf, which master, workers and whoever opens a session read."""
    return settings.stack_folder / "spark" / "conf"


def configure(settings: Settings, secrets: Mapping[str, str]) -> None:
    """Writes the configuration that all Spark processes share (mode 600: it holds the secret)."""
    values = {
        "spark.authenticate": "true",
        "spark.authenticate.secret": secrets["spark"],
        "spark.master.rest.enabled": "false",  # it takes work from anybody
        **SHARED,
    }
    if settings.stack_network == MACHINE:
        values |= {"spark.driver.host": LOCAL, "spark.driver.bindAddress": LOCAL}
    text = "".join(f"{name} {value}\n" for name, value in values.items())
    write_private(configuration_folder(settings) / "spark-defaults.conf", text)


def spark_home() -> Path:
    """pyspark's own folder, which is a whole Spark."""
    import pyspark

    return Path(pyspark.__file__).parent


def _spark_class() -> str:
    return str(spark_home() / "bin" / "spark-class")
