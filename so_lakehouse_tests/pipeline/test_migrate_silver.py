"""Delta tables of an earlier release become today's: rows, ledger, tombstones and warehouse as if never older."""

from __future__ import annotations

import io
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from so_lakehouse import failpoints, release, schema
from so_lakehouse.errors import BadInput
from so_lakehouse.lake import paths, silver_tables
from so_lakehouse.lake.ledger import open_delta
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.silver_tables import LEDGER, TOMBSTONES, silver_table
from so_lakehouse.spark import write
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.migrate import DELTA_TYPES, Difference, bring_up, difference, pending
from so_lakehouse.warehouse.load import load_site
from so_lakehouse.warehouse.query import query_warehouse
from so_lakehouse_tests.pipeline.evidence import write_dump
from so_lakehouse_tests.pipeline.warehouse_catalogue import compare_site

SEPTEMBER, DECEMBER = "2016-09-11", "2016-12-11"

# In each table a column less, a column more and one of another type than today; written by rules of that time.
EARLIER = {
    "posts": "SELECT * EXCEPT (ContentLicense, Score), CAST(Score AS SMALLINT) AS Score, 'calm' AS Mood",
    "ledger": """SELECT * EXCEPT (rests_on, revision, rule_version), CAST(revision AS BIGINT) AS revision,
                 '0.earlier' AS rule_version, 'by hand' AS note""",
    "tombstones": "SELECT * EXCEPT (post_id, id), CAST(id AS INT) AS id, current_user() AS who",
}


def make_earlier(spark, lake) -> None:
    """Rewrites the tables as the earlier release had them, by SQL."""
    for name, select in EARLIER.items():
        table = silver_tables.quoted_path(silver_tables.uri(lake, name))
        spark.sql(f"CREATE OR REPLACE TABLE {table} USING DELTA PARTITIONED BY (site) AS {select} FROM {table}")


def rows(lake, name: str, site: str) -> list[dict]:
    found = query_lake(lake, f"select * from silver.{name} where site = '{site}'").to_pylist()
    return sorted(found, key=lambda row: str(sorted(row.items(), key=str)))


def form(lake, name: str) -> dict[str, str]:
    return {field.name: str(field.type) for field in open_delta(lake, name).schema().fields}


@pytest.fixture
def two_sites(spark, lake, settings):
    """Two quarters of each: two posts stand, one was deleted."""
    for site in ("beer", "wine"):
        for cut, keys in ((SEPTEMBER, (1, 2, 3)), (DECEMBER, (1, 2))):
            posts = [{"Id": key, "Score": key, "Title": site, "ContentLicense": "CC BY-SA 3.0"} for key in keys]
            write_dump(lake, cut, {"posts": posts}, site=site)
            converge(spark, lake, site, ["posts"], settings)


def test_an_earlier_release_becomes_todays_site_by_site(spark, lake, settings, warehouse, two_sites):
    forms = {name: form(lake, name) for name in EARLIER}
    before = {(name, site): rows(lake, name, site) for name in EARLIER for site in ("beer", "wine")}
    for site in ("beer", "wine"):
        load_site(lake, warehouse, site)
    make_earlier(spark, lake)
    assert all(form(lake, name) != forms[name] for name in EARLIER)

    result = converge(spark, lake, "beer", ["posts"], settings)["posts"]
    assert {name: form(lake, name) for name in EARLIER} == forms
    assert open_delta(lake, "posts").metadata().description == schema.POSTS.description
    assert rows(lake, "posts", "beer") == before["posts", "beer"]
    assert rows(lake, "tombstones", "beer") == before["tombstones", "beer"]
    assert [(row.source, row.rows_in, row.rows_updated) for row in result.applied] == [("dump", 2, 2)]
    assert [check.detail for check in result.checks if check.blocking and not check.passed] == []

    not_yet = [row | {"ContentLicense": None} for row in before["posts", "wine"]]
    assert rows(lake, "posts", "wine") == not_yet, "another site keeps its rows; the new column waits for its converge"
    converge(spark, lake, "wine", ["posts"], settings)
    for site in ("beer", "wine"):
        assert rows(lake, "posts", site) == before["posts", site]
        recorded = [row for row in rows(lake, "ledger", site) if row["rule_version"] == "0.earlier"]
        old = [row | {"rule_version": "0.earlier", "rests_on": None} for row in before["ledger", site]]
        assert recorded == sorted(old, key=lambda row: str(sorted(row.items(), key=str)))

        loaded = load_site(lake, warehouse, site)["posts"]
        assert (loaded.how, loaded.inserted, loaded.updated, loaded.deleted) == ("reload", 0, 0, 0)
        assert compare_site(lake, warehouse, site)["posts"].passed
    assert query_warehouse(warehouse, "select max(load_id) as n from lake.changed").to_pylist() == [{"n": 2}]
    assert converge(spark, lake, "beer", ["posts"], settings)["posts"].applied == ()


