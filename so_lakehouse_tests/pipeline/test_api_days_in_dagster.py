"""Days of the API through Dagster: raw and bronze per site and day, what is missing as a warning, and the status."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from datetime import UTC, datetime

import dagster as dg
import pytest

from so_lakehouse.api.due import days_due
from so_lakehouse.cli import parser
from so_lakehouse.cli import run as run_command
from so_lakehouse.definitions import defs
from so_lakehouse.end_to_end import Day, days_to_marts
from so_lakehouse.errors import BadInput
from so_lakehouse.lake.storage import Lake
from so_lakehouse.partitions import site_day_key
from so_lakehouse.runner import LayerRun, Runner
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.settings import Settings
from so_lakehouse.simulate.api_server import ApiServer, serving
from so_lakehouse.simulate.api_site import ApiSite
from so_lakehouse.status import status
from so_lakehouse_tests.pipeline.api_world import DAY, KEY, MIDNIGHT, answer, question

NEXT = "2026-01-06"


@pytest.fixture
def server(tmp_path, monkeypatch):
    with serving(lambda: datetime.now(UTC).timestamp()) as made:
        made.sites["alcohol"] = ApiSite()
        made.sites["alcohol"].put("questions", [question(key, MIDNIGHT + key) for key in range(1, 4)])
        made.sites["alcohol"].put("answers", [answer(9, MIDNIGHT + 86_400, 1)])
        variables = {"HOME": str(tmp_path), "API": made.address, "API_KEY": KEY, "API_RESERVE": "0"}
        for name, value in variables.items():
            monkeypatch.setenv(f"LAKEHOUSE_{name}", value)
        yield made
        assert made.violations == []


@pytest.fixture
def runner(server: ApiServer):
    with dg.DagsterInstance.ephemeral() as instance:
        made = Runner(defs, instance, sys.stdout)
        made.add_site("beer")
        yield made


def run(runner: Runner, layer: str, day: str = DAY) -> LayerRun:
    return runner.run(layer, runner.keys_of(layer), site_day_key("beer", day))


def test_a_day_goes_from_pages_to_bronze_and_status_shows_both(runner):
    raw, bronze = run(runner, "raw api"), run(runner, "bronze api")
    assert (raw.error, bronze.error, raw.warnings, bronze.warnings) == (None, None, (), ())
    assert set(raw.materialised) == {f"raw/api/{name}" for name in ("questions", "answers", "comments", "users")}
    assert raw.materialised["raw/api/questions"]["items"] == 3
    assert raw.materialised["raw/api/questions"]["quota_remaining"] < 10_000
    assert bronze.materialised["bronze/api/questions"]["dagster/partition_row_count"] == 3
    shown = {(layer.layer, layer.newest, layer.rows) for layer in status(Settings.from_environment())}
    assert shown == {("raw api", DAY, None), ("bronze api", DAY, 3)}
    assert not any(
        KEY in str(event) for run_id in (raw.run_id, bronze.run_id) for event in runner.instance.all_logs(run_id)
    )


def test_dumps_and_pages_are_layers_of_their_own(runner):
    assert [key.to_user_string() for key in runner.keys_of("raw")] == ["raw/dump"]
    assert all(key.path[:2] == ["bronze", "dump"] for key in runner.keys_of("bronze"))
    assert len(runner.keys_of("bronze api")) == len(ENTITIES)


def test_a_day_is_due_until_it_is_here_whole_and_read(server, runner):
    lake = Lake(Settings.from_environment().lake_uri)
    assert days_due(lake, "beer", [DAY, NEXT]) == [DAY, NEXT]
    run(runner, "raw api")
    assert days_due(lake, "beer", [DAY]) == [DAY], "not read yet"
    run(runner, "bronze api")
    assert days_due(lake, "beer", [DAY, NEXT]) == [NEXT]
    before = len(server.requests)
    again = run(runner, "raw api")
    assert again.materialised["raw/api/questions"]["note"] == "nothing was asked"
    assert len(server.requests) == before


def test_a_quota_that_ends_is_a_warning_and_the_day_stays_due(server, runner):
    server.quota_max = 2  # the filter, and one entity
    raw, bronze = run(runner, "raw api"), run(runner, "bronze api")
    assert raw.succeeded
    assert len(raw.warnings) == 3
    assert all("0 of 2 requests left" in warning for warning in raw.warnings)
    assert len(raw.materialised) == len(bronze.materialised) == 1
    assert bronze.succeeded
    assert days_due(Lake(Settings.from_environment().lake_uri), "beer", [DAY]) == [DAY]
    (layer,) = [layer for layer in status(Settings.from_environment()) if layer.layer == "raw api"]
    assert layer.warnings == 3


def test_the_plan_names_days_that_are_due_and_what_cannot_be_asked_for_is_refused(server, runner, monkeypatch, capsys):
    monkeypatch.setenv("LAKEHOUSE_NOW", "2026-01-07T06:00:00")
    run(runner, "raw api")
    run(runner, "bronze api")

    def command(*options: str) -> int:
        arguments = parser().parse_args(["run", "--site", "beer", "--plan", *options])
        return run_command.main(arguments)

    assert command("--days-since", "2026-01-04") == 0
    shown = capsys.readouterr().out
    assert [day for day in ("2026-01-04", DAY, NEXT, "2026-01-07") if day in shown] == ["2026-01-04", NEXT]
    assert command("--day", DAY) == 0
    assert "here whole" in capsys.readouterr().out
    with pytest.raises(BadInput, match="has not closed"):
        command("--day", "2026-01-07")
    with pytest.raises(BadInput, match="no day"):
        command("--days-since", "last week")
    with pytest.raises(BadInput, match="about dumps"):
        command("--day", DAY, "--quarter", "2016Q4")


def test_a_wrong_key_fails_the_run_and_says_what_to_check(runner, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_API_KEY", "wrong")
    raw = run(runner, "raw api")
    assert "LAKEHOUSE_API_KEY" in raw.error
    stopped = days_to_marts(runner, ["beer"], [Day("beer", DAY), Day("beer", NEXT)], False, _working, lambda run: None)
    assert [(run.layer, run.succeeded) for run in stopped] == [("raw api", False)]


def _working(title: str):
    return nullcontext()
