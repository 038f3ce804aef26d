"""Maintenance changes no row, and what was deleted goes: not before the retention is over, and then all of it.

Who reads silver afterwards finds what it needs: converges the ledger, the warehouse a version or a reason to reload.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyspark.sql import SparkSession

from so_lakehouse import failpoints
from so_lakehouse.instance import open_instance
from so_lakehouse.lake import gates, layout, ledger, paths
from so_lakehouse.settings import Settings
from so_lakehouse.spark import maintenance
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.maintenance import maintain
from so_lakehouse.warehouse.load import load_site
from so_lakehouse_tests.pipeline import three_quarters
from so_lakehouse_tests.pipeline.command_line import call
from so_lakehouse_tests.pipeline.three_quarters import (
    DECEMBER,
    EXPIRED,
    MARCH,
    NAME,
    NEEDLES,
    PERSON,
    PURGED,
    REFUSED,
    SEPTEMBER,
    TABLES,
    Site,
    dump,
    rows_of,
)
from so_lakehouse_tests.pipeline.warehouse_catalogue import compare_site


@pytest.fixture(scope="module")
def history(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A lakehouse in the states of `three_quarters.history`."""
    return three_quarters.history(spark, tmp_path_factory.mktemp("history"))


@pytest.fixture
def after(history: dict[str, Path], tmp_path: Path) -> Callable[[str], Site]:
    """A copy of the lakehouse in that state."""
    return lambda state: Site(Path(shutil.copytree(history[state], tmp_path / state)))


class Crash(BaseException):
    """Ends a run at a fail point, as a kill would, without a new process for each."""


def test_no_row_changes(after):
    assert after(MARCH).rows() == after(PURGED).rows() == after(EXPIRED).rows()


def test_within_the_retention_a_deleted_row_is_read_from_the_version_that_held_it(spark, after):
    site = after(PURGED)
    rows = rows_of(site.table("users", version=2), f'SELECT "DisplayName" FROM old WHERE "Id" = {PERSON}')
    assert rows == [{"DisplayName": NAME}]
    users = f"delta.`{site.lake.uri(paths.silver('users'))}`"
    by_spark = spark.sql(f"SELECT DisplayName FROM {users} VERSION AS OF 2 WHERE Id = {PERSON}").toArrow().to_pylist()
    assert by_spark == rows
    assert spark.sql(f"SELECT Id FROM {users} WHERE Id = {PERSON}").toArrow().to_pylist() == []
    found = site.traces()
    for needle in NEEDLES:
        assert any(trace.startswith(str(needle)) for trace in found), f"{needle} is not there to be found"


def test_after_the_retention_a_deleted_person_is_in_no_byte_of_the_lake(after):
    site = after(EXPIRED)
    assert site.traces() == []
    with pytest.raises((DeltaError, TableNotFoundError)):
        site.table("users", version=2)


def test_what_pages_told_and_what_was_refused_goes_from_bronze_with_its_dump(after):
    """No retention keeps it: nothing of it is in a version of silver but what pages told."""
    found = after(MARCH).traces(REFUSED)
    assert {trace.partition(" in ")[0] for trace in found} == set(REFUSED)
    assert all(trace.partition(" in ")[2].startswith("bronze/") or "quarantine" in trace for trace in found), found
    site = after(PURGED)
    assert site.traces(REFUSED) == []
    assert [trace for trace in site.traces() if " in silver/" not in trace] == []


