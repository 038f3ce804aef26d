"""Why a run failed, in words for people: from its errors, and from what its checks said.

Belongs here: reading Dagster's events. The command line and the alerts both speak so.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from so_lakehouse import errors
from so_lakehouse.unstable import JobFailureData, SerializableErrorInfo, StepFailureData

# Errors whose message is for people; dbt's says which model failed and what the database answered.
READABLE = {
    *(cls.__name__ for cls in vars(errors).values() if isinstance(cls, type)),
    "DagsterDbtCliRuntimeError",
}


def sentence(evaluation: dg.AssetCheckEvaluation) -> str:
    """Which check of which asset, and what it found."""
    where = f"{evaluation.asset_key.to_user_string()} · {evaluation.check_name}"
    return f"{where}: {evaluation.description or _of_dbt(evaluation)}"


def _of_dbt(evaluation: dg.AssetCheckEvaluation) -> str:
    """What a test of dbt found, which comes without words: dbt keeps the rows that break it."""
    found = evaluation.metadata.get("dagster_dbt/failed_row_count")
    rows = "rows break it" if found is None else f"rows that break it: {found.value:,}"
    told = f'{rows}. They name their site: so-lakehouse sql "select * from test_failures.{evaluation.check_name}"'
    if not evaluation.blocking:
        return told
    return (
        f"{told}. Readers keep the marts that they have. Mend the site's tables and run again: so-lakehouse rebuild "
        "--site …, or the site's next dump, where bronze holds these rows too."
    )


def errors_of(events: Sequence[dg.DagsterEvent]) -> list[SerializableErrorInfo]:
    """Why a run failed: errors of steps, or of the run itself where it failed before any step (a resource). None where
    somebody else reported it as failed, because its process was gone."""
    told = [event.event_specific_data for event in events if event.is_step_failure or event.is_run_failure]
    steps = [data.error for data in told if isinstance(data, StepFailureData)]
    runs = [data.error for data in told if isinstance(data, JobFailureData)]
    return [error for error in (*steps, *runs) if error is not None]


def links(error: SerializableErrorInfo | None) -> list[SerializableErrorInfo]:
    """The error and what it was caused by, the innermost last."""
    chain = []
    while error is not None:
        chain.append(error)
        error = error.cause
    return chain


def readable(error: SerializableErrorInfo | None) -> str:
    """The message that people are meant to read, of the error or of a cause; empty where the error is ours."""
    found = (link for link in links(error) if link.cls_name in READABLE)
    return next((link.message.partition(": ")[2].strip() for link in found), "")


def explain(error: SerializableErrorInfo | None) -> str:
    """The message of the error that people are meant to read, or everything where the error is ours."""
    if message := readable(error):
        return message
    return error.to_string() if error else "the run failed without saying why; see its log in the Dagster UI"
