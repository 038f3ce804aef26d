"""The embedded Postgres: shared, stopped by the last one, back after a kill, clear when it cannot start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg2
import pytest

from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import embedded, server
from so_lakehouse.warehouse.postgres_process import PostgresProcess, as_account
from so_lakehouse_tests.conftest import postgres_home

USE_IT = """
import sys
from pathlib import Path
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import server
server.connect(Settings(home=Path(sys.argv[1]))).close()
print("connected", flush=True)
sys.stdin.readline()
"""


class Elsewhere:
    """Another process of ours that uses the server until it is told to end."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", USE_IT, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "connected\n"

    def end(self) -> None:
        self.process.communicate("end\n", timeout=30)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)


@pytest.fixture
def home() -> Iterator[Path]:
    with postgres_home() as folder:
        yield folder


def server_process(home: Path) -> int:
    return int((home / "postgres" / "data" / "postmaster.pid").read_text().split("\n", 1)[0])


def is_running(home: Path) -> bool:
    return PostgresProcess((home / "postgres").resolve()).answers()


def test_a_query_needs_nothing_but_the_settings(home: Path) -> None:
    connection = server.connect(Settings(home=home))
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database(), current_setting('timezone'), current_setting('listen_addresses')")
        assert cursor.fetchone() == ("lakehouse", "UTC", "")
        cursor.execute("SELECT current_setting('max_locks_per_transaction')::int >= 1000")
        assert cursor.fetchone() == (True,)
    connection.close()


