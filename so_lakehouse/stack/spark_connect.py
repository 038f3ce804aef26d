"""A Spark Connect server of ours, so that runs need not start a JVM each: `python -m so_lakehouse.stack.spark_connect`.

Belongs here: its configuration, its command, its process. It is started by whoever wants one, not by `stack up`: what
it does for all runs is what a Spark of each run's own does. It serves this machine alone, and asks nobody who they are.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from so_lakehouse.errors import LakehouseError
from so_lakehouse.settings import Settings
from so_lakehouse.spark.session import require_spark, spark_config
from so_lakehouse.stack.network import LOCAL
from so_lakehouse.stack.ports import Port, answers, require_free
from so_lakehouse.stack.process import Service
from so_lakehouse.stack.secrets import write_private
from so_lakehouse.stack.spark_cluster import spark_home

MAIN = "org.apache.spark.sql.connect.service.SparkConnectServer"


def address(settings: Settings) -> str:
    """What `LAKEHOUSE_SPARK_REMOTE` is to be for the server of these settings."""
    return f"sc://{LOCAL}:{settings.stack_connect_port}"


def service(settings: Settings) -> Service:
    """The server as a process; its work is done where the settings say (`LAKEHOUSE_SPARK_MASTER`)."""
    port = settings.stack_connect_port
    return Service(
        name="spark-connect",
        command=lambda: command(settings),
        ports=[Port(port, "LAKEHOUSE_STACK_CONNECT_PORT")],
        healthy=lambda: answers(port),
        environment=environment(),
        prepare=lambda: configure(settings),
    )


def command(settings: Settings) -> list[str]:
    options = ["--load-spark-defaults", "--properties-file", str(_properties(settings)), "--class", MAIN]
    return [str(spark_home() / "bin" / "spark-submit"), *options, "spark-internal"]


def environment() -> dict[str, str]:
    return os.environ | {"SPARK_HOME": str(spark_home())}


def configure(settings: Settings) -> None:
    """Writes what the server is configured with (mode 600: it holds the object store's keys)."""
    values = spark_config(settings) | {
        "spark.connect.grpc.binding.address": LOCAL,
        "spark.connect.grpc.binding.port": str(settings.stack_connect_port),
    }
    write_private(_properties(settings), "".join(f"{name} {value}\n" for name, value in values.items()))


def _properties(settings: Settings) -> Path:
    return settings.stack_folder / "spark" / "connect.conf"


def main() -> None:
    """Becomes the server; ends with an error for people where that cannot be."""
    try:
        settings = replace(Settings.from_environment().of_writer("silver"), spark_remote="")  # it is the server
        require_spark(settings)
        require_free(service(settings).ports)
        configure(settings)
    except LakehouseError as error:
        raise SystemExit(str(error)) from None
    print(f"LAKEHOUSE_SPARK_REMOTE={address(settings)}", flush=True)
    words = command(settings)
    os.execvpe(words[0], words, environment())


if __name__ == "__main__":
    main()
