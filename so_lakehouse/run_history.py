"""The runs that have ended, as alerts look at them: read from Dagster's instance.

Belongs here: reading. Not here: which failures matter (`alerts/runs.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import dagster as dg

from so_lakehouse.alerts.runs import EndedRun
from so_lakehouse.run_errors import errors_of, links, readable, sentence
from so_lakehouse.runner import DBT_LAYERS
from so_lakehouse.unstable import WILL_RETRY_TAG, SerializableErrorInfo

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]  # who stops a run knows that it was stopped
TOLD = {
    dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
}
REFUSED = {"DagsterAssetCheckFailedError", "CheckFailed"}


def ended_runs(instance: dg.DagsterInstance, since: datetime) -> list[EndedRun]:
    """The runs that ended since a moment, but for failed ones that Dagster itself tries again."""
    records = instance.get_run_records(dg.RunsFilter(statuses=ENDED, updated_after=since))
    return [
        _ended(instance, record.dagster_run, datetime.fromtimestamp(record.end_time, UTC))
        for record in records
        if record.end_time
        and record.end_time >= since.timestamp()  # a tag that somebody adds is an update too
        and (record.dagster_run.is_success or _is_last_try(instance, record.dagster_run))
    ]


def _is_last_try(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Dagster says so by a tag, a moment after the run's end: until then the next look decides."""
    said = run.tags.get(WILL_RETRY_TAG)
    return said == "false" or (said is None and not instance.run_retries_enabled)


def _ended(instance: dg.DagsterInstance, run: dg.DagsterRun, ended: datetime) -> EndedRun:
    if run.is_success and run.asset_selection:  # nearly all there are: their logs need not be read
        chosen = {key.to_user_string() for key in run.asset_selection}
        return EndedRun(run.run_id, _layer(chosen), _partition(run), ended, frozenset(chosen))
    events = [entry.dagster_event for entry in instance.all_logs(run.run_id, of_type=TOLD) if entry.dagster_event]
    planned = _assets(events, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED) or {run.job_name}
    if run.is_success:
        return EndedRun(run.run_id, _layer(planned), _partition(run), ended, frozenset(planned))
    refused = [check for check in _checks(events) if check.blocking and not check.passed]
    done = _assets(events, dg.DagsterEventType.ASSET_MATERIALIZATION)
    failed = {check.asset_key.to_user_string() for check in refused} or planned - done or planned
    done -= failed
    errors = errors_of(events)
    causes = {link.cls_name for error in errors for link in links(error)}
    layer = _layer(failed)
    return EndedRun(
        run.run_id,
        layer,
        _partition(run),
        ended,
        frozenset(done),
        frozenset(failed),
        " ".join(map(sentence, refused)) or _why(errors, events),
        refused=bool(refused) or bool(causes & REFUSED),
        refused_before=layer == "warehouse" and "CheckFailed" in causes,  # silver's gate is shut
    )


def _assets(events: Iterable[dg.DagsterEvent], of_type: dg.DagsterEventType) -> set[str]:
    return {event.asset_key.to_user_string() for event in events if event.event_type == of_type and event.asset_key}


def _checks(events: Iterable[dg.DagsterEvent]) -> list[dg.AssetCheckEvaluation]:
    found = [event.event_specific_data for event in events]
    return [data for data in found if isinstance(data, dg.AssetCheckEvaluation)]


def _layer(assets: Iterable[str]) -> str:
    """`bronze/dump`, `silver`, `marts` for all that dbt builds, or the job's own name."""
    paths = [asset.split("/") for asset in assets]
    folders = {"/".join(path[: 2 if path[0] in ("raw", "bronze") else 1]) for path in paths}
    return ", ".join(sorted({"marts" if folder in DBT_LAYERS else folder for folder in folders}))


def _partition(run: dg.DagsterRun) -> str:
    ends = [run.tags.get(f"dagster/asset_partition_range_{end}", "") for end in ("start", "end")]
    return run.tags.get("dagster/partition", "...".join(filter(None, dict.fromkeys(ends))))


def _why(errors: Sequence[SerializableErrorInfo], events: Sequence[dg.DagsterEvent]) -> str:
    """The sentence that is meant for people; of a defect its innermost cause, the rest stands in the run's log."""
    if not errors:
        told = [event.message for event in events if event.is_run_failure and event.message]
        return told[0] if told else "The run failed without saying why; see its log."
    cause = links(errors[0])[-1].message.strip()
    return readable(errors[0]) or f"{cause} (a defect: the traceback stands in the run's log)"
