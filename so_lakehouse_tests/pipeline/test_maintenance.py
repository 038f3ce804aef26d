"""Maintenance changes no row, and what was deleted goes: not before the retention is over, and then all of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from dagster import DagsterInstance
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError, TableNotFoundError

from so_lakehouse import failpoints
from so_lakehouse.lake import gates, layout, ledger, paths
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.spark import maintenance
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.maintenance import maintain
from so_lakehouse.warehouse.load import load_site
from so_lakehouse.warehouse.verify import compare_site
from so_lakehouse_tests.pipeline.evidence import write_dump
from so_lakehouse_tests.pipeline.lake_traces import traces

SEPTEMBER, DECEMBER, MARCH = "2016-09-11", "2016-12-11", "2017-03-13"
TABLES = ("posts", "users", "comments")

# The person who is deleted after September: the highest key, so that Delta's statistics tell it too.
PERSON = 987_654_321
NAME, ABOUT, TITLE, TEXT = "Wilhelmine Übelhör", "Brews in Quedlinburg", "Gruit without gale", "My grandmother's gruit"
NEEDLES: list[str | int] = [PERSON, NAME, ABOUT, TITLE, TEXT]


@dataclass(frozen=True)
class Site:
    """A copy of a lakehouse that holds beer; names and texts about people are kept in silver."""

    home: Path

    @property
    def settings(self) -> Settings:
        return Settings(home=self.home, keep_personal=True)

    @property
    def lake(self) -> Lake:
        return Lake(self.settings.lake_uri)

    def rows(self) -> dict[str, list]:
        """Every row of silver that is not about Delta's own versions."""
        return {
            table: query_lake(self.lake, f"select * from silver.{table} order by 1, 2, 3, 4").to_pylist()
            for table in (*TABLES, "tombstones", "ledger")
        }

    def table(self, name: str, version: int | None = None) -> DeltaTable:
        return DeltaTable(self.lake.uri(paths.silver(name)), version=version)

    def let_log_age(self, days: int) -> None:
        """As if everything in Delta's logs had been written that much earlier."""
        moment = time.time() - days * 86_400
        for file in Path(self.lake.path("silver")).glob("*/_delta_log/*"):
            os.utime(file, (moment, moment))

    def traces(self) -> list[str]:
        return traces(Path(self.lake.root), NEEDLES)


def dump(lake: Lake, cut: str) -> None:
    """200 posts; the person is in September's dump only, and so is what the person wrote."""
    month = int(cut[5:7])
    posts = [{"Id": key, "Score": month if key < 120 else 0, "OwnerUserId": 1} for key in range(1, 200)]
    users = [{"Id": key, "DisplayName": f"user {key}", "Views": month} for key in range(1, 40)]
    comments = [{"Id": key, "Text": f"comment {key}"} for key in range(1, 40)]
    if cut == SEPTEMBER:
        posts.append({"Id": 200, "OwnerUserId": PERSON, "Title": TITLE})
        users.append({"Id": PERSON, "DisplayName": NAME, "AboutMe": ABOUT})
        comments.append({"Id": 40, "UserId": PERSON, "Text": TEXT})
    write_dump(lake, cut, {"posts": posts, "users": users, "comments": comments})


PURGED, EXPIRED = "purged", "expired"


@pytest.fixture(scope="module")
def history(spark, tmp_path_factory) -> dict[str, Path]:
    """The lakehouse after each of three quarters, then after maintenance, then after maintenance when the retention is
    over; tests work on copies. Another site came along with the first quarter and nothing happened to it since."""
    site = Site(tmp_path_factory.mktemp("history") / "now")
    after = {}

    def keep(state: str) -> None:
        after[state] = Path(shutil.copytree(site.home, site.home.with_name(state)))

    write_dump(site.lake, SEPTEMBER, {"users": [{"Id": 5}]}, site="ai")
    converge(spark, site.lake, "ai", ["users"], site.settings)
    for cut in (SEPTEMBER, DECEMBER, MARCH):
        dump(site.lake, cut)
        converge(spark, site.lake, "beer", TABLES, site.settings)
        keep(cut)
    maintain(spark, site.lake, "beer", site.settings)
    keep(PURGED)
    site.let_log_age(days=40)
    maintain(spark, site.lake, "beer", site.settings, retention_hours=0)
    keep(EXPIRED)
    return after


