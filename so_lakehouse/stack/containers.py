"""The stack among containers: what each runs, out of the same commands as the native processes, and its set-up.

Belongs here: what a container's entry point does. Does not belong here: images, volumes and limits
(`docker/compose.yaml`), nor any command itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from so_lakehouse.errors import BadInput
from so_lakehouse.settings import Settings
from so_lakehouse.stack import dagster_services, metastore, object_store, postgres, spark_cluster
from so_lakehouse.stack.network import CONTAINERS
from so_lakehouse.stack.secrets import from_environment

Plan = tuple[Sequence[str], Mapping[str, str]]  # command and environment


def _s3(settings: Settings, secrets: Mapping[str, str]) -> Plan:
    object_store.make_folders(settings)
    command = [object_store.chosen(settings), *object_store.arguments(settings)]
    return command, os.environ | object_store.environment(secrets)


def _metastore(settings: Settings, secrets: Mapping[str, str]) -> Plan:
    return metastore.command(settings), metastore.environment(settings, secrets)


def _master(settings: Settings, secrets: Mapping[str, str]) -> Plan:
    spark_cluster.configure(settings, secrets)
    return spark_cluster.master_command(settings), spark_cluster.environment(settings)


def _worker(settings: Settings, secrets: Mapping[str, str]) -> Plan:
    spark_cluster.configure(settings, secrets)
    return spark_cluster.worker_command(settings), spark_cluster.environment(settings)


def _of_dagster(command: Callable[[Settings], list[str]]) -> Callable[[Settings, Mapping[str, str]], Plan]:
    def plan(settings: Settings, secrets: Mapping[str, str]) -> Plan:
        dagster_services.configure(settings)
        spark_cluster.configure(settings, secrets)  # runs open Spark sessions
        return command(settings), dagster_services.process_environment(settings, secrets)

    return plan


# What a container can be, by the name of its service in compose. Postgres is an image of its own.
SERVED: dict[str, Callable[[Settings, Mapping[str, str]], Plan]] = {
    "s3": _s3,
    "metastore": _metastore,
    "spark-master": _master,
    "spark-worker": _worker,
    "dagster-code": _of_dagster(dagster_services.code_command),
    "dagster-page": _of_dagster(dagster_services.page_command),
    "dagster-daemon": _of_dagster(dagster_services.daemon_command),
}


def serve(settings: Settings, names: Sequence[str]) -> int:
    """Becomes one service; never returns. Raises `BadInput` for a service that there is not."""
    if len(names) != 1 or names[0] not in SERVED:
        raise BadInput(f"Name one service to become: {', '.join(SERVED)}.")
    settings = replace(settings, stack_network=CONTAINERS)
    command, variables = SERVED[names[0]](settings, from_environment())
    os.execvpe(command[0], list(command), dict(variables))


def prepare(settings: Settings, names: Sequence[str]) -> int:
    """Makes databases, roles, buckets, keys and the metastore's schema; after an upgrade it brings them up to date."""
    settings, secrets = replace(settings, stack_network=CONTAINERS), from_environment()
    postgres.set_up(settings, secrets)
    object_store.set_up(settings, secrets)
    metastore.set_up(settings, secrets)
    return 0