def parquet_text(lake, name: str) -> str:
    """Every text value in every Parquet file of the table, live or not."""
    values = []
    for file in lake.list(paths.silver(name), recursive=True):
        if file.endswith(".parquet") and "_delta_log" not in file:
            table = pq.ParquetFile(io.BytesIO(lake.read_bytes(file))).read()
            values.append(str(table.to_pylist()))
    return "".join(values)


def test_names_of_people_leave_the_files_when_they_are_no_longer_kept(spark, lake, settings):
    users = [{"Id": 1, "DisplayName": "Zuleika", "Location": "Qaanaaq", "Age": 93, "Reputation": 7}]
    write_dump(lake, SEPTEMBER, {"users": users})
    keeping = replace(settings, keep_personal=True)
    converge(spark, lake, "beer", ["users"], settings)
    kept = converge(spark, lake, "beer", ["users"], keeping)["users"]
    row = query_lake(lake, "select DisplayName, Age from silver.users").to_pylist()
    assert (row, [r.rows_updated for r in kept.applied]) == ([{"DisplayName": "Zuleika", "Age": 93}], [1])

    dropped = converge(spark, lake, "beer", ["users"], settings)["users"]
    assert {"DisplayName", "Location", "Age"}.isdisjoint(form(lake, "users"))
    assert (dropped.data_version, [r.rows_unchanged for r in dropped.applied]) == (kept.data_version, [1])
    address = silver_tables.quoted_path(silver_tables.uri(lake, "users"))
    spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
    spark.sql(f"VACUUM {address} RETAIN 0 HOURS")
    spark.conf.unset("spark.databricks.delta.retentionDurationCheck.enabled")
    left = parquet_text(lake, "users")
    assert "'Reputation': 7" in left
    assert [word for word in ("Zuleika", "Qaanaaq", "93") if word in left] == []


def test_a_table_that_a_newer_release_made_is_left_alone(spark, lake, settings):
    write_dump(lake, SEPTEMBER, {"posts": [{"Id": 1}]})
    converge(spark, lake, "beer", ["posts"], settings)
    for table in (silver_table(schema.POSTS, False), LEDGER):
        version = open_delta(lake, table.name).version()
        assert not bring_up(spark, lake, table), "a table of today is only looked at"
        assert open_delta(lake, table.name).version() == version

    address = silver_tables.quoted_path(silver_tables.uri(lake, "posts"))
    spark.sql(f"ALTER TABLE {address} SET TBLPROPERTIES ('{silver_tables.RELEASE}' = '99.0.0')")
    version = converge(spark, lake, "beer", ["posts"], settings)["posts"].version
    spark.sql(f"ALTER TABLE {address} ADD COLUMNS (OfTheFuture STRING)")
    with pytest.raises(BadInput, match=r"form of so_lakehouse 99\.0\.0.*dropped: OfTheFuture"):
        converge(spark, lake, "beer", ["posts"], settings)
    assert open_delta(lake, "posts").version() == version + 1


class Killed(BaseException):
    """The end of a run at a fail point."""


def test_a_migration_that_was_killed_between_two_commits_is_already_this_releases(spark, lake, monkeypatch):
    """Or the release before would take the new column for one of its own past, and drop it."""
    today, before = silver_table(schema.POSTS, False), "0.0.9"
    without = replace(today, columns=tuple(c for c in today.columns if c.name != "Title"))
    address = silver_tables.quoted_path(silver_tables.uri(lake, "posts"))
    write.create(spark, lake, without)
    spark.sql(f"ALTER TABLE {address} SET TBLPROPERTIES ('{silver_tables.RELEASE}' = '{before}')")
    assert pending(lake, today) == Difference(added=tuple(c for c in today.columns if c.name == "Title"))

    found, kills = [], []

    def reach(name):
        delta = open_delta(lake, "posts")
        found.append(("Title" in form(lake, "posts"), delta.metadata().configuration[silver_tables.RELEASE]))
        if len(found) > len(kills):
            kills.append(name)
            raise Killed(name)

    monkeypatch.setattr(failpoints, "reach", reach)
    for _ in range(10):
        found.clear()
        try:
            bring_up(spark, lake, today)
            break
        except Killed:
            assert (True, before) not in found
    monkeypatch.undo()
    assert kills[:2] == ["silver.before_migration"] * 2
    assert ("Title" in form(lake, "posts"), pending(lake, today)) == (True, Difference())
    assert open_delta(lake, "posts").metadata().configuration[silver_tables.RELEASE] == release.THIS


def test_what_differs_is_told_by_column():
    table = TOMBSTONES
    fields = [(column.name, DELTA_TYPES[column.type], column.nullable) for column in table.columns]
    assert not difference(table, fields, table.properties)
    older = [("who", "string", True), *(field for field in fields if field[0] not in ("id", "post_id", "reason"))]
    found = difference(table, [*older, ("id", "integer", False), ("post_id", "long", False)], {})
    assert (found.dropped, found.retyped, found.loosened) == (("who",), ("id",), ("post_id",))
    assert [column.name for column in found.added] == ["reason"]
    assert set(found.properties) == set(table.properties)
    assert "new: reason; dropped: who; another type: id; may be null: post_id" in str(found)
