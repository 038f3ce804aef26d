"""One service as a process of this machine: started, found again by a later command, stopped.

Belongs here: processes, their logs and how long a start may take. Does not belong here: which services there are
(`native.py`). A process is known by its number and the moment it began: a number alone is given to others later.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from so_lakehouse.errors import Unavailable
from so_lakehouse.stack.ports import Port, require_free

LAST_LINES = 12  # of a log that an error quotes
STOP_SECONDS = 30
ORPHAN_SECONDS = 5  # for children that outlive the process
POLL_SECONDS = 0.2

_children: dict[int, subprocess.Popen] = {}  # what this process started: a child that ended stays a zombie until asked


def nothing() -> None:
    """For services that need nothing more."""


@dataclass(frozen=True)
class Service:
    """A program that runs until it is stopped. `healthy` says whether it does its work; it never waits long."""

    name: str
    command: Callable[[], Sequence[str]]  # asked at a start only: it may have to be built first
    ports: Sequence[Port]
    healthy: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = nothing  # right before the start
    started: Callable[[], None] = nothing  # once it is healthy, at every `up`; does nothing the second time
    folder: Path | None = None  # where it runs
    start_seconds: int = 180  # a busy machine needs them; a process that ends is told at once
    stop_signal: signal.Signals = signal.SIGTERM


class Supervised:
    """A service with its files in `folder`: `<name>.log` and `<name>.pid`."""

    def __init__(self, service: Service, folder: Path) -> None:
        self.service = service
        self.log, self.pid_file = folder / f"{service.name}.log", folder / f"{service.name}.pid"
        self._begun_at = 0  # where in its log this start begins

    def process(self) -> psutil.Process | None:
        """The process that an earlier `start` began, while it lives."""
        return _living(self.pid_file)

    def start(self) -> None:
        """Starts the service and waits until it is healthy.

        Raises `Unavailable` where a port is taken, and as `wait` does; what did not become healthy is stopped again.
        """
        service = self.service
        require_free(service.ports)
        command = list(service.command())
        service.prepare()
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._begun_at = log.tell()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(service.environment),
                cwd=service.folder or "/",
                start_new_session=True,  # Ctrl-C at the terminal is not meant for it
                umask=0o077,
            )
        _children[process.pid] = process
        began = psutil.Process(process.pid).create_time()
        note = {"pid": process.pid, "began": began, "stop": service.stop_signal.name}
        self.pid_file.write_text(json.dumps(note))
        try:
            self.wait()
        except Unavailable:
            self.stop()
            raise

    def wait(self) -> None:
        """Waits until the running service is healthy.

        Raises `Unavailable` with the end of its log where its process ends, or where it takes longer than it may.
        """
        deadline = time.monotonic() + self.service.start_seconds
        while not self.service.healthy():
            how = "ended" if self.process() is None else ""
            if not how and time.monotonic() > deadline:
                how = f"is not ready in {self.service.start_seconds} s"
            if how:
                raise Unavailable(f"{self.service.name} {how}. The end of {self.log}:\n{self._last_words()}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> bool:
        """As `stop_noted`."""
        return stop_noted(self.pid_file)

    def _last_words(self) -> str:
        """Of this start, where it was ours: what an earlier one said explains nothing."""
        with self.log.open("rb") as log:
            log.seek(self._begun_at)
            return "\n".join(log.read().decode(errors="replace").splitlines()[-LAST_LINES:]) or "(it said nothing)"


def running(folder: Path) -> list[str]:
    """The names of what was started with its files in `folder` and still runs, in the order of the starts."""
    living = {file.stem: process for file in folder.glob("*.pid") if (process := _living(file))}
    return sorted(living, key=lambda name: living[name].create_time())


def stop_noted(pid_file: Path) -> bool:
    """Stops the process of a pid file and what it started; False where it does not run. Others' are left alone."""
    process = _living(pid_file)
    if process is not None:
        _stop_tree(process, signal.Signals[json.loads(pid_file.read_text())["stop"]])
    pid_file.unlink(missing_ok=True)
    return process is not None


def _stop_tree(process: psutil.Process, stop_signal: signal.Signals) -> None:
    """Asks the process to end, waits for it and for what it has started, and kills what is left."""
    family = [process, *process.children(recursive=True)]
    _tell([process], stop_signal)
    psutil.wait_procs([process], timeout=STOP_SECONDS)
    family += _of_session(process.pid)  # a run that is being stopped may still have started its step
    _tell(family[1:], signal.SIGTERM)
    _, left = psutil.wait_procs(family, timeout=ORPHAN_SECONDS)
    left += _of_session(process.pid)
    _tell(left, signal.SIGKILL)
    psutil.wait_procs(left, timeout=ORPHAN_SECONDS)
    if child := _children.pop(process.pid, None):
        child.wait()


def _of_session(number: int) -> list[psutil.Process]:
    """What lives of the session that this process leads, also where whoever started it has ended."""
    found = []
    for one in psutil.process_iter():
        with suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
            if os.getsid(one.pid) == number and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
    return found


def _tell(processes: Sequence[psutil.Process], what: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # ended by itself meanwhile
            process.send_signal(what)


def _living(pid_file: Path) -> psutil.Process | None:
    if not pid_file.exists():
        return None
    noted = json.loads(pid_file.read_text())
    try:
        process = psutil.Process(noted["pid"])
        same = process.create_time() == noted["began"] and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None
