"""Maintenance changes no row, and what was deleted goes: not before the retention is over, and then all of it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from dagster import DagsterInstance
from deltalake.exceptions import DeltaError, TableNotFoundError

from so_lakehouse import failpoints
from so_lakehouse.lake import layout, paths
from so_lakehouse.spark import maintenance
from so_lakehouse.spark.maintenance import maintain
from so_lakehouse_tests.pipeline.command_line import call
from so_lakehouse_tests.pipeline.three_quarters import EXPIRED, MARCH, NAME, NEEDLES, PERSON, PURGED, TABLES, rows_of


def test_no_row_changes(after):
    assert after(MARCH).rows() == after(PURGED).rows() == after(EXPIRED).rows()


def test_within_the_retention_a_deleted_row_is_read_from_the_version_that_held_it(after):
    site = after(PURGED)
    rows = rows_of(site.table("users", version=2), f'SELECT "DisplayName" FROM old WHERE "Id" = {PERSON}')
    assert rows == [{"DisplayName": NAME}]
    found = site.traces()
    for needle in NEEDLES:
        assert any(trace.startswith(str(needle)) for trace in found), f"{needle} is not there to be found"


def test_after_the_retention_a_deleted_person_is_in_no_byte_of_the_lake(after):
    site = after(EXPIRED)
    assert site.traces() == []
    with pytest.raises((DeltaError, TableNotFoundError)):
        site.table("users", version=2)


def test_the_log_of_a_table_that_nobody_writes_to_expires_too_and_its_properties_stay(after):
    site = after(EXPIRED)
    log = [Path(path).name for path in site.lake.list(f"{paths.silver('tombstones')}/_delta_log")]
    assert len([name for name in log if name.endswith(".checkpoint.parquet")]) == 1
    before = after(MARCH).table("tombstones").metadata().configuration
    assert site.table("tombstones").metadata().configuration == before | maintenance.CHECKPOINT_INTERVAL


class Crash(BaseException):
    """Ends a run at a fail point, as a kill would, without a new process for each."""


def test_killed_at_each_of_its_writes_and_run_again_it_ends_in_the_same_rows(spark, after, monkeypatch):
    site = after(MARCH)
    site.let_log_age(days=40)
    before = site.rows()
    died_at: list[str] = []

    def reach(name: str) -> None:
        if name not in died_at:
            died_at.append(name)
            raise Crash(name)

    monkeypatch.setattr(failpoints, "reach", reach)
    for _ in range(20):
        try:
            maintain(spark, site.lake, "beer", site.settings, retention_hours=0)
            break
        except Crash:
            assert site.rows() == before, died_at[-1]
    monkeypatch.undo()
    assert {name.partition(".")[2] for name in died_at} == {
        *("before_folder", "manifest_deleted"),
        *("before_order", "before_join", "before_purge", "before_gate"),
        *("before_vacuum", "before_log", "before_properties"),
    }
    assert site.rows() == before
    assert not any(file.dead_rows for table in TABLES for file in layout.live_files(site.lake, table, "beer"))


def test_ordered_files_share_no_key_and_nothing_is_rewritten_twice(spark, after, monkeypatch):
    site = after(MARCH)
    monkeypatch.setattr(layout, "FILE_BYTES", 3_000)
    small = {
        "spark.databricks.delta.optimize.maxFileSize": "3000",
        "spark.databricks.delta.optimize.minFileSize": "1500",
    }
    monkeypatch.setattr(maintenance, "CONFIGURATION", maintenance.CONFIGURATION | small)
    maintain(spark, site.lake, "beer", site.settings)
    files = layout.live_files(site.lake, "posts", "beer")
    assert len(files) > 1
    assert layout.loose_bytes(files) == 0
    assert sum(file.rows for file in files) == 199
    versions = {name: site.table(name).version() for name in TABLES}
    maintain(spark, site.lake, "beer", site.settings)
    assert {name: site.table(name).version() for name in TABLES} == versions


def test_the_command_plans_refuses_survives_a_kill_and_records_its_run(after):
    site = after(MARCH)
    before = site.rows()
    plan = call(site.home, "prune", "--site", "beer", "--plan")
    assert plan.returncode == 0, plan.stderr
    for word in ("bronze 2016-07-01", "2016-09: silver rests on newer dumps", "silver posts", "deleted rows"):
        assert word in plan.stdout
    assert site.lake.exists(paths.bronze_dump("posts", "2016-07-01", "beer"))
    assert not site.settings.dagster_home.exists()

    unknown = call(site.home, "prune", "--site", "beer", "wine")
    assert (unknown.returncode, "The lake holds nothing of wine. It has: ai, beer." in unknown.stderr) == (1, True)
    at_once = ("prune", "--site", "beer", "--retention-hours", "0")
    killed = call(site.home, *at_once, LAKEHOUSE_FAIL_AT="prune.manifest_deleted")
    assert killed.returncode == -signal.SIGKILL
    assert site.rows() == before

    done = call(site.home, *at_once)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "What went" in done.stdout
    assert "files and directories" not in done.stdout, "what Java prints goes to the log"
    assert site.rows() == before
    with DagsterInstance.from_config(str(site.settings.dagster_home)) as instance:
        runs = instance.get_runs()
    assert [(run.job_name, run.tags["dagster/partition"], run.is_success) for run in runs] == [
        ("maintenance", "beer", True),
        ("maintenance", "beer", False),
    ]
