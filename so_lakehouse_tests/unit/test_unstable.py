"""What we use of Dagster that it does not promise: in one place, and still there."""

from __future__ import annotations

import re
from pathlib import Path

import dagster as dg
import pytest

from so_lakehouse import dagster_storage, unstable
from so_lakehouse.run_errors import errors_of, links
from so_lakehouse.settings import PROJECT_ROOT


def test_what_dagster_does_not_export_is_used_in_one_place_and_by_the_storage_on_top_of_its_own():
    private = re.compile(r"\bdagster(_\w+)?\._")
    found = {path for path in (PROJECT_ROOT / "so_lakehouse").rglob("*.py") if private.search(path.read_text())}
    assert found == {Path(unstable.__file__), Path(dagster_storage.__file__)}


@dg.op
def fails() -> None:
    try:
        raise KeyError("the cause")
    except KeyError as error:
        raise ValueError("the error") from error


@dg.job
def job_that_fails() -> None:
    fails()


def test_the_errors_of_a_run_with_their_causes_are_read_from_its_events():
    events = job_that_fails.execute_in_process(raise_on_error=False).all_events
    step = errors_of([event for event in events if event.is_step_failure])
    assert [link.cls_name for link in links(step[0])][-2:] == ["ValueError", "KeyError"]
    assert all(isinstance(error, unstable.SerializableErrorInfo) for error in step)


def test_a_run_that_fails_before_any_step_tells_its_error_too():
    @dg.resource
    def broken(_) -> None:
        raise OSError("no resource")

    @dg.op(required_resource_keys={"broken"})
    def unreached() -> None: ...

    @dg.job(resource_defs={"broken": broken})
    def job() -> None:
        unreached()

    events = job.execute_in_process(raise_on_error=False).all_events
    assert any(isinstance(event.event_specific_data, unstable.JobFailureData) for event in events)
    assert "OSError" in [link.cls_name for error in errors_of(events) for link in links(error)]


def test_an_instance_in_files_is_told_from_another(tmp_path: Path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as in_files:
        assert unstable.lies_in_files(in_files)
    with dg.DagsterInstance.ephemeral() as in_memory:
        assert not unstable.lies_in_files(in_memory)


def test_the_tag_by_which_dagster_notes_that_it_tries_again_is_the_one_it_documents():
    assert unstable.WILL_RETRY_TAG == "dagster/will_retry"


@pytest.mark.filterwarnings("error")
def test_a_beta_of_dagster_is_used_without_a_warning_inside_the_block_alone():
    def use() -> None:
        import warnings

        warnings.warn("beta", dg.BetaWarning, stacklevel=2)

    with unstable.unstable_api("a test"):
        use()
    with pytest.raises(dg.BetaWarning):
        use()
