"""Dagster on the stack: the code location, the web page and the daemon, each a process of its own.

Belongs here: how they are started and when they are well. What they are configured with is `files/dagster.yaml`; its
variables are in `environment.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import psycopg2
import requests

from so_lakehouse.errors import Unavailable
from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.stack import environment, postgres
from so_lakehouse.stack.network import Network
from so_lakehouse.stack.ports import LOCAL, Port, answers
from so_lakehouse.stack.process import Service, nothing

ROLE = "so_lakehouse_dagster"
HEARTBEAT_SECONDS = 90  # the daemon tells every 30


def services(settings: Settings, secrets: Mapping[str, str]) -> list[Service]:
    """The three as native processes, in the order in which they start."""
    code = Port(settings.stack_code_port, "LAKEHOUSE_STACK_CODE_PORT")
    page = Port(settings.stack_dagster_port, "LAKEHOUSE_STACK_DAGSTER_PORT")
    database = postgres.address(settings, secrets, ROLE)
    first = Service(
        name="dagster-code",
        command=lambda: code_command(settings),
        ports=[code],
        healthy=lambda: code_is_ready(settings),
        environment=process_environment(settings, secrets),
        prepare=lambda: configure(settings),
        started=lambda: set_up_database(settings, secrets),
        folder=PROJECT_ROOT,
    )
    return [
        first,
        replace(
            first,
            name="dagster-page",
            command=lambda: page_command(settings),
            ports=[page],
            healthy=lambda: page_is_ready(settings),
            started=nothing,
        ),
        replace(
            first,
            name="dagster-daemon",
            command=lambda: daemon_command(settings),
            ports=[],
            healthy=lambda: daemon_is_alive(database),
            started=nothing,
        ),
    ]


def code_command(settings: Settings) -> list[str]:
    """The server of the definitions, which also starts the processes of runs."""
    where = ["--host", Network(settings).listen, "--port", str(settings.stack_code_port)]
    what = ["--module-name", "so_lakehouse.definitions", "--location-name", "so_lakehouse"]
    return [_program("dagster"), "api", "grpc", *where, *what]


def page_command(settings: Settings) -> list[str]:
    where = ["--host", Network(settings).listen, "--port", str(settings.stack_dagster_port)]
    return [_program("dagster-webserver"), *where, "--workspace", _workspace(settings)]


def daemon_command(settings: Settings) -> list[str]:
    return [_program("dagster-daemon"), "run", "--workspace", _workspace(settings)]


def process_environment(settings: Settings, secrets: Mapping[str, str]) -> dict[str, str]:
    """This process's own variables, with those of the stack; dbt and others are found beside Python."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | environment.variables(settings, secrets) | {"PATH": path}


def configure(settings: Settings) -> None:
    """Puts Dagster's configuration, as this release has it, into its folder."""
    folder = settings.stack_folder / "dagster"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("dagster.yaml", "workspace.yaml"):
        (folder / name).write_text(files("so_lakehouse.stack").joinpath("files", name).read_text())


def set_up_database(settings: Settings, secrets: Mapping[str, str]) -> None:
    """As `dagster_database.set_up`, in a process with the stack's variables. Raises `Unavailable` where that fails."""
    done = subprocess.run(
        [sys.executable, "-m", "so_lakehouse.stack.dagster_database"],
        env=process_environment(settings, secrets),
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1]
        raise Unavailable(f"Dagster's database cannot be brought to the form of this release: {said}")


def code_is_ready(settings: Settings) -> bool:
    """Whether the code location is served."""
    return answers(settings.stack_code_port)


def page_is_ready(settings: Settings) -> bool:
    """Whether this machine's or this container's web page answers."""
    try:
        return requests.get(f"http://{LOCAL}:{settings.stack_dagster_port}/server_info", timeout=2).ok
    except requests.RequestException:
        return False


def daemon_is_alive(database: str) -> bool:
    """Whether each part of the daemon has told of itself lately, as Dagster's database at that address remembers."""
    try:
        connection = psycopg2.connect(database)
    except psycopg2.OperationalError:
        return False
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('daemon_heartbeats') IS NOT NULL")
        if cursor.fetchall() != [(True,)]:
            return False
        cursor.execute(
            "SELECT count(*) > 0 AND bool_and(timestamp > now() AT TIME ZONE 'UTC' - make_interval(secs => %s))"
            " FROM daemon_heartbeats",
            (HEARTBEAT_SECONDS,),
        )
        return cursor.fetchall() == [(True,)]


def _workspace(settings: Settings) -> str:
    return str(settings.stack_folder / "dagster" / "workspace.yaml")


def _program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
