"""Hands off: Dagster's web page and daemon run, a release comes out, a day closes, and the marts show both.

Real processes, on a simulated community: its dumps in a folder, its days behind the API. Nobody starts a run.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from so_lakehouse.defs import automation
from so_lakehouse.defs.alerts import alerts, freshness
from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.simulate.api_server import running as being_served
from so_lakehouse.simulate.dumps import write_mirror
from so_lakehouse.simulate.served import SimulationServer
from so_lakehouse.simulate.simulation import Simulation
from so_lakehouse.simulate.snapshot import rows_at
from so_lakehouse.warehouse.query import query_warehouse
from so_lakehouse_tests.conftest import postgres_home
from so_lakehouse_tests.pipeline.command_line import SITE, environment
from so_lakehouse_tests.stack.conftest import on_free_ports

BEFORE, NEXT = "2025-07-01", "2025-10-01"
YESTERDAY = date(2026, 1, 1)
PEOPLE, LAUNCH = 100, date(2025, 1, 1)  # of whom somebody asks and somebody answers on that day
# The simulated clock stands so long before midnight when Dagster is started. The day closes a minute after midnight,
# about when the release is in the marts.
TO_MIDNIGHT = timedelta(minutes=1)
QUIET_SECONDS = 10  # without a run, before the marts are built
MOST_SECONDS = 1500  # of waiting for one thing, on a machine that does much else

SENSORS = """{ repositoriesOrError { ... on RepositoryConnection { nodes { sensors { name
  sensorState { status ticks(limit: 20) {
    status timestamp error { message errorChain { error { message } } } } } } } } } }"""
RUNS = """{ runsOrError { ... on Runs { results { runId status endTime assetSelection { path }
  tags { key value } } } } }"""


@dataclass
class Running:
    """A lakehouse whose Dagster runs."""

    settings: Settings
    api: SimulationServer
    mirror: Path

    def ask(self, query: str) -> Any:
        page = f"http://127.0.0.1:{self.settings.stack_dagster_port}/graphql"
        return requests.post(page, json={"query": query}, timeout=30).json()["data"]

    def runs(self) -> list[dict[str, Any]]:
        return self.ask(RUNS)["runsOrError"]["results"]

    def sensors(self) -> dict[str, dict[str, Any]]:
        (repository,) = self.ask(SENSORS)["repositoriesOrError"]["nodes"]
        return {sensor["name"]: sensor["sensorState"] for sensor in repository["sensors"]}

    def has_found_nothing_more(self) -> bool:
        """Whether every sensor that starts runs has looked twice since the last run was over for the quiet time."""
        since = max(run["endTime"] or time.time() for run in self.runs()) + QUIET_SECONDS
        looks = [self.sensors()[sensor.name]["ticks"] for sensor in automation.SENSORS]
        return all(sum(tick["timestamp"] > since for tick in ticks) >= 2 for ticks in looks)

    def marts(self, query: str) -> list[dict[str, Any]]:
        return query_warehouse(self.settings, query).to_pylist()

    def until(self, what: str, is_so: Callable[[], bool], seconds: float) -> None:
        """Waits; ends at once where a run or a sensor's look has failed."""
        deadline = time.monotonic() + seconds
        while not is_so():
            failed = [run for run in self.runs() if run["status"] == "FAILURE"]
            errors = [tick["error"] for state in self.sensors().values() for tick in state["ticks"] if tick["error"]]
            assert [*failed, *errors] == []
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s. {self.runs()}"
            time.sleep(2)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with postgres_home() as home:
        settings = on_free_ports(Settings(home=home))
        mirror = home / "mirror"
        publish(mirror, BEFORE)
        by_hand = {"LAKEHOUSE_MIRROR": str(mirror), "PYTHONPATH": str(PROJECT_ROOT)}
        call(home, by_hand, "run", "--site", SITE)
        before = datetime(2026, 1, 2, tzinfo=UTC) - TO_MIDNIGHT
        clock = f"{before.isoformat()}@{datetime.now(UTC).isoformat()}"
        variables = by_hand | {
            "LAKEHOUSE_API_SWEEP": "0",
            "LAKEHOUSE_API_REASK": "0",
            "LAKEHOUSE_LOOK_SECONDS": "5",
            "LAKEHOUSE_LOOK_AT_DAYS_SECONDS": "5",
            "LAKEHOUSE_RELEASES_SECONDS": "5",
            "LAKEHOUSE_QUIET_SECONDS": str(QUIET_SECONDS),
        }
        with (
            being_served(SimulationServer(Simulation.load(mirror), clock)) as api,
            dagster(home, settings.stack_dagster_port, variables | api.settings),
        ):
            yield Running(settings, api, mirror)


