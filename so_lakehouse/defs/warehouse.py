"""Warehouse: slim facts in Postgres, the declared projection of silver, all tables of a site in one transaction."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from so_lakehouse.defs.metadata import OWNERS, check_results, check_specs
from so_lakehouse.defs.resources import Lakehouse
from so_lakehouse.defs.silver import silver_key
from so_lakehouse.partitions import SITES
from so_lakehouse.progress import current
from so_lakehouse.quality.warehouse import DECLARATIONS
from so_lakehouse.warehouse.projection import PROJECTIONS, Projection

if TYPE_CHECKING:
    from so_lakehouse.warehouse.record import Loaded


def warehouse_key(table: str) -> dg.AssetKey:
    return dg.AssetKey(["warehouse", table])


def _spec(projection: Projection) -> dg.AssetSpec:
    return dg.AssetSpec(
        warehouse_key(projection.name),
        deps=[silver_key(projection.source)],  # site on both sides: identity is right
        group_name="warehouse",
        owners=OWNERS,
        kinds={"postgres"},
        tags={"layer": "warehouse"},
        partitions_def=SITES,
        skippable=True,
        description=(
            f"{projection.description} Follows silver by its change feed; readers see a load whole or not at all. "
            "No texts, no names, nothing personal."
        ),
        metadata={
            "dagster/column_schema": _columns(projection),
            "dagster/column_lineage": _lineage(projection),
            "dagster/table_name": f"lakehouse.lake.{projection.name}",
        },
    )


def _columns(projection: Projection) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=field.name,
                type=field.type,
                description=field.description,
                constraints=dg.TableColumnConstraints(nullable=field.nullable),
            )
            for field in projection.fields
        ]
    )


def _lineage(projection: Projection) -> dg.TableColumnLineage:
    """Each field comes from the silver columns that its expression names."""
    upstream = silver_key(projection.source)
    return dg.TableColumnLineage(
        {
            field.name: [dg.TableColumnDep(upstream, name) for name in field.silver_columns]
            for field in projection.fields
        }
    )


# Not loaded by itself: each load of tables notes in the same transaction what it did.
LOAD_STATUS = dg.AssetSpec(
    warehouse_key("load_status"),
    deps=[warehouse_key(name) for name in PROJECTIONS],
    group_name="warehouse",
    owners=OWNERS,
    kinds={"postgres"},
    tags={"layer": "warehouse"},
    partitions_def=SITES,
    description="Per site and table: which version of silver the warehouse holds, rows, and how far it is whole.",
    metadata={"dagster/table_name": "lakehouse.lake.load_status"},
)


@dg.multi_asset(
    name="warehouse",
    specs=[_spec(projection) for projection in PROJECTIONS.values()],
    check_specs=[spec for name in PROJECTIONS for spec in check_specs(warehouse_key(name), DECLARATIONS, SITES)],
    can_subset=True,
    pool="warehouse",
)
def warehouse(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> Iterator:
    from so_lakehouse.warehouse.load import load_site  # database drivers: not while definitions load

    tables = [key.path[-1] for key in context.selected_asset_keys]
    loaded = load_site(lakehouse.lake_of("warehouse"), lakehouse.settings, context.partition_key, tables, current())
    for table, result in loaded.items():
        if result.is_here:
            yield dg.MaterializeResult(
                asset_key=warehouse_key(table),
                data_version=dg.DataVersion(result.data_version),
                metadata=_metadata(result),
            )
    outcomes = {warehouse_key(table): [result.check] for table, result in loaded.items() if result.check}
    yield from check_results(outcomes, context.selected_asset_check_keys)


def _metadata(result: "Loaded") -> dict:
    return {
        "dagster/partition_row_count": result.rows,
        "inserted": result.inserted,
        "updated": result.updated,
        "deleted": result.deleted,
        "note": f"{result.how}, {result.reason}" if result.how != "unchanged" else "unchanged",
    }
