"""The stack among containers: what each becomes, out of the same commands as the native processes, and its set-up.

Belongs here: what a container's entry point and its health check do. Does not belong here: images, volumes and limits
(`docker/compose.yaml`), nor any command itself. The variables that compose sets are those of `environment.py`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from so_lakehouse.errors import BadInput
from so_lakehouse.settings import Settings
from so_lakehouse.stack import dagster_database, dagster_services, metastore, object_store, postgres, spark_cluster
from so_lakehouse.stack.network import CONTAINERS
from so_lakehouse.stack.secrets import from_environment

Plan = tuple[Sequence[str], Mapping[str, str]]  # command and environment
Becoming = Callable[[Settings, Mapping[str, str]], Plan]


def _s3(settings: Settings, secrets: Mapping[str, str]) -> Plan:
    object_store.make_folders(settings)
    command = [object_store.chosen(settings), *object_store.arguments(settings)]
    return command, os.environ | object_store.environment(secrets)


def _metastore(settings: Settings, secrets: Mapping[str, str]) -> Plan:
    metastore.make_folder(settings)
    return metastore.command(settings), metastore.environment(settings, secrets)


def _spark(command: Callable[[Settings], list[str]]) -> Becoming:
    def become(settings: Settings, secrets: Mapping[str, str]) -> Plan:
        spark_cluster.configure(settings, secrets)
        return command(settings), spark_cluster.environment(settings)

    return become


def _dagster(command: Callable[[Settings], list[str]]) -> Becoming:
    def become(settings: Settings, secrets: Mapping[str, str]) -> Plan:
        dagster_services.configure(settings)
        spark_cluster.configure(settings, secrets)  # runs open Spark sessions
        return command(settings), os.environ

    return become


# What a container can be, by the name of its service in compose, and whether it is well. Postgres has its own image.
SERVED: dict[str, tuple[Becoming, Callable[[Settings], bool]]] = {
    "s3": (_s3, object_store.is_ready),
    "metastore": (_metastore, metastore.is_ready),
    "spark-master": (_spark(spark_cluster.master_command), spark_cluster.master_is_ready),
    "spark-worker": (_spark(spark_cluster.worker_command), spark_cluster.worker_is_ready),
    "dagster-code": (_dagster(dagster_services.code_command), dagster_services.code_is_ready),
    "dagster-page": (_dagster(dagster_services.page_command), dagster_services.page_is_ready),
    "dagster-daemon": (
        _dagster(dagster_services.daemon_command),
        lambda settings: dagster_services.daemon_is_alive(os.environ["LAKEHOUSE_DAGSTER_DATABASE"]),
    ),
}


def serve(settings: Settings, names: Sequence[str]) -> int:
    """Becomes one service; never returns. Raises `BadInput` for a service that there is not, or a weak secret."""
    become, _ = SERVED[_one(settings, names)]
    command, variables = become(settings, from_environment())
    os.execvpe(command[0], list(command), dict(variables))


def health(settings: Settings, names: Sequence[str]) -> int:
    """0 where this container's service is well, else 1."""
    _, is_well = SERVED[_one(settings, names)]
    return 0 if is_well(settings) else 1


def prepare(settings: Settings, names: Sequence[str]) -> int:
    """Makes databases, roles, buckets, keys, the metastore's schema and the pools; what is there is brought up to date.

    Runs in a container of its own before the others, and so after every upgrade. Raises `BadInput` for any secret that
    is missing or could be guessed, before it changes anything.
    """
    _require_containers(settings)
    secrets = from_environment()
    secrets.require_all()
    postgres.set_up(settings, secrets)
    object_store.set_up(settings, secrets)
    metastore.set_up(settings, secrets)
    dagster_services.configure(settings)
    dagster_database.main()
    return 0


def _one(settings: Settings, names: Sequence[str]) -> str:
    _require_containers(settings)
    if len(names) != 1 or names[0] not in SERVED:
        raise BadInput(f"Name one service: {', '.join(SERVED)}.")
    return names[0]


def _require_containers(settings: Settings) -> None:
    if settings.stack_network != CONTAINERS:
        raise BadInput("This is for containers (LAKEHOUSE_STACK_NETWORK=containers). Here it is: so-lakehouse stack up")
