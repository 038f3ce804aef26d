"""The tables of a new warehouse are what the projection declares; for one of an earlier release see the migrations."""

from __future__ import annotations

from dataclasses import replace

from so_lakehouse.lake import reconciliation
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import ddl
from so_lakehouse.warehouse.migrations import MIGRATIONS
from so_lakehouse.warehouse.projection import BADGES, PROJECTIONS
from so_lakehouse_tests.pipeline.warehouse_catalogue import COLUMNS, INDEXES, prepare, run


def test_a_new_database_has_every_declared_column_with_its_description(warehouse: Settings) -> None:
    prepare(warehouse)
    found = {(table, column): rest for table, column, *rest in run(warehouse, COLUMNS)}
    for projection in PROJECTIONS.values():
        for field in projection.fields:
            kind, required, description = found.pop((projection.name, field.name))
            assert kind == field.type.replace("timestamptz", "timestamp with time zone")
            assert required is not field.nullable
            assert description == field.description
    for results in reconciliation.ALL:
        for field in results.fields:
            kind, required, _ = found.pop((results.warehouse_name, field.name))
            assert kind == field.type.replace("timestamptz", "timestamp with time zone")
            assert required
    books = {"migration", "release", "load_status", "changed", "mart_build", "refused", "writer"}
    assert {table for table, _ in found} == books


def test_large_tables_are_partitioned_by_site_and_small_ones_are_not(warehouse: Settings) -> None:
    prepare(warehouse)
    kinds = dict(run(warehouse, "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'lake'::regnamespace"))
    partitioned = {name for name in PROJECTIONS if kinds[name] == "p"}
    assert partitioned == {"posts", "post_tags", "users", "comments", "votes", "badges", "post_history"}


def test_every_table_has_its_key_and_its_declared_indexes_on_every_site(warehouse: Settings) -> None:
    prepare(warehouse)
    run(warehouse, "CREATE TABLE lake.posts_of_beer PARTITION OF lake.posts FOR VALUES IN ('beer')")
    found: dict[str, set[str]] = {}
    for table, definition in run(warehouse, INDEXES):
        kind = "key" if " UNIQUE " in definition else "further"
        columns = definition.partition(" USING btree ")[2].removesuffix(" NULLS NOT DISTINCT")
        found.setdefault(table, set()).add(f"{kind} {columns}")
    for projection in PROJECTIONS.values():
        declared = {f"key ({', '.join(projection.key)})"}
        declared |= {f"further ({', '.join(columns)})" for columns in projection.indexes}
        assert found[projection.name] == declared
    assert any(projection.indexes for projection in PROJECTIONS.values())
    assert found["posts_of_beer"] == found["posts"]


def test_an_up_to_date_database_is_only_looked_at(warehouse: Settings) -> None:
    assert prepare(warehouse)
    assert prepare(warehouse) == []


def test_migrations_are_numbered_without_a_gap() -> None:
    numbers = [migration.number for migration in MIGRATIONS]
    assert numbers == list(range(1, len(numbers) + 1))


def test_another_expression_is_another_fingerprint_and_another_description_is_not() -> None:
    name = next(field for field in BADGES.fields if field.name == "name")
    others = tuple(field for field in BADGES.fields if field.name != "name")
    described = replace(BADGES, fields=(*others, replace(name, description="Else.")))
    computed = replace(BADGES, fields=(*others, replace(name, expression='upper("Name")')))
    same_order = replace(BADGES, fields=(*others, name))
    assert ddl.fingerprint(described) == ddl.fingerprint(same_order)
    assert ddl.fingerprint(computed) != ddl.fingerprint(same_order)
