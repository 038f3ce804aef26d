"""The declared projection: derived from the schema, and without anything personal."""

from __future__ import annotations

import re

import pytest

from so_lakehouse import schema
from so_lakehouse.schema import Type
from so_lakehouse.schema_forms import POSTGRES, snake_case
from so_lakehouse.warehouse.feed import arrow_schema
from so_lakehouse.warehouse.projection import PROJECTIONS, Projection, projection

EVERY = pytest.mark.parametrize("kept", PROJECTIONS.values(), ids=PROJECTIONS)


@pytest.mark.parametrize(
    ("published", "ours"),
    [
        ("PostTypeId", "post_type_id"),
        ("Id", "id"),
        ("RevisionGUID", "revision_guid"),
        ("IsModeratorOnly", "is_moderator_only"),
    ],
)
def test_names_are_the_publishers_in_snake_case(published: str, ours: str) -> None:
    assert snake_case(published) == ours


@EVERY
def test_site_comes_first_and_the_key_is_made_of_fields(kept: Projection) -> None:
    assert kept.field_names[0] == kept.key[0] == "site"
    assert set(kept.key) <= set(kept.field_names)
    assert {name for columns in kept.indexes for name in columns} <= set(kept.field_names)


@EVERY
def test_a_column_taken_as_it_is_has_the_schemas_type_sentence_and_nullability(kept: Projection) -> None:
    source = schema.table(kept.source)
    for field in kept.fields:
        name = field.expression.strip('"')
        if field.expression == f'"{name}"' and name in source.column_names and source[name].type is not Type.TAGS:
            column = source[name]
            assert (field.type, field.nullable) == (POSTGRES[column.type], column.nullable)
            told = f"{column.description} Whole to counters_complete_to." if column.counter else column.description
            assert field.description == told or kept.per_tag


@EVERY
def test_nothing_personal_and_no_long_text_reaches_the_warehouse(kept: Projection) -> None:
    source = schema.table(kept.source)
    named = {name for field in kept.fields for name in re.findall(r'"(\w+)"', field.expression)}
    personal = {column.name for column in source.columns if column.personal}
    assert not named & (personal | {"Body", "Title", "Text", "Comment"})


def test_every_table_of_the_schema_reaches_the_warehouse() -> None:
    assert {kept.source for kept in PROJECTIONS.values()} == set(schema.TABLES)


def test_posts_keep_every_other_column() -> None:
    left_out = set(schema.POSTS.column_names) - {f.expression.strip('"') for f in projection("posts").fields}
    assert left_out == {"Body", "Title", "Tags", "OwnerDisplayName", "LastEditorDisplayName"}


@EVERY
def test_the_arrow_form_has_the_same_columns(kept: Projection) -> None:
    form = arrow_schema(kept)
    assert tuple(form.names) == kept.field_names
    assert [field.nullable for field in form] == [field.nullable for field in kept.fields]


def test_an_unknown_table_is_refused_with_those_there_are() -> None:
    with pytest.raises(KeyError, match="post_tags"):
        projection("post")
