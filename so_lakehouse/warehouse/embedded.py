"""The embedded PostgreSQL as many processes share it: one server per folder, stopped by the last one that leaves.

Belongs here: who owns the server. Does not belong here: how one is made, started and found (`postgres_process.py`).

Every process that uses the server holds a shared lock on `users.lock` until it ends; the kernel drops the lock of a
killed process too. A process that ends, gets that lock alone and sees no foreign client connected, stops the server.
Starting and stopping happen under `start.lock`, so that two processes never do both at once.
"""

from __future__ import annotations

import atexit
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from so_lakehouse.errors import Unavailable
from so_lakehouse.warehouse.postgres_process import PostgresProcess

_held: dict[Path, tuple[int, int]] = {}  # folder → (process id, descriptor of users.lock)


def ensure_running(folder: Path) -> Path:
    """The folder of the server's socket, with the server running and this process counted among its users.

    Creates the database on first use. Raises `Unavailable` with the server's own last words where it cannot start.
    """
    folder = folder.resolve()
    server = PostgresProcess(folder)
    with _start_lock(folder):
        if not server.answers():
            server.prepare()
            server.start()
        _hold(folder)
    return server.socket_folder


def stop(folder: Path) -> bool:
    """Stops the server and returns True; False where none runs. Raises `Unavailable` where somebody else uses it."""
    found = _leave_and_stop(folder.resolve())
    if found is _Found.IN_USE:
        raise Unavailable(f"The embedded Postgres in {folder} is in use; end what uses it, and it stops by itself.")
    return found is _Found.STOPPED


class _Found(Enum):
    STOPPED = "stopped"
    IN_USE = "in use"
    NOT_RUNNING = "not running"


def _leave_and_stop(folder: Path) -> _Found:
    """Gives up this process's claim, and stops the server where nobody else has one."""
    holder, descriptor = _held.pop(folder, (0, -1))
    if holder:
        os.close(descriptor)
    if not (folder / "data").is_dir():
        return _Found.NOT_RUNNING  # never made, or deleted under us
    with _start_lock(folder), (folder / "users.lock").open("w") as users:
        server = PostgresProcess(folder)
        if not server.answers():
            return _Found.NOT_RUNNING
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return _Found.IN_USE
        if server.has_foreign_clients():
            return _Found.IN_USE
        server.stop()
        return _Found.STOPPED


def _hold(folder: Path) -> None:
    holder, _ = _held.get(folder, (0, -1))
    if holder == os.getpid():
        return
    descriptor = os.open(folder / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    _held[folder] = (os.getpid(), descriptor)
    atexit.register(_leave, folder, os.getpid())


def _leave(folder: Path, process_id: int) -> None:
    # A forked child inherits this registration, but not the duty.
    if process_id == os.getpid():
        _leave_and_stop(folder)


@contextmanager
def _start_lock(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "start.lock").open("w")
    except OSError as error:
        raise Unavailable(f"Cannot use {folder} for Postgres: {error}. Choose another LAKEHOUSE_HOME.") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
