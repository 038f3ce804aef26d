"""Bronze of the API: every item of a day's pages as a row of the dump's table; what cannot be read is in quarantine."""

from collections.abc import Iterator

import dagster as dg

from so_lakehouse.defs.api_raw import raw_api_key
from so_lakehouse.defs.metadata import OWNERS, check_results, check_specs, table_schema
from so_lakehouse.defs.resources import Lakehouse
from so_lakehouse.partitions import SITE_DAY, site_and_day
from so_lakehouse.progress import current
from so_lakehouse.quality.pages import DECLARATIONS
from so_lakehouse.schema import table
from so_lakehouse.schema_api import ENTITIES, Entity


def pages_key(entity: str) -> dg.AssetKey:
    return dg.AssetKey(["bronze", "api", entity])


def _spec(entity: Entity) -> dg.AssetSpec:
    declared = table(entity.table)
    return dg.AssetSpec(
        pages_key(entity.name),
        deps=[raw_api_key(entity.name)],  # same grid on both sides: identity is right
        group_name="bronze",
        owners=OWNERS,
        kinds={"parquet"},
        tags={"layer": "bronze"},
        partitions_def=SITE_DAY,
        skippable=True,
        description=(
            f"What pages of `/{entity.name}` told about one day, typed as the dump's {entity.table}: one row per item "
            "and fetch, as of its fetch; ids that a sweep found gone; nothing is lost."
        ),
        metadata={"dagster/column_schema": table_schema(declared[name] for name in entity.columns)},
    )


@dg.multi_asset(
    name="bronze_api",
    specs=[_spec(entity) for entity in ENTITIES.values()],
    check_specs=[spec for entity in ENTITIES for spec in check_specs(pages_key(entity), DECLARATIONS, SITE_DAY)],
    can_subset=True,
    pool="read_pages",
)
def bronze_api(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> Iterator:
    from so_lakehouse.api.bronze import read_pages  # Parquet: not while definitions load

    site, day, lake = *site_and_day(context), lakehouse.lake_of("bronze")
    for entity in (key.path[-1] for key in sorted(context.selected_asset_keys)):
        manifest = read_pages(lake, site, day, entity, lakehouse.settings, current())
        if manifest is None:
            continue  # nothing of it was fetched: raw's check says why
        yield dg.MaterializeResult(
            asset_key=pages_key(entity),
            data_version=dg.DataVersion(manifest.data_version),
            metadata={
                "dagster/partition_row_count": manifest.rows,
                "quarantined": manifest.quarantined,
                "gone": manifest.absent,
                "dagster/uri": lakehouse.lake.uri(manifest.files[0]),
            },
        )
        yield from check_results({pages_key(entity): manifest.checks}, context.selected_asset_check_keys)
