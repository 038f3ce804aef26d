"""The numbers behind silver's checks, of a table in which everything is wrong: the same from both engines."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from so_lakehouse import schema
from so_lakehouse.lake import silver_tables
from so_lakehouse.quality.silver_case import Measured
from so_lakehouse.schema_forms import SPARK
from so_lakehouse.spark import measure

FIRST, LAST = datetime(1999, 1, 1, tzinfo=UTC), datetime(2016, 9, 11, 23, 59, 59, 123000, UTC)
POSTS = [
    {"Id": 1, "PostTypeId": 1, "CreationDate": LAST, "AcceptedAnswerId": 2, "OwnerUserId": 5},
    {"Id": 2, "PostTypeId": 2, "CreationDate": FIRST, "ParentId": 1, "OwnerUserId": 6},
    {"Id": 2, "PostTypeId": 99, "CreationDate": LAST, "ParentId": 77, "OwnerUserId": 6},
    {"Id": None, "PostTypeId": 1, "CreationDate": LAST, "AcceptedAnswerId": 88},
    {"Id": 1_000_000_001, "PostTypeId": 1, "CreationDate": LAST},
]
OTHERS = [{"Id": 77, "PostTypeId": 77, "CreationDate": datetime(1980, 1, 1, tzinfo=UTC)}]  # of another site
EXPECTED = Measured(
    rows=5,
    null_keys=1,
    distinct_keys=3,
    not_allowed={"PostTypeId": 1},
    oldest={"CreationDate": FIRST},
    newest={"CreationDate": LAST},
    # Post 2 is there twice, and so is what refers to it.
    references={"AcceptedAnswerId": (3, 1), "ParentId": (2, 1), "OwnerUserId": (3, 2), "LastEditorUserId": (0, 0)},
    fabricated=1,
    highest_ids=(1_000_000_001, 2, 2, 1),
)


@pytest.fixture
def dirty(spark, lake):
    """Posts and users without the constraints that silver's own tables have."""
    rows = {"posts": {"beer": POSTS, "ai": OTHERS}, "users": {"beer": [{"Id": 5}], "ai": [{"Id": 6}]}}
    for name, by_site in rows.items():
        table = schema.table(name)
        form = ", ".join(["site STRING", *(f"`{column.name}` {SPARK[column.type]}" for column in table.columns)])
        whole = [
            {column.name: row.get(column.name) for column in table.columns} | {"site": site}
            for site, held in by_site.items()
            for row in held
        ]
        frame = spark.createDataFrame(whole, form)
        frame.write.format("delta").partitionBy("site").save(silver_tables.uri(lake, name))
    return ["posts", "users"]


def test_both_engines_count_what_is_wrong_of_one_site_alone(spark, lake, dirty):
    for ask in (measure._in_process(lake, dirty), measure._spark(spark, lake, dirty)):
        assert measure.numbers(ask, schema.table("posts"), "beer", dirty) == EXPECTED


def test_references_to_a_table_that_is_not_there_are_not_counted(lake, dirty):
    found = measure.numbers(measure._in_process(lake, dirty), schema.table("posts"), "beer", ["posts"])
    assert set(found.references) == {"AcceptedAnswerId", "ParentId"}


@pytest.mark.parametrize(("rows", "engine"), [(4_999_999, "_in_process"), (5_000_000, "_spark")])
def test_a_large_table_is_measured_where_it_can_spill(spark, lake, dirty, monkeypatch, rows, engine):
    asked = []
    for name in ("_in_process", "_spark"):
        real = getattr(measure, name)
        monkeypatch.setattr(measure, name, lambda *of, name=name, real=real: asked.append(name) or real(*of))
    assert measure.measured(spark, lake, schema.table("posts"), "beer", rows) == EXPECTED
    assert asked == [engine]
