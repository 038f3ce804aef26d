"""What others leave in the lake stops no converge: half-made tables, strange commits, a crash before a migration."""

from __future__ import annotations

from dataclasses import replace

import pytest

from so_lakehouse import failpoints
from so_lakehouse.lake import gates, silver_tables
from so_lakehouse.lake.delta import log_of
from so_lakehouse.lake.ledger import open_delta
from so_lakehouse.lake.query import query_lake, tables
from so_lakehouse.spark.converge import converge
from so_lakehouse_tests.pipeline.evidence import write_dump
from so_lakehouse_tests.pipeline.three_quarters import Site

SEPTEMBER, DECEMBER = "2016-09-11", "2016-12-11"


class Killed(BaseException):
    """The end of a run at a fail point."""


@pytest.fixture
def posts(spark, lake, settings):
    return lambda **changes: converge(spark, lake, "beer", ["posts"], replace(settings, **changes))["posts"]


def test_a_table_whose_making_was_killed_is_made(lake, posts):
    for name in ("posts", "ledger", "tombstones"):
        lake.make_folder(f"silver/{name}/_delta_log")
    assert not [name for name in tables(lake) if name.startswith("silver.")]
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}]})
    assert posts().rows == 1
    made = open_delta(lake, "posts")
    assert made is not None
    assert made.metadata().configuration["delta.enableChangeDataFeed"] == "true", "in its declared form"
    write_dump(lake, DECEMBER, {"posts": [{"Id": 2}]})
    assert posts().rows == 1
    assert query_lake(lake, "select Id from silver.posts").to_pylist() == [{"Id": 2}]


@pytest.mark.parametrize("said", ["nightly job 17", "[1, 2]", '{"job": "nightly"}', "7"])
def test_a_commit_with_somebody_elses_words_is_passed_over(spark, lake, posts, said):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}]})
    posts()
    address = silver_tables.uri(lake, "posts")
    rows = spark.read.format("delta").load(address).limit(0)
    rows.write.format("delta").mode("append").option("userMetadata", said).save(address)
    write_dump(lake, DECEMBER, {"posts": [{"Id": 1}, {"Id": 2}]})
    assert posts().rows == 2


def test_a_crash_is_in_the_ledger_before_a_migration_commits(lake, posts, monkeypatch):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}, {"Id": 2}]})
    posts()
    write_dump(lake, DECEMBER, {"posts": [{"Id": 1}]})
    recorded = {}

    def reach(name):
        ledger = "select partition from silver.ledger where table_name = 'posts' order by partition"
        recorded[name] = query_lake(lake, ledger).to_pylist()
        if name == "silver.posts_written":
            raise Killed(name)

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "reach", reach)
        with pytest.raises(Killed):
            posts()
        assert [row["partition"] for row in recorded["silver.posts_written"]] == ["2016-07-01"]
        patch.setattr(failpoints, "reach", lambda name: reach(name) if name == "silver.before_migration" else None)
        posts(keep_personal=True)
    assert [row["partition"] for row in recorded["silver.before_migration"]] == ["2016-07-01", "2016-10-01"]


def test_a_strange_commit_holds_up_only_the_sites_whose_rows_it_touches(spark, lake, settings):
    for site in ("beer", "ai"):
        write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}]}, site=site)
        converge(spark, lake, site, ["posts"], settings)
    table = silver_tables.quoted_path(silver_tables.uri(lake, "posts"))
    before = gates.load(lake, "ai")["posts"].version
    spark.sql(f"UPDATE {table} SET Score = 7 WHERE site = 'ai'")
    gates.follow(lake)
    newest = open_delta(lake, "posts").version()
    assert gates.load(lake, "beer")["posts"].version == newest
    assert gates.load(lake, "ai")["posts"].version == before < newest


def test_a_site_that_rests_for_longer_than_the_log_lives_is_not_taken_for_changed(spark, lake, settings):
    for site in ("beer", "ai"):
        write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}]}, site=site)
        converge(spark, lake, site, ["posts"], settings)
    table = silver_tables.quoted_path(silver_tables.uri(lake, "posts"))
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.checkpointInterval' = '1')")
    unheard = gates.load(lake, "beer")["posts"].version + 1
    Site(settings.home).let_age(days=40)
    write_dump(lake, DECEMBER, {"posts": [{"Id": 2}]}, site="ai")
    converge(spark, lake, "ai", ["posts"], settings)
    assert not lake.exists(f"{log_of('silver/posts')}/{unheard:020d}.json"), "the log still tells"
    assert converge(spark, lake, "beer", ["posts"], settings)["posts"].applied == ()
