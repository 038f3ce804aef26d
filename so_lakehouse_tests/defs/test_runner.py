"""What the command line is told of a run: success only where Dagster says success."""

from __future__ import annotations

import os
import subprocess
import sys

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from so_lakehouse import runner as running
from so_lakehouse.errors import Unavailable
from so_lakehouse.instance import open_instance
from so_lakehouse.progress import listening
from so_lakehouse.runner import LayerRun, Runner, end_orphans
from so_lakehouse.settings import Settings


class Unreachable(dg.ConfigurableResource):
    """Fails before any step of a run starts."""

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        raise Unavailable("The lake does not answer. Start it.")


@dg.asset(key_prefix="raw")
def needs_lake(lake: Unreachable) -> None:
    """Never gets that far."""


@dg.asset(key_prefix="raw")
def breaks() -> None:
    """Fails with a defect of ours."""
    raise ZeroDivisionError("by nought")


@dg.asset(key_prefix="raw")
def refuses() -> None:
    """Fails with a message for people."""
    raise Unavailable("The disk is full. Free some.")


@dg.asset(key_prefix="raw")
def works() -> None:
    """Does nothing, well."""


@dg.asset(key_prefix="raw", pool="spark")
def pooled() -> None:
    """Only one of its kind at a time."""


@pytest.fixture
def run():
    definitions = dg.Definitions(assets=[needs_lake, breaks, refuses, works], resources={"lake": Unreachable()})
    with dg.DagsterInstance.ephemeral() as instance:
        runner = Runner(definitions, instance, sys.stdout)

        def one(asset: dg.AssetsDefinition) -> LayerRun:
            return runner.run("raw", [asset.key], None)

        yield one


def test_a_run_that_fails_before_its_first_step_has_failed(run):
    done = run(needs_lake)
    assert not done.succeeded
    assert "The lake does not answer. Start it." in done.error


def test_an_error_for_people_is_its_message_alone(run):
    assert run(refuses).error == "The disk is full. Free some."


def test_a_defect_comes_with_its_traceback(run):
    assert "Traceback" in run(breaks).error or "ZeroDivisionError" in run(breaks).error


def test_a_run_that_did_its_work_has_succeeded(run):
    assert run(works).succeeded


def test_a_run_that_waits_for_another_says_for_which(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "")  # and so restored afterwards
    instance = open_instance(Settings(home=tmp_path))
    runner = Runner(dg.Definitions(assets=[pooled]), instance, sys.stdout)
    first = runner.run("raw", [pooled.key], None)
    instance.event_log_storage.claim_concurrency_slot("spark", first.run_id, "pooled")
    told = []

    def until_told(what: str, done: int, total: int | None = None) -> None:
        told.append(what)
        instance.event_log_storage.free_concurrency_slots_for_run(first.run_id)

    with listening(until_told):
        second = runner.run("raw", [pooled.key], None)
    assert second.succeeded
    assert told == [f"waiting for run {first.run_id[:8]}, which works in the pool spark"]


def test_a_run_of_the_daemon_whose_process_was_killed_is_ended_and_a_living_one_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "")
    instance = open_instance(Settings(home=tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    runs = {}
    for process in (ended.pid, os.getpid()):
        run = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTING)
        begun = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name, pid=process)
        instance.report_dagster_event(begun, run.run_id)
        runs[process] = run.run_id
    end_orphans(instance)
    status = {process: instance.get_run_by_id(run_id).status for process, run_id in runs.items()}
    assert status == {ended.pid: dg.DagsterRunStatus.FAILURE, os.getpid(): dg.DagsterRunStatus.STARTED}


def test_a_run_that_ends_while_it_is_looked_at_keeps_its_end(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "")
    instance = open_instance(Settings(home=tmp_path))
    run = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED, tags={running.PROCESS_TAG: "1 0.0"})

    def ends(process: str) -> bool:
        instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name), run.run_id)
        return False

    monkeypatch.setattr(running, "goes_on", ends)
    end_orphans(instance)
    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.SUCCESS
