"""What Dagster loads. No network, no Spark session, no database and no secret is touched here."""

from __future__ import annotations

import dagster as dg

from so_lakehouse.defs import bronze, maintenance, marts, raw, silver, warehouse
from so_lakehouse.defs.resources import RESOURCES

defs = dg.Definitions(
    assets=[
        raw.raw_dump,
        bronze.bronze_dump,
        silver.silver,
        warehouse.warehouse,
        warehouse.LOAD_STATUS,
        marts.dbt_models,
        marts.published,
    ],
    jobs=[maintenance.maintenance_job],
    resources=RESOURCES,
)
