"""What a person meets in the Dagster UI: every asset says who, what and where; nothing is touched by loading."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from dagster import AssetKey
from dagster_dbt import DbtCliResource
from dagster_dbt.core.dbt_event_iterator import DbtEventIterator

from so_lakehouse.definitions import defs
from so_lakehouse.partitions import SITE_DAY, SITES
from so_lakehouse.quality import bronze, fetches, pages, silver
from so_lakehouse.schema import TABLES
from so_lakehouse.schema_api import ENTITIES
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
    assert names("warehouse") == set(PROJECTIONS)
    assert {"dim_site", "dim_date", "dim_tag", "dim_user", "fct_question", "fct_answer"} <= names("core")
    assert names("marts") == {"activity_month", "tag_month", "top_tags", "load_status", "published"}


def test_no_asset_is_a_mere_name_that_something_depends_on():
    others = GRAPH.get_all_asset_keys() - set(OURS)
    assert {key.path[-1] for key in others} == NOTED
    assert all(GRAPH.get(key).description and GRAPH.get(key).owners for key in others)


@pytest.mark.parametrize("key", OURS, ids=lambda key: key.to_user_string())
def test_every_asset_has_owner_group_kinds_and_a_description_for_a_newcomer(key):
    node = GRAPH.get(key)
    assert node.owners == ["team:so_lakehouse"]
    assert node.group_name in {"raw", "bronze", "silver", "warehouse", "staging", "intermediate", "core", "marts"}
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


def columns_of(key):
    schema = GRAPH.get(key).metadata.get("dagster/column_schema")
    return {column.name for column in schema.columns} if schema else None


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


def test_loading_needs_no_network_no_jvm_and_no_lakehouse(tmp_path):
    """In a process whose every socket and child process is refused."""
    guard = (
        "import socket, subprocess\n"
        "def refuse(*arguments, **named): raise AssertionError('loading reached out')\n"
        "from so_lakehouse.defs import dbt_project  # may parse dbt's project in a checkout without set-up\n"
        "socket.socket.connect = refuse; subprocess.Popen.__init__ = refuse\n"
        "from so_lakehouse.definitions import defs\n"
        "defs.resolve_asset_graph(); defs.resolve_all_job_defs()\n"
    )
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LAKEHOUSE_HOME": str(tmp_path / "none")}
    done = subprocess.run([sys.executable, "-c", guard], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "none").exists()


def test_what_is_replaced_in_dagster_dbt_is_still_there():
    assert "_cli_version" in vars(DbtCliResource)
    assert "_attach_metadata" in vars(DbtEventIterator)
