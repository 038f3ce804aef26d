"""The warehouse after silver as Spark writes it: deletion vectors, a change feed in Spark's own form, maintenance."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from so_lakehouse import schema
from so_lakehouse.lake import silver_tables
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.spark.session import open_session
from so_lakehouse.warehouse.load import load_site
from so_lakehouse.warehouse.query import query_warehouse
from so_lakehouse.warehouse.record import Loaded
from so_lakehouse_tests.pipeline.silver_site import SilverSite
from so_lakehouse_tests.pipeline.warehouse_catalogue import compare_site

# 400 questions of two sites, one a day, with two tags each; and two up votes on each question.
POSTS = """
SELECT site, id AS Id, CAST(1 AS SMALLINT) AS PostTypeId, CAST(id AS INT) AS Score,
       TIMESTAMP '2015-01-01' + make_interval(0, 0, 0, id) AS CreationDate,
       array('ale', concat('t', id % 5)) AS Tags, false AS OwnerIsDeleted, false AS LastEditorIsDeleted
FROM range(1, 401) CROSS JOIN (VALUES ('ai'), ('beer')) sites(site)
"""
VOTES = """
SELECT site, id AS Id, id DIV 2 + 1 AS PostId, CAST(2 AS SMALLINT) AS VoteTypeId, TIMESTAMP '2016-01-01' AS CreationDate
FROM range(0, 800) CROSS JOIN (VALUES ('ai'), ('beer')) sites(site)
"""


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> SparkSession:
    """The one session of this process."""
    return open_session(Settings(home=tmp_path_factory.mktemp("spark"), spark_memory="1g"))


class SparkSilver:
    """Silver's posts and votes, changed by SQL."""

    def __init__(self, spark: SparkSession, lake: Lake) -> None:
        self.spark, self.lake = spark, lake
        for name, rows in (("posts", POSTS), ("votes", VOTES)):
            table = silver_tables.silver_table(schema.table(name), keep_personal=False)
            spark.sql(silver_tables.create_statement(table, silver_tables.uri(lake, name)))
            spark.sql(rows).repartition(1).write.format("delta").mode("append").save(silver_tables.uri(lake, name))
        self.pass_checks()

    def change(self, sql: str) -> None:
        names = {name: silver_tables.quoted_path(silver_tables.uri(self.lake, name)) for name in ("posts", "votes")}
        self.spark.sql(sql.format(**names))

    def replace_beer(self, posts: str) -> None:
        """All of the site's posts in one commit, as a rebuild writes them."""
        writer = self.spark.sql(posts).write.format("delta").mode("overwrite").option("replaceWhere", "site = 'beer'")
        writer.save(silver_tables.uri(self.lake, "posts"))

    def pass_checks(self) -> None:
        SilverSite(self.lake, "beer").pass_checks()


@pytest.fixture
def silver(spark: SparkSession, lake: Lake, warehouse: Settings) -> SparkSilver:
    made = SparkSilver(spark, lake)
    load_site(lake, warehouse, "beer")
    return made


def load(lake: Lake, settings: Settings) -> dict[str, Loaded]:
    """Loads beer; the warehouse then equals silver in every table that there is."""
    loaded = {name: done for name, done in load_site(lake, settings, "beer").items() if done.how != "absent"}
    compared = compare_site(lake, settings, "beer")
    assert [outcome.detail for outcome in compared.values() if not outcome.passed] == []
    return loaded


def test_merges_and_deletions_with_deletion_vectors_follow_by_the_feed(
    silver: SparkSilver, lake: Lake, warehouse: Settings
) -> None:
    silver.change(
        """MERGE INTO {posts} t USING (SELECT id AS Id, id < 10 AS gone FROM range(1, 450) WHERE id < 20 OR id > 390) s
           ON t.site = 'beer' AND t.Id = s.Id
           WHEN MATCHED AND s.gone THEN DELETE
           WHEN MATCHED THEN UPDATE SET Score = -1, Tags = array('stout')
           WHEN NOT MATCHED THEN INSERT (site, Id, PostTypeId, CreationDate, OwnerIsDeleted, LastEditorIsDeleted)
             VALUES ('beer', s.Id, 1, TIMESTAMP '2016-05-01', false, false)"""
    )
    silver.change("DELETE FROM {posts} WHERE site = 'beer' AND Id BETWEEN 100 AND 109")
    silver.change("DELETE FROM {votes} WHERE site = 'beer' AND Id % 4 = 1")
    silver.change("DELETE FROM {posts} WHERE site = 'ai'")
    silver.pass_checks()
    loaded = load(lake, warehouse)
    assert {name: (d.how, d.inserted, d.updated, d.deleted) for name, d in loaded.items()} == {
        "posts": ("changes", 49, 20, 19),
        "post_tags": ("changes", 20, 0, 40 + 38),
        "votes": ("changes", 0, 200, 0),
    }


def test_a_site_replaced_in_one_commit_is_right_though_the_feed_is_not(
    silver: SparkSilver, lake: Lake, warehouse: Settings
) -> None:
    """deltalake tells the wrong deletions where a file with a deletion vector is replaced; the count finds it out."""
    silver.change("DELETE FROM {posts} WHERE site = 'beer' AND Id BETWEEN 100 AND 109")
    silver.replace_beer(f"{POSTS} WHERE site = 'beer' AND id <= 300")
    silver.pass_checks()
    loaded = load(lake, warehouse)
    assert loaded["posts"].how == "reload"
    assert "does not add up" in loaded["posts"].reason
    assert loaded["posts"].rows == 300


def test_maintenance_changes_no_row_and_the_feed_goes_on_after_it(
    silver: SparkSilver, lake: Lake, warehouse: Settings
) -> None:
    silver.change("DELETE FROM {posts} WHERE site = 'beer' AND Id = 7")
    silver.pass_checks()
    load(lake, warehouse)
    silver.change("OPTIMIZE {posts}")
    silver.change("REORG TABLE {posts} APPLY (PURGE)")
    silver.pass_checks()
    untouched = load(lake, warehouse)["posts"]
    assert (untouched.inserted, untouched.updated, untouched.deleted) == (0, 0, 0)
    silver.change("UPDATE {posts} SET Score = 1000 WHERE site = 'beer' AND Id = 8")
    silver.pass_checks()
    after = load(lake, warehouse)["posts"]
    assert (after.how, after.updated) == ("changes", 1)


def test_what_was_vacuumed_before_it_was_read_is_reloaded(silver: SparkSilver, lake: Lake, warehouse: Settings) -> None:
    silver.change("UPDATE {posts} SET Score = 1000 WHERE site = 'beer' AND Id = 8")
    silver.change("REORG TABLE {posts} APPLY (PURGE)")
    silver.spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    silver.change("VACUUM {posts} RETAIN 0 HOURS")
    silver.spark.conf.unset("spark.databricks.delta.retentionDurationCheck.enabled")
    silver.pass_checks()
    posts = load(lake, warehouse)["posts"]
    assert (posts.how, posts.updated) == ("reload", 1)
    assert "the change feed of silver/posts from version" in posts.reason
    months = query_warehouse(warehouse, "SELECT month::text FROM lake.changed WHERE load_id = 2").to_pylist()
    assert months == [{"month": "2015-01-01"}]
