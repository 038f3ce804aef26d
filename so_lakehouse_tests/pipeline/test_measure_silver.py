"""The numbers behind silver's checks: of a table in which everything is wrong, the same from both engines; and of
tables in which one column is.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from so_lakehouse import schema
from so_lakehouse.lake import silver_tables
from so_lakehouse.lake.gates import TableGate
from so_lakehouse.lake.ledger import DUMP, LedgerRow
from so_lakehouse.lake.storage import Lake
from so_lakehouse.quality.silver import outcomes
from so_lakehouse.quality.silver_case import Case, Measured
from so_lakehouse.schema_forms import SPARK, snake_case
from so_lakehouse.spark import measure
from so_lakehouse_tests.pipeline.silver_site import SilverSite

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


CODED = [(table.name, column.name) for table in schema.TABLES.values() for column in table.columns if column.allowed]
REFERRING = [(table.name, c.name) for table in schema.TABLES.values() for c in table.columns if c.references]
ROWS = range(1, 31)  # more than may dangle without a word
UNKNOWN, GONE = 999, 404


@pytest.fixture(scope="module")
def one_column_wrong(tmp_path_factory):
    """A site in which everything is right, and one for each coded or referring column, in which that one is wrong."""
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    for table in schema.TABLES.values():
        right = {column.name: 1 for column in table.columns if column.references}
        wrong = {f"{table.name}.{name}": {name: UNKNOWN} for of, name in CODED if of == table.name}
        wrong |= {f"{table.name}.{name}": {name: GONE} for of, name in REFERRING if of == table.name}
        sites = ["sound", *(f"{of}.{name}" for of, name in (*CODED, *REFERRING))]
        rows = [{"site": site, "Id": key} | right | wrong.get(site, {}) for site in sites for key in ROWS]
        SilverSite(lake).put(table.name, *rows)
    ask = measure._in_process(lake, list(schema.TABLES))
    return ask, {name: failed(ask, name, "sound") for name in schema.TABLES}


def failed(ask, name, site, gate=None):
    """The outcomes of a table's checks, and the names of those that failed."""
    table, cut = schema.table(name), datetime(2016, 2, 1, tzinfo=UTC)
    dump = LedgerRow(site, name, DUMP, "2016-01-01", "v", "r", cut, len(ROWS), len(ROWS), cut_at=cut)
    found = outcomes(Case(table, site, measure.numbers(ask, table, site, list(schema.TABLES)), (dump,), gate))
    return found, {check.name for check in found if not check.passed}


@pytest.mark.parametrize(
    ("table", "column", "check"),
    [*((*coded, "allowed") for coded in CODED), *((*referring, "refers") for referring in REFERRING)],
)
def test_the_check_of_every_coded_and_every_referring_column_fails_where_that_column_is_wrong(
    one_column_wrong, table, column, check
):
    ask, sound = one_column_wrong
    before, wrong_before = sound[table]
    assert wrong_before == set()
    _, wrong = failed(ask, table, f"{table}.{column}", TableGate(1, "before", before))
    assert wrong == {f"{snake_case(column)}_{check}"}
