"""Raw pages of the API: what it answered about one closed day of a site, as received."""

from collections.abc import Iterator

import dagster as dg

from so_lakehouse.defs.metadata import OWNERS, check_results, check_specs
from so_lakehouse.defs.resources import Lakehouse
from so_lakehouse.partitions import SITE_DAY, site_and_day
from so_lakehouse.progress import current
from so_lakehouse.quality.fetches import DECLARATIONS, outcomes
from so_lakehouse.schema_api import ENTITIES


class RawApiConfig(dg.Config):
    """`again`: for this run, ask for the whole day although it is here; what comes is added to the day."""

    again: bool = False


def raw_api_key(entity: str) -> dg.AssetKey:
    return dg.AssetKey(["raw", "api", entity])


def _spec(entity: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        raw_api_key(entity),
        group_name="raw",
        owners=OWNERS,
        kinds={"json"},
        tags={"layer": "raw"},
        partitions_def=SITE_DAY,
        skippable=True,
        description=(
            f"Pages of `/{entity}` of the Stack Exchange API for one closed day (UTC), as received, with the request "
            "and the moment of each. Where the quota ends first, the check day_covered says what is missing, and the "
            "next run goes on from there. Fetching adds to a day and replaces nothing."
        ),
    )


@dg.multi_asset(
    name="raw_api",
    specs=[_spec(entity) for entity in ENTITIES],
    check_specs=[spec for entity in ENTITIES for spec in check_specs(raw_api_key(entity), DECLARATIONS, SITE_DAY)],
    can_subset=True,
    pool="api",
)
def raw_api(context: dg.AssetExecutionContext, config: RawApiConfig, lakehouse: Lakehouse) -> Iterator:
    from so_lakehouse.api.client import Client
    from so_lakehouse.api.entities import fetch_entities
    from so_lakehouse.clock import Clock

    site, day = site_and_day(context)
    settings, lake = lakehouse.settings, lakehouse.lake_of("raw")
    client = Client(settings, Clock(settings.now))
    entities = [key.path[-1] for key in sorted(context.selected_asset_keys)]
    for entity, found in fetch_entities(lake, client, site, day, entities, settings, config.again, current()):
        if found.fetches:
            metadata = {**found.totals, "quota_remaining": client.budget.quota().remaining, "note": found.note}
            version = dg.DataVersion(found.data_version)
            yield dg.MaterializeResult(asset_key=raw_api_key(entity), data_version=version, metadata=metadata)
        told = {raw_api_key(entity): outcomes(found, f"{entity} of {site}, {day}")}
        yield from check_results(told, context.selected_asset_check_keys)
