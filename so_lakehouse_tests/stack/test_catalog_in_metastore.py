"""Silver's tables by name in a Hive Metastore, for whoever knows nothing of this project: they come, follow the lake
and go, and a metastore that is away holds no data up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from so_lakehouse.doctor import examine
from so_lakehouse.errors import Unavailable
from so_lakehouse.lake import catalog, ledger, tiny
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.converged import Converged
from so_lakehouse.spark.maintenance import maintain
from so_lakehouse.spark.session import open_session
from so_lakehouse.stack import environment, native
from so_lakehouse_tests.pipeline.evidence import write_dump
from so_lakehouse_tests.pipeline.test_two_writers import DECEMBER, SEPTEMBER, land
from so_lakehouse_tests.pipeline.writer import environment as environment_of
from so_lakehouse_tests.stack.conftest import Stack
from so_lakehouse_tests.stack.object_store import empty
from so_lakehouse_tests.stack.spark_client import ask
from so_lakehouse_tests.stack.whole_stack import so_lakehouse

SITE = "beer"


@pytest.fixture(scope="module")
def settings(team: Stack, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Of a process of the team, with a Spark in it."""
    used = Settings.from_environment(environment.variables(team.settings, team.secrets))
    return replace(used, home=tmp_path_factory.mktemp("home"), spark_master="local[2]", spark_memory="1g")


@pytest.fixture(scope="module")
def lake(settings: Settings) -> Iterator[Lake]:
    """The team's lake, emptied; a dump has landed in it."""
    lake = Lake.of(settings)
    empty(lake)
    land(lake, SEPTEMBER, SITE)
    yield lake
    empty(lake)


@pytest.fixture(scope="module")
def written_while_away(team: Stack, settings: Settings, lake: Lake) -> Converged:
    """What a converge says for which the metastore is away."""
    start_or_stop(team, runs=False)
    spark = open_session(settings)
    try:
        return run(spark, lake, settings)
    finally:
        spark.stop()
        start_or_stop(team, runs=True)


@pytest.fixture(scope="module")
def spark(written_while_away: Converged, settings: Settings) -> Iterator[SparkSession]:
    """Started with the metastore."""
    session = open_session(settings)
    yield session
    session.stop()


def start_or_stop(team: Stack, runs: bool) -> None:
    (native.up if runs else native.down)(team.settings, lambda service, what: None, ["metastore"])


def run(spark: SparkSession, lake: Lake, settings: Settings) -> Converged:
    return converge(spark, lake, SITE, ["posts"], settings)["posts"]


def add_table(lake: Lake, name: str) -> None:
    write_deltalake(lake.uri(f"silver/{name}"), pa.table({"n": [1, 2, 3]}), storage_options=lake.options)


def names(spark: SparkSession) -> set[str]:
    return {row["tableName"] for row in spark.sql("SHOW TABLES IN silver").collect()}


def test_without_the_metastore_the_data_are_written_and_the_run_says_what_to_do(
    lake: Lake, written_while_away: Converged
) -> None:
    assert written_while_away.rows == 60
    assert "did not answer when this Spark was started" in written_while_away.catalog
    assert "run again" in written_while_away.catalog


def test_the_next_run_names_every_table_and_a_foreign_client_reads_them(
    team: Stack, lake: Lake, settings: Settings, spark: SparkSession, tmp_path: Path
) -> None:
    delta = ledger.open_delta(lake, "posts")
    assert delta is not None
    again = run(spark, lake, settings)
    assert (again.applied, again.catalog) == ((), "")
    assert again.version == delta.version(), "a name is no commit"
    named, posts, inserted = ask(
        team,
        tmp_path,
        "SHOW TABLES IN silver",
        "SELECT count(*) FROM silver.posts",
        "SELECT sum(rows_inserted) FROM silver.ledger WHERE table_name = 'posts'",
    )
    assert {name for _, name, _ in named} == set(catalog.in_the_lake(lake)) == {"posts", "ledger"}
    assert (posts, inserted) == ([[60]], [[60]])


def test_names_follow_the_lake_and_nobody_elses_data_are_touched(
    team: Stack, lake: Lake, settings: Settings, spark: SparkSession, tmp_path: Path
) -> None:
    spark.sql("CREATE TABLE silver.numbers USING parquet AS SELECT 7 AS n")
    add_table(lake, "earlier")
    run(spark, lake, settings)
    assert names(spark) == {"posts", "ledger", "numbers", "earlier"}

    lake.delete("silver/earlier")  # renamed, as far as a store knows such a thing
    add_table(lake, "later")
    spark.sql("DROP TABLE silver.ledger")
    spark.sql(f"CREATE TABLE silver.ledger USING delta LOCATION '{lake.uri('silver/later')}'")
    spark.sql("DROP TABLE silver.posts")
    land(lake, DECEMBER, SITE)
    assert run(spark, lake, settings).catalog == ""
    assert names(spark) == {"posts", "ledger", "tombstones", "numbers", "later"}

    lake.delete("silver/later")
    add_table(lake, "by_hand")
    said = so_lakehouse(os.environ | environment_of(settings), "catalog")
    assert said.returncode == 0, said.stderr
    assert names(spark) == {"posts", "ledger", "tombstones", "numbers", "by_hand"}
    assert all(f"silver.{name}" in said.stdout for name in names(spark))

    lake.delete("silver/by_hand")
    (told,) = (part for part in maintain(spark, lake, SITE, settings) if part.what == "catalog")
    assert told.note == ""
    named, posts, applied, numbers = ask(
        team,
        tmp_path,
        "SHOW TABLES IN silver",
        "SELECT count(*), min(Id), max(Id) FROM silver.posts",
        "SELECT count(*) FROM silver.ledger",
        "SELECT n FROM silver.numbers",
    )
    assert {name for _, name, _ in named} == {"posts", "ledger", "tombstones", "numbers"}
    assert (posts, applied, numbers) == ([[60, 21, 80]], [[2]], [[7]])


def test_a_name_of_ours_that_holds_somebody_elses_data_is_told_and_kept(
    lake: Lake, settings: Settings, spark: SparkSession
) -> None:
    spark.sql("DROP TABLE silver.tombstones")
    spark.sql("CREATE TABLE silver.tombstones USING parquet AS SELECT 7 AS n")
    assert "silver.tombstones in the metastore is no table of this lake" in run(spark, lake, settings).catalog
    assert spark.sql("SELECT n FROM silver.tombstones").collect() == [(7,)]
    spark.sql("ALTER TABLE silver.tombstones RENAME TO silver.theirs")
    assert run(spark, lake, settings).catalog == ""
    assert {"tombstones", "theirs"} <= names(spark)


def test_a_metastore_that_goes_away_under_spark_ends_the_run_in_words_and_a_rerun_goes_on(
    team: Stack, lake: Lake, settings: Settings, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny, "TINY_ROWS", 0)  # few rows are written without Spark, which would not notice
    monkeypatch.setattr(tiny, "TINY_BYTES", 0)
    posts = [{"Id": key, "Title": SITE, "Score": 9} for key in range(21, 81)]
    write_dump(lake, "2017-03-12", {"posts": posts}, site=SITE)
    assert examine(settings, ["metastore"])[0].fine
    start_or_stop(team, runs=False)
    try:
        assert not examine(settings, ["metastore"])[0].fine
        with pytest.raises(Unavailable, match=r"metastore at thrift://.* went away.*Run again"):
            run(spark, lake, settings)
    finally:
        start_or_stop(team, runs=True)
    done = run(spark, lake, settings)
    assert (len(done.applied), done.catalog) == (1, "")
