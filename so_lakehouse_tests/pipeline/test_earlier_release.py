"""A lakehouse that an earlier release left becomes what this release makes of the same evidence, in every table."""

from __future__ import annotations

from so_lakehouse.lake.ledger import open_delta
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.spark.converge import converge
from so_lakehouse.warehouse.load import load_site
from so_lakehouse_tests.pipeline import earlier_release
from so_lakehouse_tests.pipeline.warehouse_catalogue import assert_equals_silver, form, prepare, rows, run


def silver_rows(lake: Lake, name: str) -> list[str]:
    return sorted(str(row) for row in query_lake(lake, f"select * from silver.{name}").to_pylist())


def silver_form(lake: Lake, name: str) -> tuple:
    """Columns, their types, properties and description; a column of a table that was there may stay optional."""
    delta = open_delta(lake, name)
    columns = [(field.name, str(field.type)) for field in delta.schema().fields]
    return columns, delta.metadata().configuration, delta.metadata().description


def test_a_lakehouse_of_an_earlier_release_becomes_a_fresh_one(spark, lake, settings, warehouse, tmp_path):
    fresh = Lake((tmp_path / "fresh").as_uri())
    for each in (fresh, lake):
        earlier_release.evidence(each)
    converge(spark, fresh, "beer", list(TABLES), settings)
    load_site(fresh, warehouse, "beer")
    new_form, new_rows = form(warehouse), rows(warehouse)
    run(warehouse, "DROP SCHEMA lake, lake_partition, marts, marts_build CASCADE")

    earlier_release.build_silver(lake)
    run(warehouse, earlier_release.WAREHOUSE)
    assert form(warehouse) != new_form
    before = {name: silver_rows(lake, name) for name in (*TABLES, "tombstones", "ledger")}
    assert [name for name in before if silver_form(lake, name) != silver_form(fresh, name)], "nothing to bring up"
    result = converge(spark, lake, "beer", list(TABLES), settings)
    assert [check.detail for r in result.values() for check in r.checks if check.blocking and not check.passed] == []
    for name in TABLES:
        assert silver_rows(lake, name) == silver_rows(fresh, name), name
        assert silver_form(lake, name) == silver_form(fresh, name), name
    for name in ("ledger", "tombstones"):
        assert silver_form(lake, name) == silver_form(fresh, name), name
    assert silver_rows(lake, "tombstones") == before["tombstones"]
    assert before["ledger"] == [row for row in silver_rows(lake, "ledger") if row in before["ledger"]]

    load_site(lake, warehouse, "beer")
    prepare(warehouse)
    assert (form(warehouse), rows(warehouse)) == (new_form, new_rows)
    assert_equals_silver(lake, warehouse)
    assert not any(r.applied for r in converge(spark, lake, "beer", list(TABLES), settings).values())
