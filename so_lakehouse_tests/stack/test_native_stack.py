"""All services together, started by the command as a person does: they work with each other, and stop when told to."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest
import requests
from psycopg2.extensions import connection as PostgresConnection

from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.stack import native, object_store
from so_lakehouse.stack.network import LOGS_BUCKET
from so_lakehouse.stack.pools import POOLS
from so_lakehouse.stack.secrets import read_variables
from so_lakehouse_tests.stack.conftest import Stack, need_program, new_stack

SERVICES = [
    "postgres",
    "s3",
    "metastore",
    "spark-master",
    "spark-worker-1",
    "dagster-code",
    "dagster-page",
    "dagster-daemon",
]

LAUNCH = """mutation($selector: JobOrPipelineSelector!) {
  launchPipelineExecution(executionParams: {selector: $selector}) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUN = """query($run: ID!) { runOrError(runId: $run) { ... on Run { status
  eventConnection { events { ... on ExecutionStepFailureEvent { error { message causes { message } } } } } } } }"""

# Knows nothing of this project: Spark as it comes, with what the stack gives to everybody.
SPARK_CLIENT = """
import os
from pyspark.sql import SparkSession
builder = SparkSession.builder.master({master!r}).enableHiveSupport()
spark = builder.config("spark.hadoop.hive.metastore.uris", os.environ["LAKEHOUSE_METASTORE"]).getOrCreate()
spark.sql("CREATE DATABASE silver")
spark.range(10).write.option("path", "file://{where}").saveAsTable("silver.numbers")
print("sum", spark.sql("SELECT sum(id) FROM silver.numbers").first()[0])
spark.stop()
"""

# Our own session and lake, from the environment that the stack gives to everybody.
OUR_CLIENT = """
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.spark.session import open_session
settings = Settings.from_environment()
spark, numbers = open_session(settings), Lake.of(settings).uri("staging/numbers")
spark.range(10).write.format("delta").save(numbers)
print("sum", spark.read.format("delta").load(numbers).groupBy().sum("id").first()[0])
spark.stop()
"""


@dataclass(frozen=True)
class Running:
    """A stack that the command started, and what the command printed."""

    stack: Stack
    environment: dict[str, str]
    printed: str

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return so_lakehouse(self.environment, *arguments)

    def process_ids(self) -> dict[str, int | None]:
        return {service.name: service.process_id for service in native.status(self.stack.settings)}

    def used(self) -> dict[str, str]:
        """The environment of somebody who has sourced the stack's file."""
        variables = read_variables(self.stack.settings.stack_folder / "environment")
        return self.environment | {name: value.strip("'") for name, value in variables.items()}

    def ask_dagster(self, query: str, **variables: Any) -> Any:
        where = f"http://127.0.0.1:{self.stack.settings.stack_dagster_port}/graphql"
        answer = requests.post(where, json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in answer, answer
        return answer["data"]


def so_lakehouse(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from so_lakehouse.cli import main; main()", *arguments]
    return subprocess.run(command, env=environment, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)


def ask(connection: PostgresConnection, sql: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


@pytest.fixture(scope="module")
def running_stack() -> Iterator[Running]:
    programs = need_program(object_store.MINIO).parent
    with new_stack() as stack:
        settings = replace(stack.settings, stack_programs=programs, stack_worker_memory="1g")
        given = {
            entry.metadata["variable"]: str(getattr(settings, entry.name))
            for entry in fields(Settings)
            if entry.name.startswith("stack_") or entry.name == "home"
        }
        environment = os.environ | given | {"PYTHONPATH": str(PROJECT_ROOT), "COLUMNS": "200"}
        started = so_lakehouse(environment, "stack", "up")
        assert started.returncode == 0, started.stdout + started.stderr
        yield Running(replace(stack, settings=settings), environment, started.stdout)


def test_up_starts_everything_and_says_where_it_is_and_how_to_use_it(running_stack: Running) -> None:
    for name in SERVICES:
        assert f"{name} is ready" in running_stack.printed
    assert f"127.0.0.1:{running_stack.stack.settings.stack_dagster_port}" in running_stack.printed
    assert f"source {running_stack.stack.settings.stack_folder}/environment" in running_stack.printed
    assert running_stack.command("stack", "status").returncode == 0


def test_a_second_up_changes_nothing_and_what_has_died_is_started_again(running_stack: Running) -> None:
    before = running_stack.process_ids()
    assert list(before) == SERVICES
    worker = before["spark-worker-1"]
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(worker)] if psutil.pid_exists(worker) else [], timeout=10)
    assert running_stack.command("stack", "status").returncode == 1
    again = running_stack.command("stack", "up")
    assert again.returncode == 0, again.stderr
    assert "spark-worker-1 starts" in again.stdout
    assert again.stdout.count(" starts") == 1
    after = running_stack.process_ids()
    assert after["spark-worker-1"] != worker
    assert {name: number for name, number in after.items() if name != "spark-worker-1"} == {
        name: number for name, number in before.items() if name != "spark-worker-1"
    }


def test_a_worker_more_joins_the_cluster_and_leaves_it(running_stack: Running) -> None:
    more = {"LAKEHOUSE_STACK_WORKERS": "2"}
    port = running_stack.stack.settings.stack_worker_port
    ports = {"LAKEHOUSE_STACK_WORKER_PORT": str(port), "LAKEHOUSE_STACK_WORKER_PAGE_PORT": str(port + 10)}
    added = so_lakehouse(running_stack.environment | more | ports, "stack", "up", "spark-worker-2")
    assert added.returncode == 0, added.stdout + added.stderr
    page = f"http://127.0.0.1:{running_stack.stack.settings.stack_spark_page_port}/json/"
    assert requests.get(page, timeout=10).json()["aliveworkers"] == 2
    left = running_stack.command("stack", "down", "spark-worker-2")  # which the settings do not name any more
    assert left.stdout == "spark-worker-2 stopped\n"
    assert running_stack.command("stack", "status").returncode == 0


def test_nothing_of_it_serves_another_machine(running_stack: Running) -> None:
    """Every listener is on 127.0.0.1; the metastore, which cannot be told so, hangs up on everybody else."""
    settings = running_stack.stack.settings
    family = [number for number in running_stack.process_ids().values() if number]
    family += [child.pid for number in list(family) for child in psutil.Process(number).children(recursive=True)]
    listeners = [
        connection
        for connection in psutil.net_connections("tcp")
        if connection.pid in family and connection.status == psutil.CONN_LISTEN
    ]
    loopback = ("127.0.0.1", "::ffff:127.0.0.1", "::1")
    open_ports = {listener.laddr.port for listener in listeners if listener.laddr.ip not in loopback}
    assert open_ports <= {settings.stack_metastore_port}
    others = [
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    ]
    for address in ["127.0.0.1", *others]:
        with socket.create_connection((address, settings.stack_metastore_port), timeout=5) as client:
            client.settimeout(2)
            if address == "127.0.0.1":
                with pytest.raises(TimeoutError):  # it waits for a request
                    client.recv(1)
            else:
                assert client.recv(1) == b""


def test_spark_works_in_its_worker_and_finds_tables_by_name_in_the_metastore(
    running_stack: Running, tmp_path: Path
) -> None:
    stack = running_stack.stack
    where = stack.settings.home / "table"
    with closing(psycopg2.connect(stack.address("so_lakehouse_metastore"))) as connection:
        assert ask(connection, 'SELECT count(*) FROM "TBLS"') == [(0,)]
    program = SPARK_CLIENT.format(master=f"spark://127.0.0.1:{stack.settings.stack_spark_port}", where=where)
    command, environment = [sys.executable, "-c", program], running_stack.used()
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert "sum 45" in done.stdout, done.stderr[-2000:]
    with closing(psycopg2.connect(stack.address("so_lakehouse_metastore"))) as connection:
        named = 'SELECT d."NAME", t."TBL_NAME" FROM "TBLS" t JOIN "DBS" d ON d."DB_ID" = t."DB_ID"'
        assert ask(connection, named) == [("silver", "numbers")]
    assert list((stack.settings.stack_folder / "spark").glob("work-*/app-*/0/stderr")), "it ran in the worker"


def test_our_own_session_writes_to_the_bucket_through_the_worker_which_has_the_jars(running_stack: Running) -> None:
    work = running_stack.stack.settings.stack_folder / "spark"
    before = set(work.glob("work-*/app-*"))
    done = subprocess.run(
        [sys.executable, "-c", OUR_CLIENT],
        env=running_stack.used() | {"LAKEHOUSE_SPARK_MEMORY": "1g"},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "sum 45" in done.stdout, done.stderr[-2000:]
    (application,) = set(work.glob("work-*/app-*")) - before
    assert list(application.glob("*/stderr")), "it ran in the worker"
    assert not list(application.rglob("*.jar")), "690 MB would have been copied"


def test_spark_takes_no_work_from_who_does_not_know_the_secret(running_stack: Running, tmp_path: Path) -> None:
    settings = running_stack.stack.settings
    stranger = running_stack.used() | {"SPARK_CONF_DIR": str(tmp_path), "SPARK_LOCAL_IP": "127.0.0.1"}
    master = f"spark://127.0.0.1:{settings.stack_spark_port}"
    program = f"from pyspark.sql import SparkSession as S; S.builder.master({master!r}).getOrCreate()"
    page = f"http://127.0.0.1:{settings.stack_spark_page_port}/json/"
    before = requests.get(page, timeout=10).json()
    said: list[str] = []
    with subprocess.Popen(
        [sys.executable, "-c", program], env=stranger, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as asked:
        assert asked.stderr is not None
        for line in asked.stderr:  # it tries for a minute; the first answer is enough
            said.append(line)
            if "Failed to connect to master" in line or not line:
                break
        for child in psutil.Process(asked.pid).children(recursive=True):
            child.kill()
        asked.kill()
    assert "Failed to connect to master" in said[-1], "".join(said)
    after = requests.get(page, timeout=10).json()
    assert (after["activeapps"], len(after["completedapps"])) == ([], len(before["completedapps"]))


def test_dagster_runs_through_queue_code_location_and_postgres_with_its_logs_in_the_object_store(
    running_stack: Running,
) -> None:
    """Publishing marts where none were ever built: it needs the warehouse alone, and says what is missing."""
    data = running_stack.ask_dagster(
        LAUNCH,
        selector={
            "repositoryLocationName": "so_lakehouse",
            "repositoryName": "__repository__",
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": ["marts", "published"]}],
        },
    )["launchPipelineExecution"]
    assert data["__typename"] == "LaunchRunSuccess", data
    run_id = data["run"]["runId"]
    deadline = time.monotonic() + 180
    run: dict[str, Any] = {}
    while run.get("status") not in ("SUCCESS", "FAILURE") and time.monotonic() < deadline:
        time.sleep(1)
        run = running_stack.ask_dagster(RUN, run=run_id)["runOrError"]
    assert run["status"] == "FAILURE", run
    assert "There is no build of the marts to publish" in str(run["eventConnection"]["events"])

    stack = running_stack.stack
    with closing(psycopg2.connect(stack.address("so_lakehouse_dagster"))) as connection:
        assert ask(connection, f"SELECT status FROM runs WHERE run_id = '{run_id}'") == [("FAILURE",)]
        assert dict(ask(connection, 'SELECT concurrency_key, "limit" FROM concurrency_limits')) == POOLS
    store = object_store.client(stack.settings, "s3-dagster", stack.secrets["s3_dagster"])
    logs = store.list_objects_v2(Bucket=LOGS_BUCKET, Prefix="runs/").get("Contents", [])
    assert any(run_id in entry["Key"] for entry in logs)


def test_down_stops_exactly_what_up_started(running_stack: Running) -> None:
    numbers = [number for number in running_stack.process_ids().values() if number]
    processes = [psutil.Process(number) for number in numbers]
    family = processes + [child for process in processes for child in process.children(recursive=True)]
    bystander = subprocess.Popen(["sleep", "600"])
    stopped = running_stack.command("stack", "down")
    assert stopped.returncode == 0, stopped.stderr
    _, left = psutil.wait_procs(family, timeout=10)
    assert not left
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    assert running_stack.command("stack", "down").stdout == "Nothing of the stack runs.\n"
    assert set(running_stack.process_ids().values()) == {None}
