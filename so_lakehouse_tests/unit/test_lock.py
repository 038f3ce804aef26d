"""Who waits for whom: a holder that did not give its lock back may have children that still write."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from so_lakehouse.errors import Unavailable
from so_lakehouse.lake import lock


def process(pid: int, *children: int) -> dict:
    started = {child: psutil.Process(child).create_time() for child in (pid, *children)}
    told = {"what": "converge beer", "host": "here", "since": "2016-12-11T00:00:00+00:00"}
    return told | {
        "pid": pid,
        "started": started[pid],
        "children": [{"pid": child, "started": started[child]} for child in children],
    }


@pytest.fixture
def sleeper():
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as found:
        yield found.pid
        found.kill()


@pytest.fixture(autouse=True)
def no_patience(monkeypatch):
    monkeypatch.setattr(lock, "ORPHAN_SECONDS", 0)


def test_an_interrupted_holder_that_lives_on_is_waited_for(sleeper):
    left = process(os.getppid(), sleeper)
    with pytest.raises(Unavailable, match=f"converge beer .* process {sleeper} still runs"):
        lock._wait_for_orphans(left, "silver.posts", lambda message, done: None)


def test_an_interrupted_holder_does_not_wait_for_itself(sleeper):
    lock._wait_for_orphans(process(os.getpid(), sleeper), "silver.posts", lambda message, done: None)
