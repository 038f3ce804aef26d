"""Runs by a Spark Connect server (`LAKEHOUSE_SPARK_REMOTE=sc://…`): the same rows, and no JVM of their own."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.stack import object_store, spark_connect
from so_lakehouse_tests.pipeline.test_two_writers import DECEMBER, SEPTEMBER, land
from so_lakehouse_tests.pipeline.writer import Writer
from so_lakehouse_tests.stack.conftest import new_stack, running


@pytest.fixture
def connected(s3_settings: Settings, warehouse: Settings) -> Iterator[Settings]:
    """Settings of runs whose Spark is a server beside them; the lake lies in an object store."""
    with new_stack() as made:
        port = made.settings.stack_connect_port
        server = replace(s3_settings, home=made.settings.home, stack_connect_port=port, spark_memory="1g")
        used = replace(made, settings=replace(server, spark_master="local[2]"))
        with running(used, spark_connect.service(used.settings)):
            file = used.settings.stack_folder / "spark" / "connect.conf"
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            remote = spark_connect.address(used.settings)
            yield replace(s3_settings, postgres=warehouse.postgres, spark_remote=remote)


@pytest.mark.parametrize("s3", [object_store.VERSITYGW], indirect=True)
def test_a_site_is_converged_without_a_jvm_of_its_own(connected: Settings, tmp_path) -> None:
    lake = Lake.of(connected)
    writer = Writer(connected, tmp_path / "log", "many")
    try:
        writer.hear("ready")
        for cut, applied in ((SEPTEMBER, 2), (DECEMBER, 2), (DECEMBER, 0)):
            land(lake, cut, "beer")
            writer.tell("beer")
            assert writer.hear("done")["applied"] == applied
        children = psutil.Process(writer.process.pid).children(recursive=True)
        assert "java" not in {child.name() for child in children}
    finally:
        writer.close()
    asked = "count(*) as n, sum(Score) as score, min(Id) as first, max(Id) as last"
    (found,) = query_lake(lake, f"select {asked} from silver.posts").to_pylist()
    assert found == {"n": 60, "score": 100, "first": 21, "last": 80}
    gone = query_lake(lake, "select count(*) as n from silver.tombstones where table_name = 'posts'").to_pylist()
    assert gone == [{"n": 20}]
