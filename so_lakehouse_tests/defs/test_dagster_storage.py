"""What Dagster records in files that stay open: nothing is lost, and Dagster's own storage reads and writes it too."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import dagster as dg
import pytest
import yaml

from so_lakehouse import dagster_storage
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.instance import open_instance
from so_lakehouse.instance import recording as recorded
from so_lakehouse.settings import Settings


@dg.asset(check_specs=[dg.AssetCheckSpec("checked", asset="made")])
def made() -> dg.MaterializeResult:
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True, check_name="checked")])


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[dg.DagsterInstance]]:
    monkeypatch.setenv("DAGSTER_HOME", "")  # and so restored afterwards
    return lambda: open_instance(Settings(home=tmp_path))


@pytest.fixture
def dagsters(tmp_path: Path) -> Callable[[], AbstractContextManager[dg.DagsterInstance]]:
    """An instance as Dagster has it where nothing is configured, in the same folder."""

    @contextlib.contextmanager
    def opened() -> Iterator[dg.DagsterInstance]:
        configuration = Settings(home=tmp_path).dagster_home / "dagster.yaml"
        before = configuration.read_text()
        configuration.write_text(yaml.safe_dump({"telemetry": {"enabled": False}}))
        with dg.DagsterInstance.from_config(str(configuration.parent)) as instance:
            yield instance
        configuration.write_text(before)

    return opened


def materialised(instance: dg.DagsterInstance) -> str:
    done = dg.materialize([made], instance=instance)
    assert done.success
    return done.run_id


def told(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    return [entry.dagster_event_type.value for entry in instance.all_logs(run_id) if entry.dagster_event_type]


def test_dagsters_own_storage_reads_what_ours_wrote_and_ours_goes_on_after_it(ours, dagsters):
    with ours() as instance:
        assert isinstance(instance.event_log_storage, dagster_storage.OpenEventLog)
        first = materialised(instance)
        events = told(instance, first)
        assert events[-1] == "PIPELINE_SUCCESS"
    with dagsters() as instance:
        assert not isinstance(instance.event_log_storage, dagster_storage.OpenEventLog)
        assert told(instance, first) == events
        second = materialised(instance)
    with ours() as instance:
        assert told(instance, second) == events
        found = instance.fetch_materializations(made.key, limit=9).records
        assert [record.run_id for record in found] == [second, first]
        [check] = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(made.check_keys)).values()
        assert check.run_id == second


def test_an_instance_beside_it_sees_each_event_once_it_is_there(ours):
    with ours() as one, ours() as other:
        run_id = materialised(one)
        assert told(other, run_id) == told(one, run_id)
        assert other.get_latest_materialization_event(made.key).run_id == run_id


def test_more_runs_than_stay_open_keep_all_their_events(ours, monkeypatch):
    monkeypatch.setattr(dagster_storage, "MOST_OPEN", 2)
    with ours() as instance:
        runs = [materialised(instance) for _ in range(4)]
        assert {tuple(told(instance, run_id)) for run_id in runs} == {tuple(told(instance, runs[0]))}
        assert len(instance.fetch_materializations(made.key, limit=9).records) == 4


def test_threads_and_processes_that_record_at_the_same_time_lose_no_event(ours, tmp_path, monkeypatch):
    """In one run and in the index, which leave each other no place to stay open."""
    monkeypatch.setattr(dagster_storage, "MOST_OPEN", 1)
    with ours() as instance:
        run_id = materialised(instance)
        before = len(told(instance, run_id))

        def record() -> None:
            for number in range(20):
                instance.report_engine_event(str(number), run_id=run_id, job_name="job")
                instance.report_runless_asset_event(dg.AssetMaterialization(made.key))

        with recording(tmp_path, run_id) as other:
            threads = [threading.Thread(target=record) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            assert other.stdout.readline() == "recorded\n"
            other.kill()
        assert len(told(instance, run_id)) == before + 60 + 50
        assert len(instance.fetch_materializations(made.key, limit=999).records) == 1 + 60 + 50


OPENS = "import sys; from pathlib import Path; from so_lakehouse.instance import open_instance; \
from so_lakehouse.settings import Settings; open_instance(Settings(home=Path(sys.argv[1])))"


def test_processes_that_open_a_new_home_at_once_leave_files_of_one_version(ours, tmp_path):
    """Two versions are what Dagster made of it: nothing could open the home again."""
    command = [sys.executable, "-c", OPENS, str(tmp_path)]
    started = [subprocess.Popen(command, env=os.environ | {"DAGSTER_HOME": ""}) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0, 0, 0, 0]
    for file in Settings(home=tmp_path).dagster_home.rglob("*.db"):
        with contextlib.closing(sqlite3.connect(file)) as connection:
            assert connection.execute("select count(*) from alembic_version").fetchone() == (1,), file
    with ours() as instance:
        materialised(instance)


RECORDS_ON_A_FULL_DISK = """
import sys
from pathlib import Path
from so_lakehouse.errors import Unavailable
from so_lakehouse.instance import recording
from so_lakehouse.settings import Settings

