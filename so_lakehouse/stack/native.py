"""The stack as processes of this machine: all services in the order in which they need each other; up, down, status.

Belongs here: the order, and what `up` and `down` promise. Does not belong here: any single service.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from so_lakehouse.errors import Unavailable
from so_lakehouse.settings import Settings
from so_lakehouse.stack import dagster_services, environment, metastore, object_store, postgres, spark_cluster
from so_lakehouse.stack.network import LOCAL, MACHINE, Network
from so_lakehouse.stack.process import Service, Supervised, running, stop_noted
from so_lakehouse.stack.secrets import kept

Told = Callable[[str, str], None]


@dataclass(frozen=True)
class ServiceStatus:
    """One service as it is now."""

    name: str
    addresses: Sequence[str]
    process_id: int | None
    healthy: bool
    log: str


def services(settings: Settings, secrets: Mapping[str, str]) -> list[Service]:
    """All services, in the order in which they start."""
    return [
        postgres.service(settings, lambda: postgres.set_up(settings, secrets)),
        object_store.service(settings, secrets, lambda: object_store.set_up(settings, secrets)),
        metastore.service(settings, secrets),
        *spark_cluster.services(settings, secrets),
        *dagster_services.services(settings, secrets),
    ]


def up(settings: Settings, told: Told, names: Sequence[str] = ()) -> list[ServiceStatus]:
    """Starts what does not run, in order, and waits for each; what runs is left alone. `names`: only these.

    `told(service, what)` hears of each as it happens. Raises `Unavailable` where a service does not become healthy;
    those before it then go on running.
    """
    _require_machine(settings)
    secrets = kept(settings.stack_folder)
    with _alone(settings):
        environment.write(settings, secrets)
        for service in _chosen(services(settings, secrets), names):
            supervised = _supervised(settings, service)
            if supervised.process() is None:
                told(service.name, "starts")
                supervised.start()
            else:
                supervised.wait()
            service.started()
            told(service.name, "is ready")
    return status(settings, names)


def down(settings: Settings, told: Told, names: Sequence[str] = ()) -> list[str]:
    """Stops what `up` started, last first, whatever the settings say now; returns the names of what ran.

    Processes of others are left alone. `names`: only these.
    """
    _require_machine(settings)
    folder = _run_folder(settings)
    with _alone(settings):
        stopped = [name for name in reversed(running(folder)) if not names or name in names]
        for name in stopped:
            stop_noted(folder / f"{name}.pid")
            told(name, "stopped")
    return stopped


def status(settings: Settings, names: Sequence[str] = ()) -> list[ServiceStatus]:
    """Each service, whether it runs and does its work."""
    _require_machine(settings)
    found = []
    for service in _chosen(services(settings, kept(settings.stack_folder)), names):
        supervised = _supervised(settings, service)
        process = supervised.process()
        found.append(
            ServiceStatus(
                service.name,
                [f"{LOCAL}:{port.number}" for port in service.ports],
                process.pid if process else None,
                process is not None and service.healthy(),
                str(supervised.log),
            )
        )
    return found


def _chosen(all_services: Sequence[Service], names: Sequence[str]) -> list[Service]:
    unknown = set(names) - {service.name for service in all_services}
    if unknown:
        known = ", ".join(service.name for service in all_services)
        raise Unavailable(f"The stack has no service {', '.join(sorted(unknown))}; it has {known}.")
    return [service for service in all_services if not names or service.name in names]


def _supervised(settings: Settings, service: Service) -> Supervised:
    return Supervised(service, _run_folder(settings))


def _run_folder(settings: Settings) -> Path:
    return settings.stack_folder / "run"


def _require_machine(settings: Settings) -> None:
    if Network(settings).settings.stack_network != MACHINE:
        raise Unavailable("This is a container of the stack; docker compose starts and stops its services.")


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Two commands at once would start everything twice."""
    settings.stack_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (settings.stack_folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(f"Another command starts or stops the stack in {settings.stack_folder}.") from None
        yield
