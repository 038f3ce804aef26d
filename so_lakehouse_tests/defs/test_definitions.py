"""What a person meets in the Dagster UI: every asset says who, what and where; nothing is touched by loading."""

from __future__ import annotations

import inspect
import math
import os
import resource
import shutil
import subprocess
import sys

import pytest
from dagster import AssetKey

from so_lakehouse import schema
from so_lakehouse.definitions import defs
from so_lakehouse.defs.dbt_library import DbtCliResource, DbtEventIterator
from so_lakehouse.defs.dbt_project import DBT_PROJECT
from so_lakehouse.lake import reconciliation as results
from so_lakehouse.partitions import SITE_DAY, SITES
from so_lakehouse.quality import bronze, fetches, pages, reconciliation, silver
from so_lakehouse.schema import TABLES
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.schema_forms import SPARK, silver_columns
from so_lakehouse.settings import PROJECT_ROOT
from so_lakehouse.warehouse.dbt_files import is_current
from so_lakehouse.warehouse.projection import PROJECTIONS

GRAPH = defs.resolve_asset_graph()
OURS = sorted(GRAPH.materializable_asset_keys)
NOTED = {"load_status"}  # bookkeeping of the warehouse's loads, shown but not materialised by itself


def names(prefix: str) -> set[str]:
    return {key.path[-1] for key in OURS if "/".join(key.path[:-1]) == prefix}


def test_every_layer_has_its_assets():
    assert names("raw") == {"dump"}
    assert names("bronze/dump") == set(TABLES)
    assert names("raw/api") == names("bronze/api") == set(ENTITIES)
    assert names("silver") == set(TABLES)
    assert names("reconciliation") == {"dumps"}
    assert names("warehouse") == {*PROJECTIONS, *(made.warehouse_name for made in results.ALL)}
    assert {"dim_site", "dim_date", "dim_tag", "dim_user", "fct_question", "fct_answer"} <= names("core")
    aggregates = {"activity_month", "tag_month", "top_tags", "reconciliation", "reconciliation_column"}
    assert names("marts") == {*aggregates, "load_status", "published"}


def test_no_asset_is_a_mere_name_that_something_depends_on():
    others = GRAPH.get_all_asset_keys() - set(OURS)
    assert {key.path[-1] for key in others} == NOTED
    assert all(GRAPH.get(key).description and GRAPH.get(key).owners for key in others)


@pytest.mark.parametrize("key", OURS, ids=lambda key: key.to_user_string())
def test_every_asset_has_owner_group_kinds_and_a_description_for_a_newcomer(key):
    node = GRAPH.get(key)
    assert node.owners == ["team:so_lakehouse"]
    layers = {"raw", "bronze", "reconciliation", "silver", "warehouse", "staging", "intermediate", "core", "marts"}
    assert node.group_name in layers
    assert node.kinds
    assert node.tags["layer"] == node.group_name
    assert len(node.description or "") > 30, "say what it is"


def test_every_table_has_its_declared_checks_and_they_are_kept_per_partition():
    checks = {(key.asset_key, key.name): GRAPH.get(key) for key in GRAPH.asset_check_keys}
    for layer, declarations in (("bronze/dump", lambda _: bronze.DECLARATIONS), ("silver", silver.checks)):
        for table in TABLES:
            for declared in declarations(table):
                node = next(
                    n
                    for (k, name), n in checks.items()
                    if k.to_user_string() == f"{layer}/{table}" and name == declared.name
                )
                assert node.blocking == declared.blocking
                assert node.partitions_def is not None


def test_every_entity_of_the_api_has_its_declared_checks_and_they_are_kept_per_day():
    checks = {(key.asset_key.to_user_string(), key.name): GRAPH.get(key) for key in GRAPH.asset_check_keys}
    for layer, declarations in (("raw/api", fetches.DECLARATIONS), ("bronze/api", pages.DECLARATIONS)):
        for entity in ENTITIES:
            for declared in declarations:
                node = checks[f"{layer}/{entity}", declared.name]
                assert node.blocking == declared.blocking
                assert node.partitions_def == SITE_DAY


