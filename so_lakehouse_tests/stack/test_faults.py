"""Faults of the object store and of Spark's worker in the middle of a merge: the run ends in words, or goes on; a
re-run ends in the same tables.

What the metastore does to a run when it goes away is in test_catalog_in_metastore.py, a store that is away for twenty
seconds in test_writers_in_s3.py, and what needs no Spark in test_faults_of_loads.py.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psutil
import pytest

from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.stack import native
from so_lakehouse.stack.network import Network
from so_lakehouse.warehouse import roles
from so_lakehouse_tests.pipeline.evidence import write_dump
from so_lakehouse_tests.pipeline.writer import Writer
from so_lakehouse_tests.stack.conftest import Stack
from so_lakehouse_tests.stack.object_store import Server
from so_lakehouse_tests.stack.store_proxy import StoreProxy

SEPTEMBER, DECEMBER = "2016-09-11", "2016-12-11"
CALM = "calm"  # the site to which nothing happens
ROWS = r"/silver/posts/.*\.parquet"
MOST_SECONDS = 120  # for one thing, on a machine that does much else


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


def with_september(writer: Writer, lake: Lake, site: str) -> None:
    """The site has September's rows, and December's have landed."""
    land(lake, SEPTEMBER, site)
    writer.tell(site, tables=["posts"])
    writer.hear("done")
    land(lake, DECEMBER, site)


@contextmanager
def merging(proxy: StoreProxy, writer: Writer, lake: Lake, site: str) -> Iterator[None]:
    """For the block December's rows are being merged into September's: the worker has sent the first file, which waits
    at the store's door until the block ends."""
    with_september(writer, lake, site)
    with proxy.held("PUT", ROWS) as here:
        writer.tell(site, tables=["posts"])
        assert here.wait(MOST_SECONDS), "nobody merges"
        yield


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
    with merging(proxy, writer, lake, "overrun"):
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
    with merging(proxy, writer, lake, "away"):
        team.down("s3")
    said = writer.hear("failed")["error"]
    team.up("s3")
    assert said.startswith(f"Unavailable: The object store at {proxy.address} does not do what was asked in")
    assert "See that it runs" in said
    writer.tell("away", tables=["posts"])
    writer.hear("done")
    assert contents(lake, "away") == contents(lake, CALM)


def test_a_merge_whose_worker_is_killed_goes_on_in_the_next_one(
    team: Stack, proxy: StoreProxy, lake: Lake, writer: Writer
) -> None:
    (worker,) = native.status(team.settings, ["spark-worker-1"])
    assert worker.process_id
    with merging(proxy, writer, lake, "orphan"):
        executors = psutil.Process(worker.process_id).children(recursive=True)
        assert executors, "the work is done there"
        for process in (worker.process_id, *(executor.pid for executor in executors)):
            os.kill(process, signal.SIGKILL)
        psutil.wait_procs(executors, timeout=10)
    team.up("spark-worker-1")
    assert writer.hear("done")["applied"] == 1
    assert contents(lake, "orphan") == contents(lake, CALM)
