"""A service as a process: clear about ports and failures, found again by a later command, stopped exactly."""

from __future__ import annotations

import http.server
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from so_lakehouse.errors import Unavailable
from so_lakehouse.stack.ports import Port, answers, require_free
from so_lakehouse.stack.process import Service, Supervised


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Service]:
    """A small web server with a child of its own, as Spark's worker has executors."""
    port = free_port()
    program = (
        "import subprocess, sys, http.server as h; subprocess.Popen(['sleep', '600']);"
        f"h.ThreadingHTTPServer(('127.0.0.1', {port}), h.SimpleHTTPRequestHandler).serve_forever()"
    )
    service = Service(
        name="web",
        command=lambda: [sys.executable, "-c", program],
        ports=[Port(port, "LAKEHOUSE_STACK_WEB_PORT")],
        healthy=lambda: answers(port),
    )
    yield service
    Supervised(service, tmp_path).stop()


def test_a_later_command_finds_what_an_earlier_one_started_and_stops_it_with_its_children(
    web: Service, tmp_path: Path
) -> None:
    assert Supervised(web, tmp_path).process() is None
    Supervised(web, tmp_path).start()
    process = Supervised(web, tmp_path).process()
    assert process is not None
    (child,) = process.children()
    assert Supervised(web, tmp_path).stop()
    assert not answers(web.ports[0].number)
    assert not child.is_running()
    assert not Supervised(web, tmp_path).stop()


def test_what_a_service_starts_while_it_is_being_stopped_is_stopped_too(web: Service, tmp_path: Path) -> None:
    """As a run of Dagster's does that has just begun: its step would go on writing to the lake."""
    number = tmp_path / "number"
    program = (
        "import pathlib, signal, subprocess, sys, time\n"
        "def end(*_):\n"
        "    late = subprocess.Popen(['sleep', '600'])\n"
        f"    pathlib.Path({str(number)!r}).write_text(str(late.pid))\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print(1, flush=True); time.sleep(600)"
    )
    log = tmp_path / "web.log"
    starting = replace(web, command=lambda: [sys.executable, "-c", program], healthy=lambda: log.read_text() == "1\n")
    supervised = Supervised(starting, tmp_path)
    supervised.start()
    assert supervised.stop()
    living = [one.pid for one in psutil.process_iter(["status"]) if one.info["status"] != psutil.STATUS_ZOMBIE]
    assert int(number.read_text()) not in living


def test_a_busy_port_is_told_with_its_holder_and_the_setting(web: Service, tmp_path: Path) -> None:
    number = web.ports[0].number
    with http.server.HTTPServer(("127.0.0.1", number), http.server.SimpleHTTPRequestHandler):
        with pytest.raises(Unavailable) as told:
            Supervised(web, tmp_path).start()
        assert answers(number), "whoever has the port keeps it"
    assert f"Port {number} is taken" in str(told.value)
    assert f"process {os.getpid()}" in str(told.value)
    assert "set LAKEHOUSE_STACK_WEB_PORT" in str(told.value)


def test_a_process_that_ends_is_told_with_the_end_of_this_starts_log(web: Service, tmp_path: Path) -> None:
    (tmp_path / "web.log").write_text("an earlier start said this\n")
    broken = replace(web, command=lambda: [sys.executable, "-c", "raise SystemExit('no disk left')"])
    with pytest.raises(Unavailable, match="web ended") as told:
        Supervised(broken, tmp_path).start()
    assert "no disk left" in str(told.value)
    assert str(tmp_path / "web.log") in str(told.value)
    assert "earlier start" not in str(told.value)


def test_a_process_that_never_gets_ready_is_stopped_and_told(web: Service, tmp_path: Path) -> None:
    slow = replace(web, healthy=lambda: False, start_seconds=1)
    supervised = Supervised(slow, tmp_path)
    with pytest.raises(Unavailable, match="web is not ready in 1 s"):
        supervised.start()
    assert supervised.process() is None
    assert not answers(web.ports[0].number)


def test_a_number_that_another_process_has_got_meanwhile_is_not_stopped(web: Service, tmp_path: Path) -> None:
    supervised = Supervised(web, tmp_path)
    supervised.start()
    noted = json.loads(supervised.pid_file.read_text())
    supervised.pid_file.write_text(json.dumps(noted | {"began": noted["began"] - 60}))
    assert supervised.process() is None
    assert not supervised.stop()
    assert answers(web.ports[0].number)
    psutil.Process(noted["pid"]).children()[0].kill()
    psutil.Process(noted["pid"]).kill()


def test_a_service_that_was_killed_is_started_again(web: Service, tmp_path: Path) -> None:
    supervised = Supervised(web, tmp_path)
    supervised.start()
    first = supervised.process()
    assert first is not None
    for process in (*first.children(), first):
        process.kill()
    gone = threading.Event()
    while supervised.process() is not None:
        gone.wait(0.05)
    supervised.start()
    second = supervised.process()
    assert second is not None
    assert second.pid != first.pid


def test_a_port_that_nobody_is_seen_to_hold_is_waited_for() -> None:
    """As that of a process that was killed, while one of its threads is still ending."""
    with socket.socket() as dying:
        dying.bind(("127.0.0.1", 0))  # without listening
        port = Port(dying.getsockname()[1], "LAKEHOUSE_STACK_WEB_PORT")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("so_lakehouse.stack.ports.DYING_SECONDS", 0.1)
            with pytest.raises(Unavailable, match=f"Port {port.number} is taken. End that"):
                require_free([port])
        end = threading.Timer(0.3, dying.close)
        end.start()
        require_free([port])
        end.join()


def test_a_service_that_hears_no_request_to_end_is_killed(web: Service, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("so_lakehouse.stack.process.STOP_SECONDS", 1)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    log = tmp_path / "web.log"
    stubborn = replace(
        web,
        command=lambda: [sys.executable, "-c", deaf],
        healthy=lambda: log.read_text() == "1\n",
    )
    supervised = Supervised(stubborn, tmp_path)
    supervised.start()
    begun = time.monotonic()
    assert supervised.stop()
    assert supervised.process() is None
    assert time.monotonic() - begun < 20