@pytest.fixture
def after(history, tmp_path):
    """A copy of the lakehouse in that state."""
    return lambda state: Site(Path(shutil.copytree(history[state], tmp_path / state)))


def rows_of(delta: DeltaTable, sql: str) -> list[dict]:
    """Rows of one version of a table, which the query calls `old`."""
    found = QueryBuilder().register("old", delta).execute(sql)
    return pa.RecordBatchReader.from_stream(found).read_all().to_pylist()


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
    site.let_log_age(days=40)
    maintain(spark, site.lake, "beer", site.settings)
    assert inputs(site)["users"] == applied


def test_a_converge_records_what_a_crash_left_out_before_its_own_commit_lets_the_log_expire(spark, after):
    site = after(SEPTEMBER)
    dump(site.lake, DECEMBER)
    crash_before_the_ledger(spark, site, ["users"])
    users = f"delta.`{site.lake.uri(paths.silver('users'))}`"
    spark.sql(f"ALTER TABLE {users} SET TBLPROPERTIES ('delta.checkpointInterval' = '1')")
    site.let_log_age(days=40)
    dump(site.lake, MARCH)
    result = converge(spark, site.lake, "beer", ["users"], site.settings)["users"]
    assert inputs(site)["users"] == ["2016-07-01", "2016-10-01", "2017-01-01"]
    assert all(check.passed for check in result.checks if check.blocking)


def inputs(site: Site) -> dict[str, list[str]]:
    """The quarters that the ledger says were applied, by table."""
    known = ledger.load(site.lake, "beer", TABLES)
    return {table: [row.partition for row in known.of(table)] for table in TABLES}


class Crash(BaseException):
    """Ends a run at a fail point, as a kill would, without a new process for each."""


def crash_before_the_ledger(spark, site: Site, tables: Sequence[str]) -> None:
    """A converge that ends when the tables are written and the ledger is not."""

    def reach(name: str) -> None:
        if name == "silver.before_ledger":
            raise Crash(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failpoints, "reach", reach)
        with pytest.raises(Crash):
            converge(spark, site.lake, "beer", tables, site.settings)


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


COMMAND = Path(sys.executable).with_name("so-lakehouse")


def prune(site: Site, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "JAVA_HOME", "TMPDIR") if name in os.environ}
    given = {"LAKEHOUSE_HOME": str(site.home), "LAKEHOUSE_KEEP_PERSONAL": "true", "COLUMNS": "200"} | environment
    return subprocess.run(
        [COMMAND, "prune", "--site", *words], env=kept | given, capture_output=True, text=True, check=False
    )


def test_the_command_plans_refuses_survives_a_kill_and_records_its_run(after):
    site = after(MARCH)
    before = site.rows()
    plan = prune(site, "beer", "--plan")
    assert plan.returncode == 0, plan.stderr
    for word in ("bronze 2016-07-01", "2016-09: silver rests on newer dumps", "silver posts", "deleted rows"):
        assert word in plan.stdout
    assert site.lake.exists(paths.bronze_dump("posts", "2016-07-01", "beer"))
    assert not site.settings.dagster_home.exists()

    unknown = prune(site, "beer", "wine")
    assert (unknown.returncode, "The lake holds nothing of wine. It has: ai, beer." in unknown.stderr) == (1, True)
    killed = prune(site, "beer", "--retention-hours", "0", LAKEHOUSE_FAIL_AT="maintenance.before_vacuum")
    assert killed.returncode == -signal.SIGKILL
    assert site.rows() == before

    done = prune(site, "beer", "--retention-hours", "0")
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
