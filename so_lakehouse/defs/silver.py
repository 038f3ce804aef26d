"""Silver: one current row per key and site, converged from all the evidence in bronze by Spark."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg
from dagster_pyspark import LazyPySparkResource

from so_lakehouse.defs.api_bronze import pages_key
from so_lakehouse.defs.bronze import bronze_key
from so_lakehouse.defs.metadata import OWNERS, check_results, check_specs, delta_schema
from so_lakehouse.defs.resources import Lakehouse
from so_lakehouse.errors import CheckFailed
from so_lakehouse.lake import paths
from so_lakehouse.lake.silver_tables import accounts_gone, silver_table
from so_lakehouse.partitions import ITS_SITE, SITES
from so_lakehouse.progress import current
from so_lakehouse.quality.silver import checks
from so_lakehouse.schema import TABLES, Table
from so_lakehouse.schema_api import entities_of
from so_lakehouse.schema_forms import silver_columns

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from so_lakehouse.spark.converged import Converged


class SilverConfig(dg.Config):
    """For this run alone: `accept_shrink` lets a dump delete more than 10 % (and more than 100 rows) of a table;
    `rebuild` takes in all that bronze holds anew, as a change of the cleaning rules does by itself.
    """

    accept_shrink: bool = False
    rebuild: bool = False


def silver_key(table: str) -> dg.AssetKey:
    return dg.AssetKey(["silver", table])


def _spec(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        silver_key(table.name),
        deps=[
            dg.AssetDep(bronze_key(table.name), partition_mapping=ITS_SITE),
            *(dg.AssetDep(pages_key(entity.name), partition_mapping=ITS_SITE) for entity in entities_of(table)),
        ],
        group_name="silver",
        owners=OWNERS,
        kinds={"spark", "deltalake"},
        tags={"layer": "silver"},
        partitions_def=SITES,
        skippable=True,
        description=(
            f"{table.description} The newest state that all evidence supports: one row per key, tombstones for what "
            "was deleted upstream, the ledger for what was applied. Names and texts about people stay in bronze."
        ),
        metadata={
            "dagster/column_schema": delta_schema(silver_table(table, keep_personal=False)),
            "dagster/column_lineage": _lineage(table),
            "dagster/table_name": f"silver.{table.name}",
        },
    )


def _lineage(table: Table) -> dg.TableColumnLineage:
    """Each column comes from those of the same name in dumps and in pages that tell it, a derived one from its own."""
    made_of = {column.name: [column.name] for column in silver_columns(table, keep_personal=False)}
    made_of |= {gone.name: [gone.user_id, gone.display_name] for gone in accounts_gone(table)}
    told = {bronze_key(table.name): table.column_names}
    told |= {pages_key(entity.name): entity.columns for entity in entities_of(table)}
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(key, name) for key, names in told.items() for name in sources if name in names]
            for column, sources in made_of.items()
        }
    )


@dg.multi_asset(
    name="silver",
    specs=[_spec(table) for table in TABLES.values()],
    check_specs=[spec for name in TABLES for spec in check_specs(silver_key(name), checks(name), SITES)],
    can_subset=True,
    pool="spark",
)
def silver(
    context: dg.AssetExecutionContext, config: SilverConfig, lakehouse: Lakehouse, pyspark: LazyPySparkResource
) -> Iterator:
    from so_lakehouse.spark.converge import converge_where_due  # Spark and deltalake: not while definitions load

    settings = replace(lakehouse.settings, accept_shrink=config.accept_shrink or lakehouse.settings.accept_shrink)
    tables = [key.path[-1] for key in context.selected_asset_keys]
    site, lake = context.partition_key, lakehouse.lake_of("silver")

    def start() -> "SparkSession":
        return pyspark.spark_session

    try:
        converged = converge_where_due(start, lake, site, tables, settings, current(), config.rebuild)
    except CheckFailed as refused:  # before anything was written: nothing to materialise, but something was checked
        told = {silver_key(table): checks for table, checks in refused.outcomes.items()}
        yield from check_results(told, context.selected_asset_check_keys)
        raise
    for table, result in converged.items():
        yield dg.MaterializeResult(
            asset_key=silver_key(table),
            data_version=dg.DataVersion(result.data_version),
            metadata=_metadata(lakehouse, table, result),
        )
    outcomes = {silver_key(table): result.checks for table, result in converged.items()}
    yield from check_results(outcomes, context.selected_asset_check_keys)


def _metadata(lakehouse: Lakehouse, table: str, result: "Converged") -> dict:
    from so_lakehouse.lake.waiting import notes  # deltalake too

    totals = {
        name: sum(getattr(row, f"rows_{name}") for row in result.applied)
        for name in ("inserted", "updated", "unchanged", "deleted", "deduplicated")
    }
    told = [*notes(result.ignored, bool(result.applied)), *filter(None, [result.catalog])]
    missing = {"missing": f"no evidence of {table} has been taken in"}  # which is not the same as empty
    return {
        **({"dagster/partition_row_count": result.rows} if result.is_here else missing),
        "quarantined": result.quarantined,
        **totals,
        "note": "; ".join(told),
        "dagster/uri": lakehouse.lake.uri(paths.silver(table)),
    }
