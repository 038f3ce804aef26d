"""Where the embedded instance keeps what Dagster records: Dagster's own SQLite files, with connections that stay open.

Dagster's storage makes an engine and a connection for each event, waits for the disk, and closes it, which also moves
the write-ahead log into the file. A run of ours has hundreds of events. The files are the same: either storage reads
and goes on with what the other has written. docs/decisions.md says why this is worth standing on Dagster's inside.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster._core.event_api import EventHandlerFn
from dagster._core.storage.event_log.polling_event_watcher import SqlPollingEventWatcher
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import StaticPool

# Files that stay open: the index of all runs, and runs that write at the same time.
MOST_OPEN = 8


class OpenEventLog(SqliteEventLogStorage):
    """Dagster's event log, a file per run and one for all, of which those used last stay open."""

    def __init__(self, base_dir: str) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        super().__init__(base_dir)
        self._watcher = SqlPollingEventWatcher(self)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        # One at a time: a file's connection is nobody else's meanwhile.
        with self._db_lock, self._engine(shard).begin() as connection:
            yield connection

    def _engine(self, shard: str) -> Engine:
        engine = self._engines.pop(shard, None)
        if engine is None:
            if len(self._engines) >= MOST_OPEN:
                self._engines.popitem(last=False)[1].dispose()
            engine = _opened(self.conn_string_for_shard(shard))
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        self._engines[shard] = engine
        return engine

    # Dagster's looks for changes of a run's file, which open connections make in the write-ahead log beside it.
    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        self._watcher.watch_run(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: EventHandlerFn) -> None:
        self._watcher.unwatch_run(run_id, handler)

    def wipe(self) -> None:
        self._close()
        super().wipe()

    def dispose(self) -> None:
        self._watcher.close()
        self._close()

    def _close(self) -> None:
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()


class LocalStorage(DagsterSqliteStorage):
    """Runs, events and ticks in files below `base_dir`, where Dagster's own storage has them too."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = OpenEventLog(str(Path(base_dir, "history", "runs")))

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> LocalStorage:
        return cls(inst_data=inst_data, **config_value)


def _opened(address: str) -> Engine:
    engine = create_engine(
        address,
        poolclass=StaticPool,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, record: Any) -> None:
        # A killed process loses nothing. A power cut may lose the last events, never the file (sqlite.org/wal.html).
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine
