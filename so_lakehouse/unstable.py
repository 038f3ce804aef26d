"""The one place that uses what Dagster marks as beta or preview, or does not export, so that a list of such uses is one
search away; beside it only `dagster_storage.py`, a storage on top of Dagster's. A test says so where a later Dagster
no longer has the latter.

* `JobFailureData`, `StepFailureData`, `SerializableErrorInfo`: the errors of a run are in its events, and nothing that
  is exported reads them.
* `WILL_RETRY_TAG`: how Dagster notes, after a run has failed, whether it tries again.
* `SqliteRunStorage`: an instance that lies in files belongs to this machine alone; nothing that is exported tells.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.events import JobFailureData, StepFailureData
from dagster._core.storage.tags import WILL_RETRY_TAG
from dagster._utils.error import SerializableErrorInfo

__all__ = [
    "WILL_RETRY_TAG",
    "JobFailureData",
    "SerializableErrorInfo",
    "StepFailureData",
    "lies_in_files",
    "unstable_api",
]


@contextmanager
def unstable_api(why: str) -> Iterator[None]:
    """Within this block Dagster's beta and preview warnings are silent; `why` says what there is no stable way for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        yield


def lies_in_files(instance: dg.DagsterInstance) -> bool:
    """Whether the instance keeps its runs in files of this machine, and not in a database that others share."""
    from dagster._core.storage.runs import SqliteRunStorage  # SQLAlchemy: not while definitions load

    return isinstance(instance.run_storage, SqliteRunStorage)
