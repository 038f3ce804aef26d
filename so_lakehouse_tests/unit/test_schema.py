"""The one schema and its derived forms agree: a column that one engine lacks would be lost on the way."""

from __future__ import annotations

import re

import pytest

from so_lakehouse import schema_forms
from so_lakehouse.lake.api_pages import page_schema
from so_lakehouse.lake.silver_tables import BOOKKEEPING, SITE, accounts_gone, silver_table
from so_lakehouse.schema import TABLES, Type, table
from so_lakehouse.schema_api import entities_of
from so_lakehouse.settings import PROJECT_ROOT
from so_lakehouse.spark.read import bronze_form, page_form
from so_lakehouse.warehouse.projection import PROJECTIONS

EVERY_TABLE = pytest.mark.parametrize("declared", TABLES.values(), ids=list(TABLES))


@pytest.mark.parametrize("form", [schema_forms.ARROW, schema_forms.SPARK, schema_forms.POSTGRES])
def test_every_type_is_spelled_in_every_engine(form):
    assert set(form) == set(Type)


@EVERY_TABLE
def test_bronze_holds_every_column_in_declared_order_and_only_the_key_is_required(declared):
    fields = schema_forms.bronze_schema(declared)
    assert fields.names == [*declared.column_names, "_extra", "_offset"]
    assert [field.name for field in fields if not field.nullable] == ["Id", "_offset"]


@EVERY_TABLE
def test_spark_reads_bronze_and_pages_by_the_columns_that_arrow_wrote(declared):
    for written, read in ((schema_forms.bronze_schema, bronze_form), (page_schema, page_form)):
        columns = re.findall(r"`(\w+)` ([A-Z]+)", read(declared))
        assert [name for name, _ in columns] == written(declared).names
        spelled = {
            schema_forms.ARROW[type]: schema_forms.SPARK[type].split("<")[0] for type in Type if type != Type.TAGS
        }
        for name, type in columns:
            field = written(declared).field(name)
            assert type == spelled.get(field.type, "MAP"), name


@EVERY_TABLE
def test_delta_has_every_column_that_silver_keeps_and_its_own_around_them(declared):
    for keep_personal in (False, True):
        own = [(c.name, schema_forms.SPARK[c.type]) for c in schema_forms.silver_columns(declared, keep_personal)]
        held = [(c.name, c.type) for c in silver_table(declared, keep_personal).columns]
        around = len(accounts_gone(declared)) + len(BOOKKEEPING)
        assert held[0] == (SITE.name, SITE.type)
        assert held[1:-around] == own


@EVERY_TABLE
def test_every_table_has_one_key_named_id_and_every_column_a_sentence(declared):
    assert [column.name for column in declared.columns if column.name == "Id"] == ["Id"]
    assert not declared["Id"].nullable
    for column in declared.columns:
        assert column.description.endswith("."), column.name


@EVERY_TABLE
def test_references_lead_to_declared_tables(declared):
    for column in declared.columns:
        assert column.references is None or column.references in TABLES


@EVERY_TABLE
def test_allowed_values_fit_their_type(declared):
    for column in declared.columns:
        if column.allowed is not None:
            assert column.type is Type.SMALLINT
            assert all(-(2**15) <= code < 2**15 for code in column.allowed)


def test_silver_leaves_out_what_is_about_people_unless_it_is_kept():
    users = TABLES["users"]
    kept = {column.name for column in schema_forms.silver_columns(users, keep_personal=False)}
    assert "DisplayName" not in kept
    assert "Reputation" in kept
    assert schema_forms.silver_columns(users, keep_personal=True) == users.columns


def test_the_warehouse_takes_only_columns_that_silver_keeps():
    for projection in PROJECTIONS.values():
        source = table(projection.source)
        personal = {column.name for column in source.columns if column.personal}
        for field in projection.fields:
            assert not any(f'"{name}"' in field.expression for name in personal), f"{projection.name}.{field.name}"


def test_an_unknown_table_is_answered_with_the_ones_there_are():
    with pytest.raises(KeyError, match="post_history"):
        table("post")


@EVERY_TABLE
def test_the_rules_name_the_counters_of_a_table_and_whether_days_carry_its_rows_on(declared):
    page = (PROJECT_ROOT / "docs" / "converge.md").read_text("utf-8")
    section = page.partition("## How far a table is whole")[2]
    (line,) = re.findall(rf"^\| .*`{declared.name}`.*\|$", section.partition("**A day counts**")[0], re.MULTILINE)
    _, counters, days = line.strip("|").split("|")
    assert re.findall(r"`(\w+)`", counters) == [column.name for column in declared.columns if column.counter]
    assert days.strip().startswith("none") is not bool(entities_of(declared))
