"""A run that is killed together with the server that started it is found dead within seconds, and tried again.

Real processes: the stack's Postgres, code server and daemon, as `dagster.yaml` of the stack configures them.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import dagster as dg
import psutil
import pytest
import yaml

from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.simulate.api_server import ApiServer, Fault, serving
from so_lakehouse.simulate.api_site import ApiSite
from so_lakehouse.stack import dagster_services
from so_lakehouse.stack.ports import answers
from so_lakehouse.warehouse import roles
from so_lakehouse_tests.pipeline.api_world import KEY, at
from so_lakehouse_tests.pipeline.command_line import environment
from so_lakehouse_tests.stack.conftest import Stack, on_free_ports

NOW = "2026-01-02T06:00:00"  # one day has closed
FOUND_DEAD_SECONDS = 120  # by the next look, of which there is one in five seconds, on a machine that does much else
RUN_SECONDS = 600  # of the second try


@pytest.fixture
def settings(stack: Stack, tmp_path: Path) -> Settings:
    """Of a lakehouse of its own on the stack's Postgres; Dagster's logs of runs stay where they are written."""
    made = replace(on_free_ports(stack.settings), home=tmp_path)
    dagster_services.configure(made)
    file = made.stack_folder / "dagster" / "dagster.yaml"
    configured = yaml.safe_load(file.read_text())
    del configured["compute_logs"]
    file.write_text(yaml.safe_dump(configured))
    return made


@pytest.fixture
def api() -> Iterator[ApiServer]:
    """It answers a byte in half a minute, until its faults are taken away."""
    with serving(lambda: float(at(NOW))) as server:
        server.sites["alcohol"] = ApiSite()
        server.faults = [Fault(drip=30)] * 100
        yield server


@pytest.fixture
def variables(stack: Stack, settings: Settings, api: ApiServer) -> dict[str, str]:
    mirror = settings.home / "mirror"
    mirror.mkdir()
    (mirror / "releases.csv").write_text("release,cut_date,quarter,revision,note\n")
    return environment(settings.home) | {
        "PYTHONPATH": str(PROJECT_ROOT),
        "DAGSTER_HOME": str(settings.stack_folder / "dagster"),
        "LAKEHOUSE_DAGSTER": str(settings.stack_folder / "dagster"),
        "LAKEHOUSE_DAGSTER_DATABASE": stack.address(dagster_services.ROLE),
        "LAKEHOUSE_DAGSTER_CODE_HOST": "127.0.0.1",
        "LAKEHOUSE_DAGSTER_CODE_PORT": str(settings.stack_code_port),
        "LAKEHOUSE_POSTGRES": stack.address(roles.LOADER),
        "LAKEHOUSE_SITES": "beer",
        "LAKEHOUSE_MIRROR": str(mirror),
        "LAKEHOUSE_API": api.address,
        "LAKEHOUSE_API_KEY": KEY,
        "LAKEHOUSE_NOW": NOW,
        "LAKEHOUSE_LOOK_AT_DAYS_SECONDS": "5",
        "LAKEHOUSE_LOOK_SECONDS": "3600",  # what follows a day is not of interest
    }


@contextmanager
def started(command: Sequence[str], variables: dict[str, str], log: Path) -> Iterator[psutil.Process]:
    """The process, killed with all that it started when the block ends."""
    with log.open("a") as written:
        process = subprocess.Popen(command, env=variables, cwd=PROJECT_ROOT, stdout=written, stderr=written)
        try:
            yield psutil.Process(process.pid)
        finally:
            kill(psutil.Process(process.pid))
            process.wait(timeout=30)


def kill(process: psutil.Process) -> None:
    family = [process, *process.children(recursive=True)]
    for one in family:
        one.kill()
    psutil.wait_procs(family[1:], timeout=10)


def until(is_so: Callable[[], bool], seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(1)


def test_a_run_killed_with_its_code_server_is_found_dead_and_tried_again(settings, variables, api, monkeypatch):
    code, log = dagster_services.code_command(settings), settings.home / "dagster.log"
    for name in ("LAKEHOUSE_DAGSTER_DATABASE", "DAGSTER_HOME"):
        monkeypatch.setenv(name, variables[name])

    def code_server() -> psutil.Process:
        process = running.enter_context(started(code, variables, log))
        until(lambda: answers(settings.stack_code_port), 180, log)
        return process

    with ExitStack() as running:
        first = code_server()
        running.enter_context(started(dagster_services.daemon_command(settings), variables, log))
        instance = running.enter_context(dg.DagsterInstance.get())
        until(lambda: bool(api.requests), 180, log)
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.STARTED

        kill(first)
        api.faults = []
        code_server()
        until(lambda: instance.get_run_by_id(run.run_id).is_failure, FOUND_DEAD_SECONDS, log)
        (failed,) = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
        assert "The process of this run was killed" in failed.get_dagster_event().message
        until(lambda: any(other.is_success for other in instance.get_runs()), RUN_SECONDS, log)
        (again,) = [other for other in instance.get_runs() if other.run_id != run.run_id]
        assert again.parent_run_id == run.run_id
