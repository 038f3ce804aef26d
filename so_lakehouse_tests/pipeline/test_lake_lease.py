"""The write locks of a lake in an object store: two processes, a real Postgres, and what can go wrong with either."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from so_lakehouse.lake import lease
from so_lakehouse.lake.lease import Lease
from so_lakehouse.lake.writer_rows import WriterRows
from so_lakehouse.progress import silent
from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.warehouse import roles, server
from so_lakehouse.warehouse.postgres_process import SUPERUSER, PostgresProcess
from so_lakehouse_tests.conftest import postgres_home

TAKE_OVER_SECONDS = 6.0  # of the processes


class Writer:
    """One of the processes, and what it says."""

    def __init__(self, address: str) -> None:
        command = [sys.executable, "-m", "so_lakehouse_tests.pipeline.lease_process", address]
        self.process = subprocess.Popen(
            command,
            cwd=PROJECT_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._said: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._said.put(json.loads(line))

    def tell(self, word: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def hear(self, what: str, seconds: float = 60) -> dict[str, Any]:
        """The next message of this kind."""
        until = time.monotonic() + seconds
        while True:
            message = self._said.get(timeout=max(0.01, until - time.monotonic()))
            if message["what"] == what:
                return message

    def says(self, what: str, seconds: float) -> bool:
        try:
            self.hear(what, seconds)
        except queue.Empty:
            return False
        return True

    def close(self) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with postgres_home() as folder:
        yield folder


@pytest.fixture
def address(home) -> str:
    """A Postgres that this test may stop; nobody but the test starts it again."""
    address = server.uri(Settings(home=home))
    ask(address, "DROP SCHEMA IF EXISTS lake, lake_partition, marts, marts_build CASCADE")
    return address


@pytest.fixture
def loader(address) -> str:
    """The same database with a role for each part, as the loader reaches it."""
    for role in (roles.LOADER, roles.DBT, roles.READER, roles.DASHBOARD):
        if not ask(address, f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'"):
            ask(address, f"CREATE ROLE {role} LOGIN")
    with closing(server.connect(Settings(postgres=address))) as connection:
        roles.arrange(connection)
    return address.replace(f"//{SUPERUSER}@", f"//{roles.LOADER}@", 1)


@pytest.fixture
def postgres_process(home, address) -> Iterator[PostgresProcess]:
    process = PostgresProcess(Settings(home=home).postgres_folder.resolve())
    yield process
    if not process.answers():
        process.start()


@pytest.fixture
def writer(address) -> Iterator[Callable[..., Writer]]:
    begun: list[Writer] = []

    def begin(at: str = address) -> Writer:
        begun.append(Writer(at))
        return begun[-1]

    yield begin
    for one in begun:
        one.close()


def ask(address: str, statement: str) -> list[tuple[Any, ...]]:
    with closing(server.connect(Settings(postgres=address))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


def move_to_another_machine(address: str) -> None:
    """As if the holder ran where nobody here can see whether it lives."""
    ask(address, """UPDATE lake.writer SET told = told || '{"machine": "another", "host": "elsewhere"}'""")


def test_the_second_waits_and_says_for_whom(writer, address):
    holder = writer()
    holder.hear("held")
    waiter = writer()
    why = waiter.hear("waiting")["why"]
    assert why.startswith("waiting to write silver.")
    assert f"converge beer (process {holder.process.pid} on " in why
    holder.tell("commit")
    holder.hear("may commit")
    assert not waiter.says("held", 1)
    holder.tell("end")
    given_back = holder.hear("given back")["at"]
    assert waiter.hear("held")["at"] - given_back < 2
    waiter.tell("fail")
    assert waiter.hear("ended")["error"] == "RuntimeError: the write came back with an error"
    assert ask(address, "SELECT count(*) FROM lake.writer") == [(0,)], "an error gives the locks back too"


def test_who_was_killed_on_this_machine_is_followed_at_once(writer):
    first = writer()
    first.hear("held")
    second = writer()
    second.hear("waiting")
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    killed = time.monotonic()
    assert second.hear("held")["at"] - killed < TAKE_OVER_SECONDS - 1


def test_who_lives_elsewhere_is_waited_for_and_who_died_there_is_followed_in_time(writer, address):
    first = writer()
    first.hear("held")
    move_to_another_machine(address)
    second = writer()
    second.hear("waiting")
    assert not second.says("held", TAKE_OVER_SECONDS + 2), "it still renews its locks"
    os.kill(first.process.pid, signal.SIGKILL)
    killed = time.monotonic()
    assert second.hear("held")["at"] - killed > TAKE_OVER_SECONDS - 1, "nobody here can know that it is gone"


def test_a_holder_that_was_taken_over_may_not_commit(writer, address):
    first = writer()
    first.hear("held")
    move_to_another_machine(address)
    os.kill(first.process.pid, signal.SIGSTOP)
    second = writer()
    second.hear("held")
    os.kill(first.process.pid, signal.SIGCONT)
    first.hear("cancelled")
    first.tell("commit")
    assert "another run took over silver.ledger, silver.posts" in first.hear("ended")["error"]
    second.tell("commit")
    second.hear("may commit")


def test_a_holder_that_was_taken_over_after_its_last_commit_does_not_end_in_success(writer, address):
    first = writer()
    first.hear("held")
    first.tell("commit")
    first.hear("may commit")
    ask(address, "UPDATE lake.writer SET holder = 'another'")
    first.hear("cancelled")
    first.tell("end")
    assert "another run took over silver.ledger, silver.posts" in first.hear("ended")["error"]


def test_an_interrupted_holder_cancels_what_it_has_running(writer):
    first = writer()
    first.hear("held")
    os.kill(first.process.pid, signal.SIGINT)
    first.hear("cancelled")
    assert first.process.wait(30) != 0


def test_a_renewal_after_the_locks_were_given_back_takes_nobody_for_a_rival(address, monkeypatch):
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.05)
    cancelled = threading.Event()

    class Work:
        cancel = kill = cancelled.set

    held = Lease("bucket/lake", "converge beer", Settings(postgres=address), Work())
    held.take("silver.posts", silent)
    held.is_working = True
    held.give_back()
    assert not cancelled.wait(0.5)
    held.end()
    assert held.lost == ""


def test_the_loader_takes_locks_though_it_may_make_no_schema(address, loader):
    def take() -> str:
        rows = WriterRows(Settings(postgres=loader), "bucket/lake", "me")
        try:
            return rows.take("silver.posts", "{}").holder
        finally:
            rows.close()

    assert take() == "me"
    later = "ALTER TABLE lake.load_status DROP COLUMN counters_complete_to; "
    later += "DROP TABLE lake.reconciliation, lake.reconciliation_column"
    ask(address, f"{later}; DROP TABLE lake.writer; DELETE FROM lake.migration WHERE number >= 5")
    assert take() == "me", "a database that was arranged before there was such a table"
    owner = "SELECT tableowner::text FROM pg_tables WHERE schemaname = 'lake' AND tablename = 'writer'"
    assert ask(address, owner) == [(roles.LOADER,)]


def test_a_role_that_may_not_renew_any_more_is_stopped_as_without_postgres(writer, address, loader):
    first = writer(loader)
    first.hear("held")
    ask(address, f"REVOKE UPDATE ON lake.writer FROM {roles.LOADER}")
    revoked = time.monotonic()
    first.hear("cancelled")
    first.hear("killed")
    assert time.monotonic() - revoked < TAKE_OVER_SECONDS
    first.tell("end")
    assert "permission denied for table writer" in first.hear("ended")["error"]


def test_a_restart_of_postgres_lets_nobody_in(writer, postgres_process):
    first = writer()
    first.hear("held")
    second = writer()
    second.hear("waiting")
    postgres_process.stop()
    time.sleep(1)
    postgres_process.start()
    first.tell("commit")
    first.hear("may commit")
    assert not second.says("held", TAKE_OVER_SECONDS + 1)
    first.tell("end")
    first.hear("given back")
    second.hear("held")


def test_without_postgres_work_is_stopped_before_another_could_begin(writer, postgres_process):
    first = writer()
    first.hear("held")
    second = writer()
    second.hear("waiting")
    postgres_process.stop()
    away = time.monotonic()
    first.hear("cancelled")
    first.hear("killed")
    assert time.monotonic() - away < TAKE_OVER_SECONDS
    first.tell("commit")
    assert "Postgres did not renew its locks for 3 s" in first.hear("ended")["error"]
    assert not second.says("held", 1), "nobody takes a lock from a server that is away"
    postgres_process.start()
    second.hear("held")
