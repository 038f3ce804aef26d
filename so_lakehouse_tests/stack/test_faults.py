"""Faults of the real services in the middle of the work: the run waits, or ends in words; a re-run ends in the same
tables.

What the metastore does to a run when it goes away is in test_catalog_in_metastore.py, and a store that is away for
twenty seconds in test_writers_in_s3.py.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg2
import pytest

from so_lakehouse.errors import Unavailable
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.stack import native, postgres
from so_lakehouse.stack.network import Network
from so_lakehouse.stack.process import Supervised
from so_lakehouse.warehouse import roles
from so_lakehouse.warehouse.load import load_site
from so_lakehouse_tests.pipeline.evidence import write_dump
from so_lakehouse_tests.pipeline.silver_site import day, small_site
from so_lakehouse_tests.pipeline.warehouse_catalogue import assert_equals_silver
from so_lakehouse_tests.pipeline.writer import Writer
from so_lakehouse_tests.stack.conftest import Stack
from so_lakehouse_tests.stack.object_store import Server
from so_lakehouse_tests.stack.store_proxy import StoreProxy, store_proxy

SEPTEMBER, DECEMBER = "2016-09-11", "2016-12-11"
CALM = "calm"  # the site to which nothing happens


@pytest.fixture(scope="module")
def proxy(team: Stack) -> Iterator[StoreProxy]:
    with store_proxy(Network(team.settings).s3) as between:
        yield between


@pytest.fixture(scope="module")
def settings(team: Stack, proxy: StoreProxy, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Of a process of the team that reaches its object store through the door, with a lake of its own."""
    server = Server(team)
    given = Settings(
        home=tmp_path_factory.mktemp("home"),
        postgres=team.address(roles.LOADER),
        spark_master=Network(team.settings).spark,
    )
    return replace(server.settings(given, server.new_bucket()), s3_endpoint=proxy.address)


@pytest.fixture(scope="module")
def lake(settings: Settings) -> Lake:
    return Lake.of(settings)


@pytest.fixture(scope="module")
def writer(team: Stack, settings: Settings, lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Writer]:
    """A driver whose work is done in the cluster's one worker; the calm site is in silver with both dumps."""
    with pytest.MonkeyPatch.context() as patch:
        # The cluster's secret is in there.
        patch.setenv("SPARK_CONF_DIR", str(team.settings.stack_folder / "spark" / "conf"))
        begun = Writer(settings, tmp_path_factory.mktemp("writer") / "log", "cluster", "many", "impatient")
    try:
        begun.hear("ready")
        for cut in (SEPTEMBER, DECEMBER):
            land(lake, cut, CALM)
            begun.tell(CALM, tables=["posts"])
            begun.hear("done")
        yield begun
    finally:
        begun.close()


def land(lake: Lake, cut: str, site: str) -> None:
    """December's dump deletes a third of September's rows, changes a third and adds as many."""
    keys = range(1, 61) if cut == SEPTEMBER else range(21, 81)
    posts = [{"Id": key, "Title": "one", "Score": 5 if cut == DECEMBER and key <= 40 else 0} for key in keys]
    write_dump(lake, cut, {"posts": posts}, site=site)


def contents(lake: Lake, site: str) -> list[list[str]]:
    """What silver has of a site, but for its name and moments."""
    numbers = "table_name, source, partition, rows_in, rows_inserted, rows_updated, rows_unchanged, rows_deleted"
    asked = {"posts": "*", "tombstones": "*", "ledger": numbers}
    tables = [
        query_lake(lake, f"select {what} from silver.{name} where site = '{site}'") for name, what in asked.items()
    ]
    kept = [table.drop_columns([name for name in table.column_names if name == "site"]) for table in tables]
    return [sorted(map(str, table.to_pylist())) for table in kept]


def begin(writer: Writer, lake: Lake, site: str) -> None:
    """The site has September's rows, and December's are compared; next they are merged."""
    for cut in (SEPTEMBER, DECEMBER):
        land(lake, cut, site)
        writer.tell(site, tables=["posts"])
        writer.hear("compared" if cut == DECEMBER else "done")


def down(team: Stack, service: str) -> None:
    native.down(team.settings, lambda name, what: None, [service])


def up(team: Stack, service: str) -> None:
    native.up(team.settings, lambda name, what: None, [service])


