"""What Dagster loads. No network, no Spark session, no database and no secret is touched here."""

from __future__ import annotations

import gc

# What is loaded here lives as long as the process: to look through it for garbage again and again, while loading and at
# the end, takes a fifth of the time (docs/benchmarks.md).
gc.disable()

import dagster as dg  # noqa: E402

from so_lakehouse.defs import (  # noqa: E402
    alerts,
    api_bronze,
    api_raw,
    automation,
    bronze,
    maintenance,
    marts,
    raw,
    silver,
    warehouse,
)
from so_lakehouse.defs.resources import RESOURCES  # noqa: E402

defs = dg.Definitions(
    assets=[
        raw.raw_dump,
        api_raw.raw_api,
        bronze.bronze_dump,
        api_bronze.bronze_api,
        silver.silver,
        warehouse.warehouse,
        warehouse.LOAD_STATUS,
        marts.dbt_models,
        marts.published,
    ],
    asset_checks=[alerts.site_current],
    jobs=[maintenance.maintenance_job],
    sensors=[*automation.SENSORS, alerts.alerts, alerts.freshness],
    resources=RESOURCES,
)

gc.freeze()
gc.enable()
