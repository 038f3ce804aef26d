"""Silver in an object store with two Spark drivers: no commit is lost, a store that is away is waited for, a reader
never sees a part, and what a killed writer leaves is swept."""

from __future__ import annotations

import os
import time

import psutil
import pytest

from so_lakehouse.lake import lock, paths, prune
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import server
from so_lakehouse_tests.pipeline.test_two_writers import DECEMBER, SEPTEMBER, land
from so_lakehouse_tests.pipeline.writer import Writer
from so_lakehouse_tests.stack.reader_loop import in_order, reading

# Of each driver. How often two commits meet is luck: without the lock one in a hundred was lost.
MERGES = int(os.environ.get("S3_MERGES", "100"))
AWAY_SITES = ("porter", "stout")


@pytest.fixture(scope="module")
def shared(object_store, postgres, tmp_path_factory) -> Settings:
    """Settings of two processes: a lake in a bucket, its locks in a Postgres."""
    settings = Settings(home=tmp_path_factory.mktemp("shared"), postgres=server.uri(postgres))
    return object_store.settings(settings, object_store.new_bucket())


@pytest.fixture
def lake(shared) -> Lake:
    return Lake.of(shared)


@pytest.fixture(scope="module")
def writers(shared, tmp_path_factory):
    """Both start once; the last test kills one."""
    logs = tmp_path_factory.mktemp("writers")
    both = [Writer(shared, logs / f"{name}.log", "many") for name in ("first", "second")]
    for writer in both:
        writer.hear("ready")
    yield both
    for writer in both:
        writer.close()


def test_what_two_drivers_merged_is_there(lake, shared, writers):
    for writer, site in zip(writers, ("beer", "wine"), strict=True):
        writer.tell(site, merges=MERGES)
    for writer in writers:
        children = psutil.Process(writer.process.pid).children(recursive=True)
        java = [process for process in children if process.name() == "java"]
        assert java
        assert not any(shared.s3_secret_key in word for process in java for word in process.cmdline()), (
            "others can read it there"
        )
    acknowledged = [writer.hear("done")["merged"] for writer in writers]
    assert acknowledged == [MERGES, MERGES]
    assert merged(lake) == {"beer": MERGES, "wine": MERGES}


def test_a_store_that_is_away_for_twenty_seconds_is_waited_for(lake, object_store, writers):
    for writer, site in zip(writers, AWAY_SITES, strict=True):
        writer.tell(site, merges=4)
    while sum(merged(lake).get(site, 0) for site in AWAY_SITES) < 2:
        time.sleep(0.1)
    with object_store.away():
        time.sleep(20)
    assert sum(merged(lake).get(site, 0) for site in AWAY_SITES) < 8, "it was away in the middle"
    assert [writer.hear("done")["merged"] for writer in writers] == [4, 4]
    assert {site: merged(lake)[site] for site in AWAY_SITES} == dict.fromkeys(AWAY_SITES, 4)


def test_a_publish_is_seen_whole_and_a_killed_writer_not_at_all_and_its_rest_is_swept(lake, shared, writers):
    first, second = writers
    land(lake, SEPTEMBER, "ale")
    first.tell("ale", tables=["posts"])
    first.hear("done")
    old = state(lake)
    land(lake, DECEMBER, "ale")
    first.tell("ale", tables=["posts"], die_at="silver.before_posts")
    assert first.process.wait(120) == -9
    assert state(lake) == old, "what was staged is no part of silver"

    with reading(lambda: state(lake)) as seen:
        second.tell("ale", tables=["posts"])
        applied = second.hear("done")["applied"]
    new = state(lake)
    assert applied == 1
    assert len(seen) >= 5, "the first and the last are read before and after"
    assert in_order(seen) == [old, new]
    assert new == (60, 100, 21, 80), "rows, sum of scores, first and last key of December's dump"

    assert lake.files(paths.staging("ale")), "what the killed one staged is still there"
    silver = [f"silver.{name}" for name in TABLES]
    with lock.writing(lake, [lock.bronze("ale"), *silver], "maintain", shared):
        prune.prune(lake, "ale", shared)
    assert not lake.files(paths.staging("ale"))
    assert state(lake) == new


def merged(lake: Lake) -> dict[str, int]:
    """Rows of silver.posts by site."""
    sql = "select site, count(*) as n from silver.posts group by site"
    return {row["site"]: row["n"] for row in query_lake(lake, sql).to_pylist()}


def state(lake: Lake) -> tuple[int, ...]:
    numbers = "count(*) as n, sum(Score) as score, min(Id) as first, max(Id) as last"
    sql = f"select {numbers} from silver.posts where site = 'ale'"
    return tuple(query_lake(lake, sql).to_pylist()[0].values())