def test_a_reconciliation_has_its_declared_checks_and_none_of_them_stops_a_site():
    key = AssetKey(["reconciliation", "dumps"])
    nodes = {check.name: GRAPH.get(check) for check in GRAPH.asset_check_keys if check.asset_key == key}
    assert set(nodes) == {declared.name for declared in reconciliation.DECLARATIONS}
    assert not any(node.blocking for node in nodes.values())
    assert {node.partitions_def for node in nodes.values()} == {SITES}


@pytest.mark.parametrize("made", results.ALL, ids=lambda made: made.name)
def test_the_columns_that_dagster_shows_of_a_reconciliation_are_the_declared_ones(made):
    shown = columns_of(AssetKey(["warehouse", made.warehouse_name]))
    assert list(shown.items()) == [(field.name, field.type) for field in made.fields]


def columns_of(key):
    """Names and types, in order, as Dagster shows them."""
    shown = GRAPH.get(key).metadata.get("dagster/column_schema")
    return {column.name: column.type for column in shown.columns} if shown else None


def as_declared(columns):
    return {column.name: column.type.value for column in columns}


@pytest.mark.parametrize("declared", TABLES.values(), ids=list(TABLES))
def test_the_columns_that_dagster_shows_of_a_dump_are_the_schemas_in_bronze_and_in_silver(declared):
    bronze_columns = columns_of(AssetKey(["bronze", "dump", declared.name]))
    assert list(bronze_columns.items()) == list(as_declared(declared.columns).items())
    kept = {column.name: SPARK[column.type].lower() for column in silver_columns(declared, keep_personal=False)}
    assert kept.items() <= columns_of(AssetKey(["silver", declared.name])).items()


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=list(ENTITIES))
def test_the_columns_that_dagster_shows_of_pages_are_those_that_they_tell(entity):
    told = as_declared(schema.table(entity.table)[name] for name in entity.columns)
    assert columns_of(AssetKey(["bronze", "api", entity.name])) == told


@pytest.mark.parametrize("projection", PROJECTIONS.values(), ids=list(PROJECTIONS))
def test_the_columns_that_dagster_shows_of_the_warehouse_are_the_projections(projection):
    shown = columns_of(AssetKey(["warehouse", projection.name]))
    assert list(shown.items()) == [(field.name, field.type) for field in projection.fields]


def lineage_of(key):
    return GRAPH.get(key).metadata["dagster/column_lineage"].deps_by_column


def test_a_column_of_silver_comes_from_dumps_and_from_every_page_that_tells_it():
    lineage = lineage_of(AssetKey(["silver", "posts"]))
    sources = {
        name: {f"{dep.asset_key.to_user_string()}.{dep.column_name}" for dep in deps} for name, deps in lineage.items()
    }
    every = {"bronze/dump/posts", "bronze/api/questions", "bronze/api/answers"}
    assert sources["Score"] == {f"{asset}.Score" for asset in every}
    assert sources["Title"] == {"bronze/dump/posts.Title", "bronze/api/questions.Title"}
    assert sources["ParentId"] == {"bronze/dump/posts.ParentId", "bronze/api/answers.ParentId"}
    assert sources["FavoriteCount"] == {"bronze/dump/posts.FavoriteCount"}
    assert sources["OwnerIsDeleted"] == {f"{asset}.Owner{end}" for asset in every for end in ("UserId", "DisplayName")}
    assert sources.keys() >= {column.name for column in schema.POSTS.columns if not column.personal}


def test_no_column_that_a_page_tells_and_silver_keeps_lacks_that_page_in_its_lineage():
    for entity in ENTITIES.values():
        lineage = lineage_of(AssetKey(["silver", entity.table]))
        pages_of_entity = AssetKey(["bronze", "api", entity.name])
        from_pages = {dep.column_name for deps in lineage.values() for dep in deps if dep.asset_key == pages_of_entity}
        kept = {column.name for column in silver_columns(schema.table(entity.table), keep_personal=False)}
        assert from_pages >= kept & set(entity.columns)


