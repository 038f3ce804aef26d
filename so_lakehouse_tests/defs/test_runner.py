"""What the command line is told of a run: success only where Dagster says success."""

from __future__ import annotations

import sys

import dagster as dg
import pytest

from so_lakehouse.errors import Unavailable
from so_lakehouse.runner import LayerRun, Runner


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
