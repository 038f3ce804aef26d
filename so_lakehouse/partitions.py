"""Sites, quarters, days and the mappings between grids: every partition definition of the project, and nothing else.

A dependency between two different grids always takes its mapping from here: without one Dagster infers identity, and
nothing ever matches.
"""

from __future__ import annotations

import dagster as dg

from so_lakehouse.settings import Settings
from so_lakehouse.unstable import unstable_api

SITES = dg.DynamicPartitionsDefinition(name="site")

# The key is the first day of the quarter that holds a release's cut date. The open quarter is a partition too
# (end_offset): the publisher has cut dumps in the middle of a quarter, and they can land before it ends.
QUARTERS = dg.TimeWindowPartitionsDefinition(
    cron_schedule="0 0 1 1,4,7,10 *", start="2008-07-01", fmt="%Y-%m-%d", timezone="UTC", end_offset=1
)

SITE_QUARTER = dg.MultiPartitionsDefinition({"site": SITES, "quarter": QUARTERS})

# Closed days only: a day's window is the same whenever it is asked for. The first one must not change once it is used.
DAYS = dg.DailyPartitionsDefinition(start_date=Settings.from_environment().api_start, timezone="UTC")

SITE_DAY = dg.MultiPartitionsDefinition({"site": SITES, "day": DAYS})

# site x quarter -> site, and site x day -> site: what changes in one of its quarters or days concerns the site.
with unstable_api("mapping from two dimensions to one of them"):
    ITS_SITE = dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name="site")

# site -> not partitioned: marts hold all sites.
EVERY_SITE = dg.AllPartitionMapping()


def site_quarter_key(site: str, quarter: str) -> dg.MultiPartitionKey:
    """The key of one dump; it reads `2016-10-01|beer`, because Dagster sorts dimensions by name."""
    return dg.MultiPartitionKey({"site": site, "quarter": quarter})


def site_and_quarter(context: dg.AssetExecutionContext) -> tuple[str, str]:
    """(site, quarter) of a run over the grid site x quarter."""
    key = context.partition_key
    assert isinstance(key, dg.MultiPartitionKey)
    return key.keys_by_dimension["site"], key.keys_by_dimension["quarter"]


def site_day_key(site: str, day: str) -> dg.MultiPartitionKey:
    """The key of one day of pages; it reads `2026-01-05|beer`."""
    return dg.MultiPartitionKey({"site": site, "day": day})


def site_and_day(context: dg.AssetExecutionContext) -> tuple[str, str]:
    """(site, day) of a run over the grid site x day."""
    key = context.partition_key
    assert isinstance(key, dg.MultiPartitionKey)
    return key.keys_by_dimension["site"], key.keys_by_dimension["day"]
