"""Alerts and freshness: what is wrong reaches people once, and a site that is late fails a check of its own."""

import json
from datetime import UTC, datetime
from functools import partial

import dagster as dg

from so_lakehouse.api.source import late_after
from so_lakehouse.clock import Clock
from so_lakehouse.defs.resources import Lakehouse
from so_lakehouse.defs.silver import silver_key
from so_lakehouse.partitions import SITES
from so_lakehouse.quality.freshness import SITE_CURRENT, outcome
from so_lakehouse.run_view import LOCATION
from so_lakehouse.runner import end_orphans
from so_lakehouse.unstable import unstable_api

CHECKED = silver_key("posts")  # of every table of a site alike; posts are what people look at first

with unstable_api("checks by partition: without them one late site would hide behind another"):

    @dg.asset_check(
        asset=CHECKED,
        name=SITE_CURRENT.name,
        partitions_def=SITES,
        description=f"{SITE_CURRENT.description} After each converge, and by the sensor `freshness` where none runs.",
    )
    def site_current(context: dg.AssetCheckExecutionContext, lakehouse: Lakehouse) -> dg.AssetCheckResult:
        from so_lakehouse.api.current import of_site  # deltalake: not while definitions load

        settings = lakehouse.settings
        standing = of_site(lakehouse.lake_of("silver"), context.partition_key)
        said = outcome(standing, Clock(settings.now).now(), late_after(standing.site, settings))
        return dg.AssetCheckResult(
            passed=said.passed, severity=dg.AssetCheckSeverity.WARN, description=said.detail, metadata=said.metadata
        )


@dg.sensor(
    minimum_interval_seconds=600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        f"Records the check `{SITE_CURRENT.name}` of every site whose answer has changed: a site grows late while "
        "nothing runs, and Dagster's own freshness looks at any partition, behind which a dead site hides."
    ),
)
def freshness(context: dg.SensorEvaluationContext, lakehouse: Lakehouse) -> dg.SensorResult:
    from so_lakehouse.api.current import standings  # deltalake: not while definitions load

    settings, before = lakehouse.settings, json.loads(context.cursor or "{}")
    now = Clock(settings.now).now()
    said = {held.site: outcome(held, now, late_after(held.site, settings)) for held in standings(lakehouse.lake)}
    changed = {site: found for site, found in said.items() if before.get(site) != found.passed}
    return dg.SensorResult(
        asset_events=[
            dg.AssetCheckEvaluation(
                asset_key=CHECKED,
                check_name=found.name,
                passed=found.passed,
                severity=dg.AssetCheckSeverity.WARN,
                description=found.detail,
                metadata=found.metadata,
                blocking=False,
                partition=site,
            )
            for site, found in changed.items()
        ],
        skip_reason=dg.SkipReason(f"{sum(not found.passed for found in said.values())} of {len(said)} sites are late."),
        cursor=json.dumps({site: found.passed for site, found in said.items()}),
    )


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Tells the addresses of LAKEHOUSE_ALERTS once of each failed run, blocking check that failed, late site, "
        "used-up quota and broken reconciliation, and once more when it is over (docs/alerts.md). A message that an "
        "address did not take fails the tick, and is sent again by the next."
    ),
)
def alerts(context: dg.SensorEvaluationContext, lakehouse: Lakehouse) -> dg.SkipReason:
    from so_lakehouse.alerts.tell import tell
    from so_lakehouse.run_history import ended_runs

    end_orphans(context.instance, LOCATION)  # also where nothing starts by itself, and so nobody else looks
    settings = lakehouse.settings
    history = partial(ended_runs, context.instance)
    return dg.SkipReason(tell(settings, Clock(settings.now), history, datetime.now(UTC)))
