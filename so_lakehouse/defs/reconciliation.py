"""Reconciliation: what each dump made of what the dump before it and the pages since had predicted; and its way into
the warehouse."""

from collections.abc import Iterator

import dagster as dg
from dagster_pyspark import LazyPySparkResource

from so_lakehouse.defs.api_bronze import pages_key
from so_lakehouse.defs.bronze import bronze_key
from so_lakehouse.defs.metadata import OWNERS, check_results, check_specs
from so_lakehouse.defs.resources import Lakehouse
from so_lakehouse.defs.warehouse import warehouse_key
from so_lakehouse.lake.reconciliation import ALL, TABLES, Results
from so_lakehouse.partitions import ITS_SITE, SITES
from so_lakehouse.progress import current
from so_lakehouse.quality.reconciliation import DECLARATIONS, is_error
from so_lakehouse.schema_api import ENTITIES

RECONCILIATION = dg.AssetKey(["reconciliation", "dumps"])


def _columns(results: Results) -> dg.TableSchema:
    required = dg.TableColumnConstraints(nullable=False)
    fields = results.fields
    return dg.TableSchema([dg.TableColumn(f.name, f.type, f.description, constraints=required) for f in fields])


@dg.multi_asset(
    name="reconciliation",
    specs=[
        dg.AssetSpec(
            RECONCILIATION,
            deps=[
                *(
                    dg.AssetDep(bronze_key(table), partition_mapping=ITS_SITE)
                    for table in dict.fromkeys(entity.table for entity in ENTITIES.values())
                ),
                *(dg.AssetDep(pages_key(entity), partition_mapping=ITS_SITE) for entity in ENTITIES),
            ],
            group_name="reconciliation",
            owners=OWNERS,
            kinds={"spark", "parquet"},
            tags={"layer": "reconciliation"},
            partitions_def=SITES,
            skippable=True,
            description=(
                "Each dump of a site against what was predicted for it from bronze alone: the dump before, and the "
                "pages fetched since. Rows predicted, present, missing, extra; per column the share that agrees. "
                "Nothing where no page was fetched between two dumps. No finding stops the dump: its checks tell "
                "whether pages and sweeps can be trusted."
            ),
            metadata={"dagster/column_schema": _columns(TABLES), "dagster/table_name": "reconciliation.tables"},
        )
    ],
    check_specs=check_specs(RECONCILIATION, DECLARATIONS, SITES),
    can_subset=True,
    pool="spark",
)
def reconciliation(context: dg.AssetExecutionContext, lakehouse: Lakehouse, pyspark: LazyPySparkResource) -> Iterator:
    from so_lakehouse.lake.reconcilable import is_due  # deltalake: not while definitions load
    from so_lakehouse.lake.reconciliation import of_site, version_of

    site, lake = context.partition_key, lakehouse.lake_of("silver")
    if is_due(lake, site):
        from so_lakehouse.spark.reconcile import reconcile

        reconcile(pyspark.spark_session, lake, site, lakehouse.settings, current())
    if not (known := of_site(lake, site)):
        return  # no page was fetched between two dumps
    newest = known[-1]
    rows, note = sum(len(found.inputs) for found in known), f"{newest.quarter} ({newest.release})"
    yield dg.MaterializeResult(
        asset_key=RECONCILIATION,
        data_version=dg.DataVersion(version_of(0, {found.quarter: found.data_version for found in known})),
        metadata={"dagster/partition_row_count": rows, "note": note},
    )
    yield from check_results({RECONCILIATION: newest.checks}, context.selected_asset_check_keys, is_error)


@dg.multi_asset(
    name="warehouse_reconciliation",
    specs=[
        dg.AssetSpec(
            warehouse_key(results.warehouse_name),
            deps=[RECONCILIATION],  # site on both sides: identity is right
            group_name="warehouse",
            owners=OWNERS,
            kinds={"postgres"},
            tags={"layer": "warehouse"},
            partitions_def=SITES,
            description=results.description,
            metadata={
                "dagster/column_schema": _columns(results),
                "dagster/table_name": f"lakehouse.lake.{results.warehouse_name}",
            },
        )
        for results in ALL
    ],
    pool="warehouse",
)
def warehouse_reconciliation(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> Iterator:
    from so_lakehouse.warehouse.reconciliation import load_reconciliations  # database drivers

    loaded = load_reconciliations(lakehouse.lake_of("warehouse"), lakehouse.settings, context.partition_key)
    for name, rows in loaded.rows.items():
        yield dg.MaterializeResult(
            asset_key=warehouse_key(name),
            data_version=dg.DataVersion(loaded.data_version),
            metadata={"dagster/partition_row_count": rows, "note": ", ".join(loaded.changed)},
        )
