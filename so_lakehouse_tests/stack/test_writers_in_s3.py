"""Silver in an object store with two Spark drivers: no commit is lost, a reader never sees a part, a killed writer
leaves nothing."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psutil
import pytest

from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse_tests.pipeline.test_two_writers import DECEMBER, SEPTEMBER, land
from so_lakehouse_tests.pipeline.writer import Writer
from so_lakehouse_tests.stack.object_store import SECRET_KEY, bucket, object_store, s3_settings  # noqa: F401

MERGES = 5  # of each driver; MANY of them show that nothing is lost now and then
MANY = 100


@pytest.fixture
def shared(s3_settings, warehouse):  # noqa: F811
    """Settings of two processes: the lake in the bucket, its locks in a Postgres of their own."""
    return replace(s3_settings, postgres=warehouse.postgres)


@pytest.fixture
def lake(shared) -> Lake:
    return Lake.of(shared)


@pytest.fixture
def writers(shared, tmp_path):
    both = [Writer(shared, tmp_path / f"{name}.log") for name in ("first", "second")]
    for writer in both:
        writer.hear("ready")
    yield both
    for writer in both:
        writer.close()


@pytest.mark.parametrize("merges", [MERGES])
def test_what_two_drivers_merged_is_there(lake, writers, merges):
    for writer, site in zip(writers, ("beer", "wine"), strict=True):
        writer.tell(site, merges=merges)
    for writer in writers:
        java = psutil.Process(writer.process.pid).children(recursive=True)
        assert java
        assert not any(SECRET_KEY in word for process in java for word in process.cmdline()), "others can read it there"
    acknowledged = [writer.hear("done")["merged"] for writer in writers]
    found = query_lake(lake, "select site, count(*) as n from silver.posts group by site order by site").to_pylist()
    assert found == [{"site": "beer", "n": acknowledged[0]}, {"site": "wine", "n": acknowledged[1]}]
    assert acknowledged == [merges, merges]


def test_a_publish_is_seen_whole_and_a_killed_writer_not_at_all(lake, writers):
    first, second = writers
    land(lake, SEPTEMBER, "beer")
    first.tell("beer")
    first.hear("done")
    old = state(lake)
    land(lake, DECEMBER, "beer")
    first.tell("beer", die_at="silver.before_posts")
    assert first.process.wait(120) == -9
    assert state(lake) == old, "what was staged is no part of silver"

    done, seen = threading.Event(), set()

    def read() -> None:
        while not done.is_set():
            seen.add(state(lake))

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        second.tell("beer")
        applied = second.hear("done")["applied"]
        done.set()
        reader.result()
    new = state(lake)
    assert applied == 1
    assert new != old
    assert seen <= {old, new}
    assert new == (60, 100, 21, 80), "rows, sum of scores, first and last key of December's dump"


def state(lake: Lake) -> tuple[int, ...]:
    sql = "select count(*) as n, sum(Score) as score, min(Id) as first, max(Id) as last from silver.posts"
    return tuple(query_lake(lake, sql).to_pylist()[0].values())
