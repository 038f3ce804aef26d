"""The warehouse's tables: what the projection declares is what Postgres has, on a new database and on an old one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import ddl, server
from so_lakehouse.warehouse.projection import BADGES, PROJECTIONS, Field, Projection

CATALOGUE = """
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, col_description(c.oid, a.attnum)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'lake'::regnamespace AND c.relkind IN ('r', 'p')
"""
INDEXES = "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'lake'"


def prepare(settings: Settings) -> list[str]:
    connection = server.connect(settings)
    try:
        return ddl.prepare(connection)
    finally:
        connection.close()


def run(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    connection = server.connect(settings)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def test_a_new_database_has_every_declared_column_with_its_description(warehouse: Settings) -> None:
    prepare(warehouse)
    found = {(table, column): rest for table, column, *rest in run(warehouse, CATALOGUE)}
    for projection in PROJECTIONS.values():
        for field in projection.fields:
            kind, required, description = found.pop((projection.name, field.name))
            assert kind == field.type.replace("timestamptz", "timestamp with time zone")
            assert required is not field.nullable
            assert description == field.description
    assert {table for table, _ in found} == {"migration", "load_status", "changed", "mart_build"}


def test_large_tables_are_partitioned_by_site_and_small_ones_are_not(warehouse: Settings) -> None:
    prepare(warehouse)
    kinds = dict(run(warehouse, "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'lake'::regnamespace"))
    partitioned = {name for name in PROJECTIONS if kinds[name] == "p"}
    assert partitioned == {"posts", "post_tags", "users", "comments", "votes", "badges", "post_history"}


def test_an_up_to_date_database_is_only_looked_at(warehouse: Settings) -> None:
    assert prepare(warehouse)
    assert prepare(warehouse) == []


def older(projection: Projection) -> Projection:
    """The projection as an earlier release had it: a column and an index less, a column more, another type."""
    fields = [f for f in projection.fields if f.name != "tag_based"]
    fields = [replace(f, type="integer", description="Once.") if f.name == "class" else f for f in fields]
    fields.append(Field("retired", "text", "Gone since.", True, '"Name"'))
    return replace(projection, fields=tuple(fields), indexes=projection.indexes[:1])


def test_a_database_of_an_earlier_release_becomes_todays(
    warehouse: Settings, postgres: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(warehouse)
    fresh = (sorted(run(warehouse, CATALOGUE), key=str), sorted(run(warehouse, INDEXES)))
    run(warehouse, "DROP SCHEMA lake CASCADE")
    run(warehouse, "DROP SCHEMA lake_partition CASCADE")
    run(warehouse, "DROP SCHEMA marts, marts_build CASCADE")

    monkeypatch.setitem(ddl.PROJECTIONS, "badges", older(BADGES))
    monkeypatch.setattr(ddl, "MIGRATIONS", ddl.MIGRATIONS[:1])
    prepare(warehouse)
    run(warehouse, "CREATE TABLE lake_partition.\"badges@beer\" PARTITION OF lake.badges FOR VALUES IN ('beer')")
    run(warehouse, "INSERT INTO lake.badges (site, id, user_id, name, date) VALUES ('beer', 1, 7, 'Teacher', now())")
    monkeypatch.undo()

    applied = prepare(warehouse)
    assert any("DROP COLUMN" in statement for statement in applied)
    assert (sorted(run(warehouse, CATALOGUE), key=str), sorted(run(warehouse, INDEXES))) == fresh
    assert run(warehouse, "SELECT id, name, class, tag_based FROM lake.badges") == [(1, "Teacher", None, None)]
    assert run(warehouse, "SELECT number FROM lake.migration ORDER BY 1") == [(m.number,) for m in ddl.MIGRATIONS]


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [migration.number for migration in ddl.MIGRATIONS] == list(range(1, len(ddl.MIGRATIONS) + 1))


def test_another_expression_is_another_fingerprint_and_another_description_is_not() -> None:
    name = next(field for field in BADGES.fields if field.name == "name")
    others = tuple(field for field in BADGES.fields if field.name != "name")
    described = replace(BADGES, fields=(*others, replace(name, description="Else.")))
    computed = replace(BADGES, fields=(*others, replace(name, expression='upper("Name")')))
    same_order = replace(BADGES, fields=(*others, name))
    assert ddl.fingerprint(described) == ddl.fingerprint(same_order)
    assert ddl.fingerprint(computed) != ddl.fingerprint(same_order)