def test_every_column_that_another_is_made_of_is_one_of_its_asset():
    found = 0
    for key in OURS:
        lineage = GRAPH.get(key).metadata.get("dagster/column_lineage")
        for name, deps in lineage.deps_by_column.items() if lineage else ():
            assert columns_of(key) is None or name in columns_of(key), f"{key.to_user_string()}.{name}"
            for dep in deps:
                assert dep.column_name in columns_of(dep.asset_key), f"{key.to_user_string()}.{name}: {dep}"
                found += 1
    assert found > 100


def test_maintenance_is_a_job_per_site_in_the_pool_that_converges_run_in():
    job = defs.resolve_job_def("maintenance")
    assert job.partitions_def == SITES
    assert job.description
    (op,) = job.all_node_defs
    assert op.pool == GRAPH.get(AssetKey(["silver", "posts"])).assets_def.op.pool


LOADING = """
import socket, subprocess, sys
asked = []
def refuse(self, what, *others, **named):
    asked.append(what)
    raise OSError("refused")
socket.socket.connect = refuse; subprocess.Popen.__init__ = refuse
from so_lakehouse.definitions import defs
defs.resolve_asset_graph(); defs.resolve_all_job_defs()
assert all(what[0] == "file" for what in asked), asked  # Dagster's cron library asks it how many bits Python has
assert not [module for module in sys.modules if module.startswith(("dbt.", "dbt_common"))]  # a run brings it
"""
LIBRARIES = "import gc; gc.disable(); import dagster_pyspark, so_lakehouse.defs.dbt_library; gc.freeze()"
MOST_TIMES = 2.5  # of what the libraries alone take (dbt-core would be three); the seconds are in docs/benchmarks.md


def processor_seconds_of_ended_processes() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_loading_takes_no_more_than_its_libraries_and_assets_do_and_needs_no_network_no_jvm_and_no_lakehouse(tmp_path):
    """In a process whose every socket and child process is refused, from its first import on: what set-up leaves, dbt's
    manifest, is all that it takes. In turn with one that only imports the libraries: processor time, the least of up to
    three each, as what else the machine does can only add to it.
    """
    assert is_current(DBT_PROJECT.manifest_path, DBT_PROJECT.project_dir), "this file's imports have made it"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LAKEHOUSE_HOME": str(tmp_path / "none")}
    least = {LOADING: math.inf, LIBRARIES: math.inf}
    for _ in range(3):
        for code in least:
            before = processor_seconds_of_ended_processes()
            command = [sys.executable, "-c", code]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            least[code] = min(least[code], processor_seconds_of_ended_processes() - before)
            assert done.returncode == 0, done.stderr
        if least[LOADING] < MOST_TIMES * least[LIBRARIES]:
            break
    assert least[LOADING] < MOST_TIMES * least[LIBRARIES]
    assert not (tmp_path / "none").exists()


SMALLEST_PROJECT = "{name: so_lakehouse, profile: so_lakehouse, flags: {send_anonymous_usage_stats: false}}"


def test_dbt_is_found_beside_python_by_whoever_has_not_its_folder_on_the_path(tmp_path):
    """In a checkout without set-up, whose project is parsed while definitions load."""
    project = tmp_path / "dbt_project"
    project.mkdir()
    shutil.copy(PROJECT_ROOT / "dbt_project" / "profiles.yml", project)
    (project / "dbt_project.yml").write_text(SMALLEST_PROJECT)
    code = (
        "from pathlib import Path; from so_lakehouse import settings\n"
        f"settings.PROJECT_ROOT = Path({str(tmp_path)!r})\n"
        "import so_lakehouse.defs.dbt_project\n"
    )
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (project / "target" / "manifest.json").exists()


def test_what_is_replaced_in_dagster_dbt_is_still_there():
    assert "_cli_version" in vars(DbtCliResource)
    assert "_attach_metadata" in vars(DbtEventIterator)
    assert "DBT_PYTHON_VERSION" in inspect.getsource(DbtCliResource._initialize_dbt_core_adapter)
