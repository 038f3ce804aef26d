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

from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.warehouse import server
from so_lakehouse.warehouse.postgres_process import PostgresProcess
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
    ask(address, "DROP TABLE IF EXISTS lake.writer")
    return address


@pytest.fixture
def postgres_process(home, address) -> Iterator[PostgresProcess]:
    process = PostgresProcess(Settings(home=home).postgres_folder.resolve())
    yield process
    if not process.answers():
        process.start()


@pytest.fixture
def writer(address) -> Iterator[Callable[[], Writer]]:
    begun: list[Writer] = []

    def begin() -> Writer:
        begun.append(Writer(address))
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
    assert "Postgres did not answer for 3 s" in first.hear("ended")["error"]
    assert not second.says("held", 1), "nobody takes a lock from a server that is away"
    postgres_process.start()
    second.hear("held")
