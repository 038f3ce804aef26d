"""Warehouse: slim facts in Postgres, the declared projection of silver, all tables of a site in one transaction."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from so_lakehouse.defs.metadata import OWNERS, check_specs, in_recording_order
from so_lakehouse.defs.resources import Lakehouse
from so_lakehouse.defs.silver import silver_key
from so_lakehouse.partitions import SITES
from so_lakehouse.progress import current
from so_lakehouse.warehouse.load import Loaded, load_site
from so_lakehouse.warehouse.projection import PROJECTIONS, Projection
from so_lakehouse.warehouse.verify import DECLARATIONS, compare_site


def warehouse_key(table: str) -> dg.AssetKey:
    return dg.AssetKey(["warehouse", table])