def test_a_store_that_asks_to_slow_down_is_heard_by_every_client(proxy: StoreProxy, lake: Lake, writer: Writer) -> None:
    land(lake, SEPTEMBER, "busy")
    writer.tell("busy", tables=["posts"])
    writer.hear("done")
    land(lake, DECEMBER, "busy")
    proxy.refuse(2)
    writer.tell("busy", tables=["posts"])
    assert writer.hear("done")["applied"] == 1
    told = dict(proxy.refused)
    proxy.refuse(0)
    assert told == dict.fromkeys(("boto3", "deltalake", "pyarrow", "spark"), 2)
    assert contents(lake, "busy") == contents(lake, CALM)


def test_a_store_that_is_busy_for_good_ends_the_run_in_words_and_a_rerun_goes_on(
    proxy: StoreProxy, lake: Lake, writer: Writer
) -> None:
    begin(writer, lake, "overrun")
    proxy.refuse(1_000_000)
    said = writer.hear("failed")["error"]
    proxy.refuse(0)
    assert said.startswith(f"Unavailable: The object store at {proxy.address} does not do what was asked in")
    assert "SlowDown" in said or "Please reduce your request rate" in said
    assert said.endswith("then run again.")
    writer.tell("overrun", tables=["posts"])
    writer.hear("done")
    assert contents(lake, "overrun") == contents(lake, CALM)


def test_a_store_that_is_away_for_good_ends_the_run_in_words_and_a_rerun_goes_on(
    team: Stack, proxy: StoreProxy, lake: Lake, writer: Writer
) -> None:
    begin(writer, lake, "away")
    down(team, "s3")
    said = writer.hear("failed")["error"]
    up(team, "s3")
    assert said.startswith(f"Unavailable: The object store at {proxy.address} does not do what was asked in")
    assert "See that it runs" in said
    writer.tell("away", tables=["posts"])
    writer.hear("done")
    assert contents(lake, "away") == contents(lake, CALM)


def test_a_merge_whose_worker_is_killed_goes_on_in_the_next_one(team: Stack, lake: Lake, writer: Writer) -> None:
    begin(writer, lake, "orphan")
    (worker,) = native.status(team.settings, ["spark-worker-1"])
    assert worker.process_id
    executors = psutil.Process(worker.process_id).children(recursive=True)
    assert executors, "the work is done there"
    for process in (worker.process_id, *(executor.pid for executor in executors)):
        os.kill(process, signal.SIGKILL)
    psutil.wait_procs(executors, timeout=10)
    up(team, "spark-worker-1")
    assert writer.hear("done")["applied"] == 1
    assert contents(lake, "orphan") == contents(lake, CALM)


def test_a_load_during_which_postgres_is_restarted_says_so_and_a_rerun_equals_silver(
    stack: Stack, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, postgres=stack.address(roles.LOADER))
    lake = Lake.of(settings)
    silver = small_site(lake, "restarted")
    silver.pass_checks(cut_at=day("2016-09-30"))
    load_site(lake, settings, "restarted")
    silver.put("posts", {"Id": 1, "PostTypeId": 1, "CreationDate": day("2016-01-10"), "Score": 77})
    silver.pass_checks(cut_at=day("2016-12-30"))
    admin = postgres.admin_address(stack.settings, stack.secrets, postgres.WAREHOUSE)
    service = postgres.service(stack.settings, lambda: None)
    server = Supervised(service, stack.settings.stack_folder / "run")
    with ThreadPoolExecutor(1) as pool, closing(psycopg2.connect(admin)) as held:
        with held.cursor() as cursor:
            cursor.execute("LOCK TABLE lake.posts IN SHARE MODE")  # nobody writes; who has begun waits in the middle
            load = pool.submit(load_site, lake, settings, "restarted")
            wait_until_somebody_waits(admin)
        server.stop()
        server.start()
        with pytest.raises(Unavailable, match=r"Postgres stopped the load of restarted: .*then load again"):
            load.result(60)
    done = load_site(lake, settings, "restarted")
    assert {table.how for table in done.values()} == {"changes", "unchanged"}
    assert_equals_silver(lake, settings, "restarted")


def wait_until_somebody_waits(admin: str) -> None:
    until = time.monotonic() + 60
    with closing(psycopg2.connect(admin)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        while True:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'lake.posts'::regclass")
            if cursor.fetchall() != [(0,)]:
                return
            assert time.monotonic() < until, "nobody waits"
            time.sleep(0.1)
