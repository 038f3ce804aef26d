"""Marts: dbt builds dimensions, facts and aggregates; one transaction then publishes the aggregates."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from so_lakehouse.defs.dbt_events import events_of
from so_lakehouse.defs.dbt_library import DagsterDbtTranslator, DbtCliResource, dbt_assets
from so_lakehouse.defs.dbt_project import DBT_PROJECT
from so_lakehouse.defs.metadata import OWNERS
from so_lakehouse.defs.resources import Lakehouse
from so_lakehouse.partitions import EVERY_SITE
from so_lakehouse.progress import current, in_steps
from so_lakehouse.warehouse.dbt_files import fingerprint


class Translator(DagsterDbtTranslator):
    """dbt's models under our names: `<layer>/<model>`, in the group of their layer, after every site's warehouse."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "model":
            return dg.AssetKey([_layer(dbt_resource_props), dbt_resource_props["name"]])
        return super().get_asset_key(dbt_resource_props)

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return _layer(dbt_resource_props)

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        return OWNERS

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, str]:
        return {"layer": _layer(dbt_resource_props)}

    def get_partition_mapping(
        self, dbt_resource_props: Mapping[str, Any], dbt_parent_resource_props: Mapping[str, Any]
    ) -> dg.PartitionMapping | None:
        return EVERY_SITE if dbt_parent_resource_props["resource_type"] == "source" else None


def _layer(properties: Mapping[str, Any]) -> str:
    """The folder below models/ that holds it: staging, intermediate, core or marts."""
    return properties["fqn"][1]


@dbt_assets(
    manifest=DBT_PROJECT.manifest_path, project=DBT_PROJECT, dagster_dbt_translator=Translator(), name="dbt", pool="dbt"
)
def dbt_models(context: dg.AssetExecutionContext, dbt: DbtCliResource, lakehouse: Lakehouse) -> Iterator:
    from so_lakehouse.warehouse.builds import building  # database drivers: not while definitions load

    project, is_whole = fingerprint(DBT_PROJECT.project_dir), not context.is_subset
    with building(lakehouse.settings, context.run.run_id, project, current(), is_whole) as build:
        if build.same_as:
            yield from _unchanged(context, f"nothing changed since build {build.same_as}")
            return
        step = in_steps(current(), len(context.selected_asset_keys) + len(context.selected_asset_check_keys))
        with build.by_dbt(lakehouse.settings) as (command, folder):
            for event in events_of(dbt.cli(command, context=context, target_path=folder)):
                step("dbt builds and tests")
                yield event


def _unchanged(context: dg.AssetExecutionContext, note: str) -> Iterator[dg.MaterializeResult]:
    """Every model again, with what was said of it when it was built."""
    in_order = context.job_def.asset_layer.asset_graph.toposorted_asset_keys
    for key in (key for key in in_order if key in context.selected_asset_keys):
        built = context.instance.get_latest_materialization_event(key)
        said = built.asset_materialization.metadata if built and built.asset_materialization else {}
        yield dg.MaterializeResult(asset_key=key, metadata={**said, "note": note})


PUBLISHED = dg.AssetKey(["marts", "published"])


@dg.asset(
    key=PUBLISHED,
    deps=[key for key in dbt_models.keys if key.path[0] == "marts"],
    group_name="marts",
    owners=OWNERS,
    kinds={"postgres"},
    tags={"layer": "marts"},
    pool="dbt",
    description=(
        "The marts as people see them, in schema `marts`: copied there in one transaction, all under one build id, and "
        "only when every test of the build was green. Readers see the previous build or this one, never a mix."
    ),
)
def published(lakehouse: Lakehouse) -> dg.MaterializeResult:
    from so_lakehouse.warehouse.publish import publish

    done = publish(lakehouse.settings, current())
    return dg.MaterializeResult(
        data_version=dg.DataVersion(done.build_id),
        metadata={"build_id": done.build_id, "rows": done.rows, "note": done.note},
    )
