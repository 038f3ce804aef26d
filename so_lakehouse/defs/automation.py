"""Sensors: what starts by itself. What is due is decided in `so_lakehouse/automation`, from the data.

docs/automation.md says what each starts, and docs/decisions.md why these are no automation conditions.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from so_lakehouse.automation.answer import Answer, Request
from so_lakehouse.clock import Clock
from so_lakehouse.defs import api_bronze, api_raw, bronze, marts, raw, reconciliation, silver, warehouse
from so_lakehouse.defs.dbt_project import DBT_PROJECT
from so_lakehouse.dumps.mirrors import Mirror, open_mirror
from so_lakehouse.lake.glance import Glance, Memory
from so_lakehouse.lake.storage import Lake
from so_lakehouse.partitions import site_day_key, site_quarter_key
from so_lakehouse.patience import Patience
from so_lakehouse.run_view import known_sites, runs
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse.dbt_files import fingerprint

LAYERS = {
    "raw": raw.raw_dump.keys,
    "bronze": bronze.bronze_dump.keys,
    "raw api": api_raw.raw_api.keys,
    "bronze api": api_bronze.bronze_api.keys,
    "reconciliation": reconciliation.reconciliation.keys,
    "silver": silver.silver.keys,
    "warehouse": warehouse.warehouse.keys | reconciliation.warehouse_reconciliation.keys,
    "marts": marts.dbt_models.keys | {marts.PUBLISHED},
}

# A sensor has a minute: what a server does not answer soon, the next look asks again.
IMPATIENT = Patience(tries=2, connect_timeout=5, read_timeout=15, deadline=20)

MOST_NOTES = 30


SETTINGS = Settings.from_environment()


def _sensor(layers: Sequence[str], description: str, seconds: int = SETTINGS.look_seconds):
    return lambda look: dg.sensor(
        name=look.__name__,
        asset_selection=dg.AssetSelection.assets(*(key for layer in layers for key in LAYERS[layer])),
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )(look)


def _result(context: dg.SensorEvaluationContext, answer: Answer, cursor: str | None = None) -> dg.SensorResult:
    notes = "\n".join(answer.notes[:MOST_NOTES])
    rest = len(answer.notes) - MOST_NOTES
    told = f"{notes}\nand {rest} more" if rest > 0 else notes
    if answer.requests and told:
        context.log.info(told)
    return dg.SensorResult(
        run_requests=[_run_request(request) for request in answer.requests],
        skip_reason=None if answer.requests else told or "Nothing is due.",
        cursor=cursor,
    )


def _run_request(request: Request) -> dg.RunRequest:
    return dg.RunRequest(
        run_key=request.key,
        partition_key=_partition(request),
        asset_selection=sorted(key for layer in request.layers for key in LAYERS[layer]),
        # A process that dies is tried again, where the instance lets runs be; what fails for a reason is not.
        tags={
            "so_lakehouse/why": request.reason,
            "dagster/max_retries": "1",
            "dagster/retry_on_asset_or_op_failure": "false",
        },
    )


def _partition(request: Request) -> str | None:
    match request.partition:
        case (site, quarter) if "bronze" in request.layers:
            return site_quarter_key(site, quarter)
        case (site, day):
            return site_day_key(site, day)
        case (site,):
            return site
    return None


_memories = {name: Memory() for name in ("dumps", "days", "sites")}


@_sensor(
    ["raw", "bronze"],
    "Lands and reads a site's newest release when the mirror has one that the lake has not, and reads landed dumps.",
)
def land_dumps(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    from so_lakehouse.automation import dumps as step

    settings, now = Settings.from_environment(), datetime.now(UTC)
    lake = Glance(Lake.of(settings), step.FOLDERS, _memories["dumps"])
    is_time, cursor = _time_to_ask(context.cursor, now, settings)
    mirror: Mirror | None = open_mirror("", settings, IMPATIENT) if is_time else None
    sites = known_sites(context.instance, settings)
    return _result(context, step.due(lake, mirror, sites, settings, runs(context.instance, settings), now), cursor)


def _time_to_ask(asked: str | None, now: datetime, settings: Settings) -> tuple[bool, str]:
    """Whether the mirror is to be asked now, and when it was asked last after that."""
    if asked and (now - datetime.fromisoformat(asked)).total_seconds() < settings.releases_seconds:
        return False, asked
    return True, now.isoformat()


@_sensor(
    ["raw api", "bronze api"],
    "Fetches and reads the closed days of the last two weeks that are not here whole, where the API may be asked.",
    SETTINGS.look_at_days_seconds,
)
def fetch_days(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    from so_lakehouse.automation import days as step

    settings = Settings.from_environment()
    clock, lake = Clock(settings.now), Lake.of(settings)
    newest = step.newest_days(settings, clock)
    older = step.older_days(lake, newest, context.cursor or "")
    glance = Glance(lake, step.folders([*newest, *older]), _memories["days"])
    sites = known_sites(context.instance, settings)
    answer = step.due(glance, sites, newest, older, settings, runs(context.instance, settings), clock)
    return _result(context, answer, older[-1] if older else "")


@_sensor(
    ["reconciliation", "silver", "warehouse"],
    "Takes a site's news in bronze into silver and the warehouse, once per site, when nothing of it is being read.",
)
def converge_sites(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    from so_lakehouse.automation import sites as step  # Spark's Python side, database drivers: not while loading
    from so_lakehouse.warehouse.standing import standing

    settings = Settings.from_environment()
    known, seen = known_sites(context.instance, settings), runs(context.instance, settings)  # before what they change
    stands = standing(settings, fingerprint(DBT_PROJECT.project_dir))
    lake = Glance(Lake.of(settings), step.FOLDERS, _memories["sites"])
    return _result(context, step.due(lake, stands, known, settings, seen))


@_sensor(
    ["marts"], "Builds and publishes the marts once per wave of loads, when the runs that feed them have come to rest."
)
def build_marts(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    from so_lakehouse.automation import marts as step
    from so_lakehouse.warehouse.standing import standing

    settings = Settings.from_environment()
    seen = runs(context.instance, settings)  # before what they change
    stands = standing(settings, fingerprint(DBT_PROJECT.project_dir))
    return _result(context, step.due(stands, settings, seen, datetime.now(UTC)))


SENSORS = [land_dumps, fetch_days, converge_sites, build_marts]