def test_what_the_default_retention_still_keeps_stays(spark, after):
    site = after(PURGED)
    assert site.settings.retention_hours < 40 * 24, "or the lakehouse that had aged (EXPIRED) proves nothing"
    site.let_age(days=site.settings.retention_hours // 24 - 1)
    before = site.traces()
    maintain(spark, site.lake, "beer", site.settings)
    assert site.traces() == before != []
    rows = rows_of(site.table("users", version=2), f'SELECT "DisplayName" FROM old WHERE "Id" = {PERSON}')
    assert rows == [{"DisplayName": NAME}]


def test_the_log_of_a_table_that_nobody_writes_to_expires_too_and_its_properties_stay(after):
    site = after(EXPIRED)
    log = [Path(path).name for path in site.lake.list(f"{paths.silver('tombstones')}/_delta_log")]
    assert len([name for name in log if name.endswith(".checkpoint.parquet")]) == 1
    before = after(MARCH).table("tombstones").metadata().configuration
    assert site.table("tombstones").metadata().configuration == before


def test_killed_at_each_of_its_writes_and_run_again_it_ends_in_the_same_rows(spark, after, monkeypatch):
    site = after(MARCH)
    site.let_age(days=40)
    old = {name: site.table(name).version() for name in TABLES}
    for name in TABLES:  # as of tables that much is written to
        site.table(name).create_checkpoint()
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
    for name, version in old.items():
        there = [Path(path).name for path in site.lake.list(f"{paths.silver(name)}/_delta_log")]
        kept = [file for file in there if file.endswith(".json") and int(file[:20]) <= version]
        assert kept == [], f"commits of {name} that are older than the retention"


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


def test_the_command_plans_survives_a_kill_and_records_its_run(after, monkeypatch):
    site = after(MARCH)
    before = site.rows()
    plan = call(site.home, "prune", "--site", "beer", "--plan")
    assert plan.returncode == 0, plan.stderr
    for word in ("bronze 2016-07-01", "2016-09: silver rests on newer dumps", "silver posts", "deleted rows"):
        assert word in plan.stdout
    assert site.lake.exists(paths.bronze_dump("posts", "2016-07-01", "beer"))
    assert not site.settings.dagster_home.exists()

    at_once = ("prune", "--site", "beer", "--retention-hours", "0")
    killed = call(site.home, *at_once, LAKEHOUSE_FAIL_AT="prune.manifest_deleted")
    assert killed.returncode == -signal.SIGKILL
    assert site.rows() == before

    done = call(site.home, *at_once)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "What went" in done.stdout
    assert "files and directories" not in done.stdout, "what Java prints goes to the log"
    assert site.rows() == before
    monkeypatch.setenv("DAGSTER_HOME", "")  # and so restored afterwards
    with open_instance(site.settings) as instance:
        runs = instance.get_runs()
    assert [(run.job_name, run.tags["dagster/partition"], run.is_success) for run in runs] == [
        ("maintenance", "beer", True),
        ("maintenance", "beer", False),
    ]


def test_a_converge_after_maintenance_knows_what_was_applied(spark, after):
    site = after(EXPIRED)
    again = converge(spark, site.lake, "beer", TABLES, site.settings)
    assert [row for result in again.values() for row in result.applied] == []
    assert all(check.passed for result in again.values() for check in result.checks if check.blocking)


def test_what_a_crash_left_out_of_the_ledger_is_recorded_before_its_commit_expires(spark, after):
    site = after(SEPTEMBER)
    dump(site.lake, DECEMBER)
    crash_before_the_ledger(spark, site, ["users"])
    applied = inputs(site)["users"]
    assert applied == ["2016-07-01", "2016-10-01"]
    site.let_age(days=40)
    maintain(spark, site.lake, "beer", site.settings)
    assert inputs(site)["users"] == applied


def test_a_converge_records_what_a_crash_left_out_before_its_own_commit_lets_the_log_expire(spark, after):
    site = after(SEPTEMBER)
    dump(site.lake, DECEMBER)
    crash_before_the_ledger(spark, site, ["users"])
    users = f"delta.`{site.lake.uri(paths.silver('users'))}`"
    spark.sql(f"ALTER TABLE {users} SET TBLPROPERTIES ('delta.checkpointInterval' = '1')")
    site.let_age(days=40)
    dump(site.lake, MARCH)
    result = converge(spark, site.lake, "beer", ["users"], site.settings)["users"]
    assert inputs(site)["users"] == ["2016-07-01", "2016-10-01", "2017-01-01"]
    assert all(check.passed for check in result.checks if check.blocking)


def inputs(site: Site) -> dict[str, list[str]]:
    """The quarters that the ledger says were applied, by table."""
    known = ledger.load(site.lake, "beer", TABLES)
    return {table: [row.partition for row in known.of(table)] for table in TABLES}


def crash_before_the_ledger(spark, site: Site, tables: Sequence[str]) -> None:
    """A converge that ends when the tables are written and the ledger is not."""

    def reach(name: str) -> None:
        if name == "silver.before_ledger":
            raise Crash(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failpoints, "reach", reach)
        with pytest.raises(Crash):
            converge(spark, site.lake, "beer", tables, site.settings)


def test_readers_are_sent_to_versions_that_are_still_there(after):
    """Also those of other sites, whose own last change is long past."""
    site = after(EXPIRED)
    for key, rows in (("ai", 1), ("beer", 39)):
        version = gates.load(site.lake, key)["users"].version
        found = rows_of(site.table("users", version), f"SELECT * FROM old WHERE site = '{key}'")
        assert len(found) == rows


def load(site: Site, warehouse: Settings) -> dict[str, str]:
    """Loads beer; the warehouse then equals silver. Returns how each table was loaded."""
    done = load_site(site.lake, warehouse, "beer")
    assert [found.detail for found in compare_site(site.lake, warehouse, "beer").values() if not found.passed] == []
    return {name: table.how for name, table in done.items() if table.how != "absent"}


def test_a_warehouse_that_was_away_for_longer_than_the_retention_is_reloaded(after, warehouse):
    assert set(load(after(SEPTEMBER), warehouse).values()) == {"first"}
    assert set(load(after(EXPIRED), warehouse).values()) == {"reload"}


def test_a_warehouse_whose_feed_is_vacuumed_but_not_its_log_is_reloaded(spark, after, warehouse):
    load(after(SEPTEMBER), warehouse)
    site = after(PURGED)
    maintain(spark, site.lake, "beer", site.settings, retention_hours=0)
    assert set(load(site, warehouse).values()) == {"reload"}


def test_a_warehouse_that_is_current_stays_so(after, warehouse):
    load(after(MARCH), warehouse)
    assert set(load(after(EXPIRED), warehouse).values()) == {"unchanged"}
