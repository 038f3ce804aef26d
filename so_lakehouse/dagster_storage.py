"""Where the embedded instance keeps what Dagster records: Dagster's own SQLite files, with connections that stay open.

Dagster's storage makes an engine and a connection for each event, waits for the disk, and closes it, which also moves
the write-ahead log into the file. A run of ours has hundreds of events. The files are the same: either storage reads
and goes on with what the other has written. docs/decisions.md says why this is worth standing on Dagster's inside.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster._core.event_api import EventHandlerFn
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage, SqliteEventLogStorageWatchdog
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool
from watchdog.observers import Observer

from so_lakehouse.errors import BadInput

# Files that stay open: the index of all runs, and runs that write at the same time.
MOST_OPEN = 8


@dataclass(frozen=True)
class _Open:
    """A file's only connection, and which file it is: another may have its name by now."""

    engine: Engine
    file: tuple[int, int]


class OpenEventLog(SqliteEventLogStorage):
    """Dagster's event log, a file per run and one for all, of which those used last stay open."""

    def __init__(self, base_dir: str) -> None:
        self._open: OrderedDict[str, _Open] = OrderedDict()
        super().__init__(base_dir)
        weakref.finalize(self, _close, self._open)  # not everybody disposes of an instance

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        # One at a time: a file's connection is nobody else's meanwhile.
        with self._db_lock, self._engine(shard).begin() as connection:
            yield connection

    def _engine(self, shard: str) -> Engine:
        path = self.path_for_shard(shard)
        known = self._open.pop(shard, None)
        if known and known.file != _file(path):  # removed, and perhaps made anew
            known.engine.dispose()
            self._initialized_dbs.discard(shard)
            known = None
        engine = known.engine if known else _opened(self.conn_string_for_shard(shard))
        if shard not in self._initialized_dbs:
            try:
                self._initdb(engine)
            except BaseException:
                engine.dispose()
                raise
            self._initialized_dbs.add(shard)
        while len(self._open) >= MOST_OPEN:
            self._open.popitem(last=False)[1].engine.dispose()
        self._open[shard] = known or _Open(engine, _file(path))
        return engine

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        observer: Any = self._obs  # as Dagster's has it, which ends it too
        if not observer:
            observer = Observer()
            observer.start()
            self._obs = observer
        watchdog = _Watchdog(self, run_id, callback, cursor)
        seen = observer.schedule(watchdog, self._base_dir, recursive=True)
        self._watchers[run_id][callback] = (watchdog, seen)

    def dispose(self) -> None:
        super().dispose()
        with self._db_lock:
            _close(self._open)


class _Watchdog(SqliteEventLogStorageWatchdog):
    """Looks at a run's file, as Dagster's does, and the write-ahead log beside it, where those of an open one lie."""

    def __init__(self, log: OpenEventLog, run_id: str, callback: EventHandlerFn, cursor: str | None) -> None:
        super().__init__(log, run_id, callback, cursor)
        path = log.path_for_shard(run_id)
        self._patterns = [path, f"{path}-wal"]

    def on_modified(self, event: Any) -> None:
        self._process_log()


class LocalStorage(DagsterSqliteStorage):
    """Runs, events and ticks in files below `base_dir`, where Dagster's own storage has them too."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        if not Path(base_dir).is_absolute():
            raise BadInput(f"Dagster's folder is {base_dir!r}. Set DAGSTER_HOME to the folder of its dagster.yaml.")
        super().__init__(base_dir, inst_data)
        self._event_log_storage = OpenEventLog(str(Path(base_dir, "history", "runs")))

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> LocalStorage:
        return cls(inst_data=inst_data, **config_value)


def _close(files: OrderedDict[str, _Open]) -> None:
    while files:
        files.popitem()[1].engine.dispose()


def _file(path: str) -> tuple[int, int]:
    """Which file has this name; none is (0, 0)."""
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_dev, found.st_ino


def _opened(address: str) -> Engine:
    engine = create_engine(
        address,
        poolclass=StaticPool,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:
        # A killed process loses nothing. A power cut may lose what came last, never the file (sqlite.org/wal.html).
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine
