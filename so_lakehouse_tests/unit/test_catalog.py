"""What a catalog of silver should name, decided from what lies in the lake and what it names now."""

from __future__ import annotations

import pytest

from so_lakehouse.errors import BadInput
from so_lakehouse.lake import catalog
from so_lakehouse.lake.catalog import Changes, Entry
from so_lakehouse.settings import Settings
from so_lakehouse.spark.session import spark_config

SILVER = "s3a://bucket/lake/silver"


def tables(*names: str, at: str = SILVER) -> dict[str, str]:
    return {name: f"{at}/{name}" for name in names}


def named(*names: str, at: str = SILVER) -> list[Entry]:
    return [Entry(name, f"{at}/{name}") for name in names]


def changes(lies: dict[str, str], entries: list[Entry], silver: str = SILVER) -> Changes:
    return catalog.changes(lies, entries, silver)


def test_an_empty_catalog_learns_every_table():
    assert changes(tables("votes", "posts", "ledger"), []) == Changes(register=("ledger", "posts", "votes"))


def test_a_catalog_that_is_right_stays_as_it_is():
    assert changes(tables("posts", "ledger"), named("posts", "ledger")) == Changes()


@pytest.mark.parametrize(
    ("lies", "named_as"),
    [
        ("s3a://bucket/lake/silver", "s3://bucket/lake/silver"),
        ("s3a://bucket/lake/silver", "s3n://bucket/lake/silver"),
        ("file:///data/lake/silver", "file:/data/lake/silver"),
    ],
)
def test_a_place_that_is_only_spelled_differently_is_the_same_one(lies: str, named_as: str):
    entries = [Entry("posts", f"{named_as}/posts/")]
    assert changes(tables("posts", at=lies), entries, lies) == Changes()


def test_a_table_that_is_gone_leaves_no_ghost_and_a_renamed_one_has_its_new_name():
    assert changes(tables("posts", "votes_of_2016"), named("posts", "votes")) == Changes(
        drop=("votes",), register=("votes_of_2016",)
    )
    assert changes(tables("posts"), named("posts", "votes_of_2016")) == Changes(drop=("votes_of_2016",))


def test_a_table_that_has_moved_is_named_at_its_new_place():
    before = named("posts", at="s3a://bucket/earlier/silver")
    assert changes(tables("posts"), before) == Changes(drop=("posts",), register=("posts",))


def test_a_lake_without_tables_has_none_in_its_catalog():
    assert changes({}, named("posts", "ledger", at="s3a://bucket/earlier/silver")) == Changes(drop=("posts", "ledger"))


def test_what_somebody_else_keeps_elsewhere_stays():
    theirs = [Entry("numbers", "s3a://bucket/theirs/numbers"), Entry("kept", "file:/warehouse/kept", is_external=False)]
    assert changes(tables("posts"), [*named("posts"), *theirs]) == Changes()
    beside = named("numbers", at="s3a://bucket/lake/silver_of_others")
    assert changes(tables("posts"), [*named("posts"), *beside]) == Changes()


def test_what_would_lose_data_is_not_dropped_and_is_told_where_it_has_a_name_of_ours():
    managed = Entry("posts", "file:/warehouse/silver.db/posts", is_external=False)
    view = Entry("votes", "", is_external=False)
    found = changes(tables("posts", "ledger"), [managed, view])
    assert found == Changes(register=("ledger",), taken=(managed,))


def test_a_folder_whose_name_is_none_in_sql_is_left_out():
    assert changes(tables("posts", "posts-old", "Posts"), []) == Changes(register=("posts",))


def test_spark_has_the_metastore_as_its_catalog_only_where_one_is_named(tmp_path):
    without = spark_config(Settings(home=tmp_path))
    assert not any("catalogImplementation" in name or "metastore" in name for name in without)
    bound = spark_config(Settings(home=tmp_path, metastore="thrift://127.0.0.1:9083"))
    assert bound["spark.sql.catalogImplementation"] == "hive"
    assert bound["spark.hadoop.hive.metastore.uris"] == "thrift://127.0.0.1:9083"
    assert bound["spark.sql.catalog.spark_catalog"] == "org.apache.spark.sql.delta.catalog.DeltaCatalog"


@pytest.mark.parametrize("address", ["127.0.0.1:9083", "thrift://host", "thrift://host:port", "http://host:9083"])
def test_an_address_that_is_none_of_a_metastore_is_refused(address: str):
    with pytest.raises(BadInput, match=r"LAKEHOUSE_METASTORE.*thrift://host:9083"):
        Settings.from_environment({"LAKEHOUSE_METASTORE": address})
