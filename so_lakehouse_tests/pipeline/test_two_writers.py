"""Two processes with a Spark driver each write one lake at the same time: nothing is lost and nothing doubled."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import functions as F

from so_lakehouse import schema
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.silver_tables import silver_table
from so_lakehouse.lake.storage import Lake
from so_lakehouse.spark import write
from so_lakehouse.spark.converge import converge
from so_lakehouse_tests.pipeline.converging_process import TABLES
from so_lakehouse_tests.pipeline.evidence import write_dump
from so_lakehouse_tests.pipeline.writer import Writer

SITES = ("beer", "wine")
SEPTEMBER, DECEMBER = "2016-09-11", "2016-12-11"


@pytest.fixture
def writers(settings, tmp_path):
    both = [Writer(settings, tmp_path / f"{name}.log") for name in ("first", "second")]
    yield both
    for writer in both:
        writer.close()


def wait_for(file: Path) -> None:
    until = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < until, f"nobody made {file}"
        time.sleep(0.05)


def land(lake: Lake, cut: str, site: str) -> None:
    """A site's dump; December's deletes a third of September's rows, changes a third and adds as many.

    Each post has a comment, and the last ten that December deletes have one that it still holds.
    """
    keys = range(1, 61) if cut == SEPTEMBER else range(21, 81)
    score = 0 if cut == SEPTEMBER else 5
    posts = [{"Id": key, "Title": site, "Score": score if key <= 40 else 0} for key in keys]
    held = keys if cut == SEPTEMBER else range(11, 81)
    comments = [{"Id": key, "PostId": key, "Text": site, "Score": score if key <= 40 else 0} for key in held]
    write_dump(lake, cut, {"posts": posts, "comments": comments}, site=site)


def contents(lake: Lake) -> dict[str, list[str]]:
    ledger = """site, table_name, source, partition, data_version, rule_version, rows_in, rows_inserted, rows_updated,
                rows_unchanged, rows_superseded, rows_suppressed, rows_quarantined, rows_deduplicated, rows_deleted"""
    queries = {name: f"select * from silver.{name}" for name in (*TABLES, "tombstones")}
    queries["ledger"] = f"select {ledger} from silver.ledger"
    return {name: sorted(map(str, query_lake(lake, sql).to_pylist())) for name, sql in queries.items()}


def test_two_processes_end_where_one_after_the_other_would(spark, lake, settings, writers, tmp_path):
    first, second = writers
    for site in SITES:
        land(lake, SEPTEMBER, site)
    for writer in writers:
        writer.hear("ready")

    def at_once(one: str, other: str) -> list[dict[str, Any]]:
        first.tell(one)
        second.tell(other)
        return [writer.hear("done") for writer in writers]

    same_site = at_once("beer", "beer")
    assert sorted(done["applied"] for done in same_site) == [0, 2], "one did the work, the other found it done"
    land(lake, DECEMBER, "beer")
    two_sites = at_once("beer", "wine")
    assert [done["applied"] for done in two_sites] == [2, 2]
    assert [sum(done["waited"] for done in pair) for pair in (same_site, two_sites)] == [1, 1]

    land(lake, DECEMBER, "wine")
    first.tell("wine", die_at="silver.posts_written")
    first.hear("compared")  # so it holds the locks
    second.tell("wine")
    assert second.hear("done")["waited"]
    assert first.process.wait(60) == -9
    assert second.end() == 0

    alone = Lake(str(tmp_path / "alone"))
    for cut in (SEPTEMBER, DECEMBER):
        for site in SITES:
            land(alone, cut, site)
            converge(spark, alone, site, TABLES, settings)
    assert contents(lake) == contents(alone)


def test_of_two_first_loads_at_once_one_is_refused(spark, lake, tmp_path, monkeypatch):
    """As a holder would write that has lost its lock and does not know it yet: the first has looked at the table and
    writes its rows when the second comes, which ends before it."""
    posts = silver_table(schema.table("posts"), keep_personal=False)
    write.create(spark, lake, posts)
    told = {"Id": "1", "PostTypeId": "1", "CreationDate": "now()"}
    told |= dict.fromkeys(("OwnerIsDeleted", "LastEditorIsDeleted"), "false")
    values = [f"CAST({told.get(column.name, 'NULL')} AS {column.type}) AS `{column.name}`" for column in posts.columns]
    loaded = spark.range(1).selectExpr(*values).drop("site")
    monkeypatch.setattr(spark.sparkContext, "pythonExec", sys.executable)
    writes, goes_on = tmp_path / "writes", tmp_path / "goes on"

    def when_told(score):  # Spark takes hints for a kind of function
        writes.touch()
        while not goes_on.exists():
            time.sleep(0.05)
        return score

    held = loaded.withColumn("Score", F.udf(when_told, loaded.schema["Score"].dataType)("Score"))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(write.replace_site, held, lake, posts, "beer")
        try:
            wait_for(writes)
            write.replace_site(loaded, lake, posts, "beer")
        finally:
            goes_on.touch()
        with pytest.raises(Py4JJavaError, match="Concurrent"):
            first.result()
    assert query_lake(lake, "select count(*) as n from silver.posts").to_pylist() == [{"n": 1}]
