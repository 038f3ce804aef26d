"""dbt's sources and staging models are what the warehouse's declared projection says."""

from __future__ import annotations

from pathlib import Path

from so_lakehouse.warehouse import dbt_sources
from so_lakehouse.warehouse.projection import PROJECTIONS


def test_the_committed_files_are_what_the_generator_writes() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in dbt_sources.STAGING.iterdir()}
    assert committed == dbt_sources.files(), f"run {dbt_sources.COMMAND}"


def test_a_retired_table_takes_its_staging_model_with_it(tmp_path: Path) -> None:
    retired = tmp_path / "stg_retired.sql"
    retired.write_text("select 1")
    written = dbt_sources.write(tmp_path)
    assert not retired.exists()
    assert sorted(tmp_path.iterdir()) == sorted(written)


def test_every_projected_column_is_a_source_column_with_its_type_and_description() -> None:
    sources = {source.name: source for source in dbt_sources.sources()}
    for name, projection in PROJECTIONS.items():
        declared = [(field.name, field.type, field.description) for field in projection.fields]
        assert [(column.name, column.type, column.description) for column in sources[name].columns] == declared


def test_no_model_reads_a_table_with_codes_that_dbt_does_not_test() -> None:
    coded = {table: {field.name for field in made.fields if field.codes} for table, made in PROJECTIONS.items()}
    tested = {source.name: {c.name for c in source.columns if c.codes} for source in dbt_sources.sources()}
    untested = [table for table in coded if coded[table] != tested[table]]
    assert coded["posts"] == {"post_type_id"}
    models = [path for path in dbt_sources.STAGING.parent.rglob("*.sql") if path.parent != dbt_sources.STAGING]
    read = "".join(path.read_text(encoding="utf-8") for path in models)
    assert "ref('stg_votes')" in read
    assert [table for table in untested if f"ref('stg_{table}')" in read] == []


def test_keys_are_named_after_their_table_in_staging() -> None:
    for source in dbt_sources.sources():
        names = [column.staging_name for column in source.columns]
        assert "id" not in names
        assert len(set(names)) == len(names)