try:
    with recording(Settings(home=Path(sys.argv[1]))):
        print("open")
except Unavailable as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("room", [0, 20_000, 100_000], ids=lambda room: f"{room} bytes")
def test_a_disk_that_has_no_room_for_the_record_is_said_in_words(tmp_path, room):
    done = subprocess.run(
        [sys.executable, "-c", RECORDS_ON_A_FULL_DISK, str(tmp_path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
        env=os.environ | {"DAGSTER_HOME": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("Dagster cannot keep its record of runs (")


def test_a_server_of_dagsters_that_is_away_is_said_in_words(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "")
    settings = Settings(home=tmp_path)
    settings.dagster_home.mkdir()
    nobody = {"postgres_db": dict.fromkeys(("hostname", "username", "password", "db_name"), "127.0.0.1") | {"port": 1}}
    (settings.dagster_home / "dagster.yaml").write_text(yaml.safe_dump({"storage": {"postgres": nobody}}))
    with pytest.raises(Unavailable, match=r"cannot keep its record of runs \(.*Connection refused"), recorded(settings):
        pass


RECORDS_AND_WAITS = """
import sys, time
from pathlib import Path
from dagster import AssetMaterialization
from so_lakehouse.instance import open_instance
from so_lakehouse.settings import Settings

instance = open_instance(Settings(home=Path(sys.argv[1])))
for number in range(50):
    instance.report_engine_event(str(number), run_id=sys.argv[2], job_name="job")
    instance.report_runless_asset_event(AssetMaterialization("made"))
print("recorded", flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def recording(home: Path, run_id: str) -> Iterator[subprocess.Popen[str]]:
    """A process that records fifty events of a run, and of an asset, says so, and waits to be killed."""
    command = [sys.executable, "-c", RECORDS_AND_WAITS, str(home), run_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"DAGSTER_HOME": ""}) as started:
        yield started


def test_a_process_that_is_killed_loses_no_event_that_it_has_recorded(ours, tmp_path):
    with ours() as instance:
        run_id = materialised(instance)
        before = len(told(instance, run_id))
    with recording(tmp_path, run_id) as killed:
        assert killed.stdout.readline() == "recorded\n"
        killed.send_signal(signal.SIGKILL)
    with ours() as instance:
        assert len(told(instance, run_id)) == before + 50


def test_whoever_watches_a_run_is_told_while_its_file_is_open(ours):
    """As the web page does; events are in the log beside the file then."""
    with ours() as writer, ours() as page:
        run_id = materialised(writer)
        seen, last = [], threading.Event()

        def look(entry: dg.EventLogEntry, cursor: str) -> None:
            seen.append(entry)
            if entry.message == "the last":
                last.set()

        page.watch_event_logs(run_id, None, look)
        writer.report_engine_event("the last", run_id=run_id, job_name="job")
        assert last.wait(5)
        page.end_watch_event_logs(run_id, look)
        assert len(seen) >= len(told(page, run_id))


def test_files_that_another_process_removes_are_not_written_to_any_more(ours):
    with ours() as instance, ours() as other:
        gone = materialised(instance)
        assert told(other, gone)
        other.wipe()
        assert told(instance, gone) == []
        again = materialised(instance)
        assert told(other, again)[-1] == "PIPELINE_SUCCESS"


def test_an_upgrade_of_dagsters_files_goes_through(ours):
    with ours() as instance:
        run_id = materialised(instance)
        events = told(instance, run_id)
        instance.upgrade()
        assert told(instance, run_id) == events


def test_without_a_folder_nothing_is_made_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="Set DAGSTER_HOME"):
        dagster_storage.LocalStorage("")
    assert list(tmp_path.iterdir()) == []
