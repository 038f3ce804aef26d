"""All services together, started by the command as a person does: they work with each other, and with nobody else."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import psycopg2
import pytest
import requests
from psycopg2.extensions import connection as PostgresConnection

from so_lakehouse.stack import object_store
from so_lakehouse.stack.dagster_database import POOLS
from so_lakehouse.stack.network import LOGS_BUCKET
from so_lakehouse_tests.stack.whole_stack import SERVICES, Running, so_lakehouse

# Knows nothing of this project: Spark as it comes, with what the stack gives to everybody.
SPARK_CLIENT = """
import os
from pyspark.sql import SparkSession
builder = SparkSession.builder.master({master!r}).enableHiveSupport()
spark = builder.config("spark.hadoop.hive.metastore.uris", os.environ["LAKEHOUSE_METASTORE"]).getOrCreate()
spark.sql("CREATE DATABASE theirs")
spark.range(10).write.option("path", "file://{where}").saveAsTable("theirs.numbers")
print("sum", spark.sql("SELECT sum(id) FROM theirs.numbers").first()[0])
spark.stop()
"""


def ask(connection: PostgresConnection, sql: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def test_up_starts_everything_and_says_where_it_is_and_how_to_use_it(whole_stack: Running) -> None:
    for name in SERVICES:
        assert f"{name} is ready" in whole_stack.printed
    assert f"127.0.0.1:{whole_stack.stack.settings.stack_dagster_port}" in whole_stack.printed
    assert f"source {whole_stack.stack.settings.stack_folder}/environment" in whole_stack.printed
    assert whole_stack.command("stack", "status").returncode == 0


def test_a_second_up_changes_nothing_and_what_has_died_is_started_again(whole_stack: Running) -> None:
    before = whole_stack.process_ids()
    assert list(before) == SERVICES
    worker = before["spark-worker-1"]
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(worker)] if psutil.pid_exists(worker) else [], timeout=10)
    assert whole_stack.command("stack", "status").returncode == 1
    again = whole_stack.command("stack", "up")
    assert again.returncode == 0, again.stderr
    assert "spark-worker-1 starts" in again.stdout
    assert again.stdout.count(" starts") == 1
    after = whole_stack.process_ids()
    assert after["spark-worker-1"] != worker
    assert {name: number for name, number in after.items() if name != "spark-worker-1"} == {
        name: number for name, number in before.items() if name != "spark-worker-1"
    }


def test_a_worker_more_joins_the_cluster_and_leaves_it(whole_stack: Running) -> None:
    more = {"LAKEHOUSE_STACK_WORKERS": "2"}  # on the ports after the first one's
    added = so_lakehouse(whole_stack.environment | more, "stack", "up", "spark-worker-2")
    assert added.returncode == 0, added.stdout + added.stderr
    page = f"http://127.0.0.1:{whole_stack.stack.settings.stack_spark_page_port}/json/"
    assert requests.get(page, timeout=10).json()["aliveworkers"] == 2
    left = whole_stack.command("stack", "down", "spark-worker-2")  # which the settings do not name any more
    assert left.stdout == "spark-worker-2 stopped\n"
    assert whole_stack.command("stack", "status").returncode == 0


def test_nothing_of_it_serves_another_machine(whole_stack: Running) -> None:
    """Every listener is on 127.0.0.1; the metastore, which cannot be told so, hangs up on everybody else."""
    settings = whole_stack.stack.settings
    family = [number for number in whole_stack.process_ids().values() if number]
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
    whole_stack: Running, tmp_path: Path
) -> None:
    stack = whole_stack.stack
    where = stack.settings.home / "table"
    with closing(psycopg2.connect(stack.address("so_lakehouse_metastore"))) as connection:
        assert ask(connection, 'SELECT count(*) FROM "TBLS"') == [(0,)]
    program = SPARK_CLIENT.format(master=f"spark://127.0.0.1:{stack.settings.stack_spark_port}", where=where)
    command, environment = [sys.executable, "-c", program], whole_stack.used()
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert "sum 45" in done.stdout, done.stderr[-2000:]
    with closing(psycopg2.connect(stack.address("so_lakehouse_metastore"))) as connection:
        named = 'SELECT d."NAME", t."TBL_NAME" FROM "TBLS" t JOIN "DBS" d ON d."DB_ID" = t."DB_ID"'
        assert ask(connection, named) == [("theirs", "numbers")]
    assert list((stack.settings.stack_folder / "spark").glob("work-*/app-*/0/stderr")), "it ran in the worker"


def test_spark_takes_no_work_from_who_does_not_know_the_secret(whole_stack: Running, tmp_path: Path) -> None:
    settings = whole_stack.stack.settings
    stranger = whole_stack.used() | {"SPARK_CONF_DIR": str(tmp_path), "SPARK_LOCAL_IP": "127.0.0.1"}
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
    whole_stack: Running,
) -> None:
    """Publishing marts where none were ever built: it needs the warehouse alone, and says what is missing."""
    run_id = whole_stack.launch("marts/published")
    run = whole_stack.ended(run_id)
    assert run["status"] == "FAILURE", run
    assert "There is no build of the marts to publish" in str(run["eventConnection"]["events"])

    stack = whole_stack.stack
    with closing(psycopg2.connect(stack.address("so_lakehouse_dagster"))) as connection:
        assert ask(connection, f"SELECT status FROM runs WHERE run_id = '{run_id}'") == [("FAILURE",)]
        assert dict(ask(connection, 'SELECT concurrency_key, "limit" FROM concurrency_limits')) == POOLS
    store = object_store.client(stack.settings, "s3-dagster", stack.secrets["s3_dagster"])
    logs = store.list_objects_v2(Bucket=LOGS_BUCKET, Prefix="runs/").get("Contents", [])
    assert any(run_id in entry["Key"] for entry in logs)