STARTS_WITHOUT_A_FORK = """
import ctypes, os, sys
from pathlib import Path
from so_lakehouse.warehouse import embedded

# In a child that fork() made of a process with threads, nothing of those threads is as it was; what libraries do about
# it there has ended the child before it became the program. (A callback of C that the tests of Python cannot see.)
forked = ctypes.CFUNCTYPE(None)(lambda: os.write(1, b"forked "))
assert ctypes.CDLL(None).__register_atfork(forked, None, None, None) == 0
embedded.ensure_running(Path(sys.argv[1]))
os.write(1, b"runs")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks the GNU C library, which only Linux has")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another account")
def test_a_process_with_threads_that_starts_the_server_is_not_forked(home: Path) -> None:
    command = [sys.executable, "-c", STARTS_WITHOUT_A_FORK, str(home / "postgres")]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.stdout, done.stderr) == (b"runs", b"")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another account")
def test_a_program_that_the_account_may_not_run_is_named(tmp_path: Path) -> None:
    done = subprocess.run(as_account([tmp_path / "initdb"]), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, f"error: {tmp_path / 'initdb'}: Permission denied\n")


def test_processes_share_one_server_and_the_last_one_stops_it(home: Path) -> None:
    first = Elsewhere(home)
    second = Elsewhere(home)
    first.end()
    assert is_running(home), "the first to leave must not stop it under the second"
    second.end()
    assert not is_running(home)


def test_a_killed_process_does_not_keep_the_server_for_ever(home: Path) -> None:
    killed = Elsewhere(home)
    killed.kill()
    assert is_running(home)
    Elsewhere(home).end()
    assert not is_running(home)


def test_somebody_elses_open_connection_keeps_the_server(home: Path) -> None:
    process = Elsewhere(home)
    notebook = psycopg2.connect(host=str(home / "postgres" / "run"), user="postgres", dbname="lakehouse")
    process.end()
    assert is_running(home)
    with pytest.raises(Unavailable, match="in use"):
        server.stop(Settings(home=home))
    notebook.close()
    for _ in range(50):  # a backend takes a moment to leave
        time.sleep(0.1)
        if not PostgresProcess((home / "postgres").resolve()).has_foreign_clients():
            break
    assert server.stop(Settings(home=home))
    assert not is_running(home)


def test_after_a_kill_of_the_server_the_next_connection_finds_what_was_committed(home: Path) -> None:
    settings = Settings(home=home)
    connection = server.connect(settings)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    connection.commit()
    killed = server_process(home)
    os.kill(killed, signal.SIGKILL)
    psutil.Process(killed).wait(30)
    connection.close()

    again = server.connect(settings)
    with again.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM kept")
        assert cursor.fetchone() == (1000,)
    again.close()
    assert server_process(home) != killed


def test_a_stale_process_id_that_now_belongs_to_another_program_does_not_block_the_start(home: Path) -> None:
    settings = Settings(home=home)
    server.connect(settings).close()
    pid_file = home / "postgres" / "data" / "postmaster.pid"
    stale = pid_file.read_text()
    killed = server_process(home)
    os.kill(killed, signal.SIGKILL)
    psutil.Process(killed).wait(30)
    pid_file.write_text(stale.replace(str(killed), str(os.getpid()), 1))

    server.connect(settings).close()
    assert is_running(home)


def test_a_half_made_data_folder_is_made_again(home: Path) -> None:
    unfinished = home / "postgres" / "data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    server.connect(Settings(home=home)).close()
    assert not unfinished.exists()


def test_a_home_with_a_path_too_long_for_a_socket_works(home: Path) -> None:
    deep = home / ("a folder with a long name " * 4) / "x" / ("and another " * 8)
    deep.mkdir(parents=True)
    settings = Settings(home=deep)
    connection = server.connect(settings)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('unix_socket_directories')")
        (folder,) = cursor.fetchone() or ("",)
    connection.close()
    assert len(f"{folder}/.s.PGSQL.5432") < 107
    assert Path(folder).stat().st_mode & 0o077 == 0, "nobody else may reach the socket"
    server.stop(settings)


def test_data_of_another_version_are_refused_with_the_way_out(home: Path) -> None:
    data = home / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("17\n")
    with pytest.raises(Unavailable, match=r"made by PostgreSQL 17.*made again from silver"):
        server.connect(Settings(home=home))


def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    server.connect(Settings(home=home)).close()
    server.stop(Settings(home=home))
    with (home / "postgres" / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write("no_such_parameter = on\n")
    with pytest.raises(Unavailable, match=r"cannot start.*(\n.*)*no_such_parameter"):
        server.connect(Settings(home=home))


def test_a_home_that_cannot_be_made_is_named(home: Path) -> None:
    (home / "file").write_text("not a folder")
    with pytest.raises(Unavailable, match=r"Cannot use .*file/postgres.*LAKEHOUSE_HOME"):
        server.connect(Settings(home=home / "file"))


def test_an_external_server_that_is_gone_is_named_without_its_password() -> None:
    settings = Settings(postgres="postgresql://reader:secret@127.0.0.1:1/warehouse")
    with pytest.raises(Unavailable, match=r"does not answer at .*127\.0\.0\.1.*LAKEHOUSE_POSTGRES") as refused:
        server.connect(settings)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "mysql://admin:s3cret@somewhere/db",
        "host=127.0.0.1 password=s3cret",
        "postgresql://admin:s3cret@[::1/x",
        "postgresql:/admin:s3cret@db.example/warehouse",
        "postgresql://admin:s3cret/more@db.example/warehouse",
        "postgresql://admin:12/s3cret@db.example/warehouse",
        "postgresql://admin:%zzs3cret@db.example/warehouse",
    ],
)
def test_an_address_that_is_none_is_refused_before_anything_starts_and_shows_no_password(address: str) -> None:
    with pytest.raises(BadInput, match="LAKEHOUSE_POSTGRES") as refused:
        server.uri(Settings(postgres=address))
    assert "s3cret" not in "".join(traceback.format_exception(refused.value))
    assert refused.value.__context__ is None, "Dagster keeps the whole chain of an error"


def test_options_of_the_address_stay_and_sessions_are_in_utc(warehouse: Settings) -> None:
    options = quote("-c statement_timeout=77s -c timezone=Asia/Tokyo", safe="")
    before, _, query = warehouse.postgres.partition("?")
    others = "&".join(part for part in query.split("&") if not part.startswith("options="))
    connection = server.connect(replace(warehouse, postgres=f"{before}?options={options}&{others}"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout'), current_setting('timezone')")
        assert cursor.fetchone() == ("77s", "UTC")
    connection.close()


def test_dbt_gets_the_parts_of_the_address_and_its_protection(home: Path) -> None:
    asked = "sslmode=verify-full&sslrootcert=/etc/ca.pem&options=-c%20statement_timeout%3D77s"
    settings = Settings(postgres=f"postgresql://dbt:s%40fe@db.example:5433/warehouse?{asked}")
    assert server.dbt_environment(settings) == {
        "SO_LAKEHOUSE_PG_HOST": "db.example",
        "SO_LAKEHOUSE_PG_PORT": "5433",
        "SO_LAKEHOUSE_PG_USER": "dbt",
        "SO_LAKEHOUSE_PG_PASSWORD": "s@fe",
        "SO_LAKEHOUSE_PG_DBNAME": "warehouse",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/etc/ca.pem",
        "PGOPTIONS": "-c statement_timeout=77s -c timezone=UTC",
    }
    assert server.dbt_environment(Settings(home=home))["SO_LAKEHOUSE_PG_HOST"] == str(home / "postgres" / "run")


def test_a_read_only_connection_sees_one_moment_and_writes_nothing(warehouse: Settings) -> None:
    writer, reader = server.connect(warehouse), server.connect(warehouse, read_only=True)
    with writer, writer.cursor() as cursor:
        cursor.execute("CREATE TABLE counted AS SELECT 1 AS n")
    with reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM counted")
        assert cursor.fetchone() == (1,)
        with writer, writer.cursor() as other:
            other.execute("INSERT INTO counted VALUES (2)")
        cursor.execute("SELECT count(*) FROM counted")
        assert cursor.fetchone() == (1,)
        with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
            cursor.execute("INSERT INTO counted VALUES (3)")
    writer.close()
    reader.close()


def test_stopping_what_never_ran_does_nothing(home: Path) -> None:
    assert not embedded.stop(home / "postgres")
    assert not (home / "postgres").exists()