def publish(mirror: Path, *quarters: str) -> None:
    write_mirror(mirror, [SITE], quarters, people=PEOPLE, launch=LAUNCH)


def happened_yesterday(mirror: Path, kind: int) -> int:
    """Posts of a kind that the community made on that day and that are there at its end."""
    community = Simulation.load(mirror).found(SITE).live_until(YESTERDAY)
    posts = rows_at(community, YESTERDAY)["posts"]
    return sum(row["PostTypeId"] == kind and row["CreationDate"].date() == YESTERDAY for row in posts)


def call(home: Path, variables: dict[str, str], *words: str) -> None:
    command = [sys.executable, "-m", "so_lakehouse", *words]
    done = subprocess.run(
        command, env=environment(home) | variables, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def dagster(home: Path, port: int, variables: dict[str, str]) -> Iterator[None]:
    """`so-lakehouse dev`, until the block ends: the web page, the daemon, the code location, and their runs."""
    command = [sys.executable, "-m", "so_lakehouse", "dev", "--port", str(port)]
    with (home / "dev.log").open("w") as log:
        started = subprocess.Popen(
            command, env=environment(home) | variables, cwd=PROJECT_ROOT, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            family = [psutil.Process(started.pid), *psutil.Process(started.pid).children(recursive=True)]
            started.send_signal(signal.SIGINT)
            _, left = psutil.wait_procs(family[1:], timeout=30)
            for process in left:
                process.kill()
            psutil.wait_procs(left, timeout=10)
            started.wait(timeout=30)


def is_asked_for(run: dict[str, Any]) -> bool:
    """Whether a sensor has started it."""
    return any(tag["key"] == "dagster/sensor_name" for tag in run["tags"])


def test_a_release_and_a_day_come_into_the_marts_with_no_other_action(running: Running) -> None:
    def has_looked() -> bool:
        try:
            return all(state["ticks"] for state in running.sensors().values())
        except requests.ConnectionError:
            return False  # it is starting

    deadline = time.monotonic() + MOST_SECONDS
    while not has_looked() and time.monotonic() < deadline:
        time.sleep(1)
    sensors = running.sensors()
    assert {state["status"] for state in sensors.values()} == {"RUNNING"}
    assert sensors.keys() == {sensor.name for sensor in (*automation.SENSORS, freshness, alerts)}
    by_hand = [run for run in running.runs() if not is_asked_for(run)]

    happened = tuple(happened_yesterday(running.mirror, kind) for kind in (1, 2))
    assert all(happened)
    publish(running.mirror, BEFORE, NEXT)

    def shown(what: str) -> int:
        query = f"select coalesce(sum({what}), 0)::bigint as n from marts.activity_month where month = '2026-01-01'"
        return running.marts(query)[0]["n"]

    cut = "select min(complete_to) as cut from marts.load_status where table_name = 'votes'"
    running.until("the release", lambda: f"{running.marts(cut)[0]['cut']:%Y-%m-%d}" == "2025-12-31", MOST_SECONDS)
    running.until("the day", lambda: (shown("questions"), shown("answers")) == happened, MOST_SECONDS)

    running.until("rest", running.has_found_nothing_more, MOST_SECONDS)
    after = running.runs()
    asked = [run for run in after if is_asked_for(run)]
    assert len(after) == len(by_hand) + len(asked)
    assert {run["status"] for run in after} == {"SUCCESS"}
    layers = Counter(layer for run in asked for layer in {key["path"][0] for key in run["assetSelection"]})
    assert layers["raw"] == layers["bronze"] == 2, "a dump and a day, each once; the first dump was the command's"
    assert layers["silver"] in (1, 2), "one for each, or for both where the day has closed meanwhile"
    assert layers["core"] in (1, 2), "a build per wave; the two may be one"
    assert running.api.violations == []
