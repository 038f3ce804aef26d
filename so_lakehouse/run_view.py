"""What Dagster's instance knows of sites and runs, in the words in which the steps of automation ask for it.

Belongs here: reading the instance. What is due is decided in `automation/`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from so_lakehouse.automation.answer import FOLLOWING, READING, Run, Runs
from so_lakehouse.dumps.sites import find
from so_lakehouse.partitions import SITES
from so_lakehouse.runner import DBT_LAYERS, FOLDERS, PROCESS_TAG, RUN_TAG, end_orphans, goes_on
from so_lakehouse.settings import Settings

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
LOCATION = "so_lakehouse"  # the code location, as both workspace files and the stack name it
# A command works its way through layers and sites; so far back its runs are looked at.
LONGEST_COMMAND = timedelta(days=2)


def known_sites(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """The sites that have partitions; those that the settings name join them. `BadInput` for what is no site's name."""
    known = set(instance.get_dynamic_partitions(SITES.name or ""))
    named = {find(name).key for name in settings.sites.split()}
    if named - known:
        instance.add_dynamic_partitions(SITES.name or "", sorted(named - known))
    return sorted(known | named)


def runs(instance: dg.DagsterInstance, settings: Settings) -> Runs:
    """What goes on or waits, and what became of what was asked for. Runs whose process was killed are ended first.

    To be asked in the server of the code location alone, which is where sensors look.
    """
    end_orphans(instance, LOCATION)
    going_on = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
    return Runs(
        tuple(_run(run) for run in (*going_on, *_of_running_commands(instance))),
        lambda key: _tried(instance, key),
        _seconds_quiet(instance, settings),
    )


def _of_running_commands(instance: dg.DagsterInstance) -> Iterator[dg.DagsterRun]:
    """Finished runs of commands that go on: their next layer is the command's to run."""
    since = datetime.now(UTC) - LONGEST_COMMAND
    for run in instance.get_runs(dg.RunsFilter(statuses=FINISHED, tags=RUN_TAG, created_after=since)):
        if goes_on(run.tags[PROCESS_TAG]):
            yield run


def _run(run: dg.DagsterRun) -> Run:
    layers = {layer_of(key) for key in run.asset_selection or ()} or {run.job_name}
    return Run(frozenset(layers), _partition(run))


def layer_of(key: dg.AssetKey) -> str:
    """The layer, as `runner.py` names it, that runs of this asset belong to."""
    folder = "/".join(key.path[:-1])
    if folder in DBT_LAYERS:
        return "marts"
    named = {path: layer for layer, path in FOLDERS.items()}
    return named.get(key.to_user_string(), named.get(folder, folder))


def _partition(run: dg.DagsterRun) -> tuple[str, ...]:
    """(site, quarter), (site, day), (site,), or nothing."""
    key = run.tags.get("dagster/partition", "")
    return tuple(reversed(key.split("|"))) if key else ()


def _tried(instance: dg.DagsterInstance, key: str) -> str:
    found = instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": key}), limit=1)
    return f"run {found[0].run_id[:8]}, {found[0].status.value}" if found else ""


def _seconds_quiet(instance: dg.DagsterInstance, settings: Settings) -> float:
    since = datetime.now(UTC) - timedelta(seconds=settings.quiet_seconds)
    records = instance.get_run_records(dg.RunsFilter(statuses=FINISHED, updated_after=since))
    ended = [
        r.end_time for r in records if r.end_time and not _run(r.dagster_run).layers.isdisjoint(READING | FOLLOWING)
    ]
    return time.time() - max(ended) if ended else float("inf")
