"""The rows of Postgres that say who may write which part of a lake in an object store, and the session that asks.

Belongs here: SQL and the connection. Not here: when a row is taken, renewed, or taken over (`lease.py`).
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any, NamedTuple

import psycopg2
from psycopg2.extensions import connection as PostgresConnection

from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import server

# What a server that is away, is being restarted or does not get on answers.
AWAY = (psycopg2.OperationalError, psycopg2.InterfaceError)

# A server that is gone without a word is noticed within seconds, not when TCP gives up.
CONNECT_SECONDS = 5
SILENT_MILLISECONDS = 10_000
# A row that was promised must be there after a crash, whatever the server is set to.
SESSION = "SET synchronous_commit = on; SET statement_timeout = '10s'; SET lock_timeout = '5s'"

# `told` is the holder as `holders.me` describes it. A row that is there is held.
TABLE = """
CREATE TABLE IF NOT EXISTS lake.writer (
  lake text NOT NULL, part text NOT NULL, holder text NOT NULL, renewed bigint NOT NULL DEFAULT 0,
  renewed_at timestamptz NOT NULL DEFAULT now(), told jsonb NOT NULL, PRIMARY KEY (lake, part)
)
"""
TAKE = "INSERT INTO lake.writer (lake, part, holder, told) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"
LOOK = "SELECT holder, renewed, told FROM lake.writer WHERE lake = %s AND part = %s"
# Exactly the row that was watched: a holder that renews it at this moment keeps it.
TAKE_OVER = """
UPDATE lake.writer SET holder = %s, renewed = renewed + 1, renewed_at = now(), told = %s
WHERE lake = %s AND part = %s AND holder = %s AND renewed = %s
"""
RENEW = (
    "UPDATE lake.writer SET renewed = renewed + 1, renewed_at = now() WHERE lake = %s AND holder = %s RETURNING part"
)
GIVE_BACK = "DELETE FROM lake.writer WHERE lake = %s AND holder = %s"


class WriterRow(NamedTuple):
    """Who holds a part, how often he has said so, and what he told of himself."""

    holder: str
    renewed: int
    told: dict[str, Any]


class WriterRows:
    """The rows of one lake, for one holder. Every method is one committed statement, safe to call from several threads,
    and raises one of `AWAY` where Postgres is; the next call connects anew."""

    def __init__(self, settings: Settings, lake: str, holder: str) -> None:
        self._settings, self._lake, self._holder = settings, lake, holder
        self._session = threading.RLock()
        self._connection: PostgresConnection | None = None

    def take(self, part: str, told: str) -> WriterRow:
        """Takes the part where nobody holds it; returns its row, whoever holds it now."""
        while True:
            self._ask(TAKE, self._lake, part, self._holder, told)
            if rows := self._ask(LOOK, self._lake, part)[1]:  # none: it was given back just now
                return WriterRow(*rows[0])

    def take_over(self, part: str, from_row: WriterRow, told: str) -> bool:
        """Takes the part from a holder; False where that row is not there any more as it was seen."""
        seen = (from_row.holder, from_row.renewed)
        return self._ask(TAKE_OVER, self._holder, told, self._lake, part, *seen)[0] == 1

    def renew(self) -> set[str]:
        """The parts that this holder still holds, renewed."""
        return {part for (part,) in self._ask(RENEW, self._lake, self._holder)[1]}

    def give_back(self) -> None:
        self._ask(GIVE_BACK, self._lake, self._holder)

    def close(self) -> None:
        with self._session, suppress(*AWAY):
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _ask(self, statement: str, *values: Any) -> tuple[int, list[tuple[Any, ...]]]:
        """How many rows a statement concerned, and those that it returns."""
        with self._session:
            try:
                if self._connection is None:
                    self._connection = self._connected()
                with self._connection.cursor() as cursor:
                    cursor.execute(statement, values)
                    return cursor.rowcount, cursor.fetchall() if cursor.description else []
            except AWAY:
                self.close()
                raise

    def _connected(self) -> PostgresConnection:
        connection = psycopg2.connect(
            server.uri(self._settings),
            connect_timeout=CONNECT_SECONDS,
            tcp_user_timeout=SILENT_MILLISECONDS,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
        )
        connection.autocommit = True
        try:
            _make_table(connection)
        except BaseException:
            connection.close()  # and with it the lock that others wait for
            raise
        return connection


def _make_table(connection: PostgresConnection) -> None:
    """Makes the table where there is none. The schema is the administrator's to make where each part has a role."""
    with connection.cursor() as cursor:
        cursor.execute(SESSION)
        cursor.execute("SELECT to_regclass('lake.writer') IS NOT NULL")
        if cursor.fetchone() == (True,):
            return
        cursor.execute("SELECT pg_advisory_lock(hashtext('so_lakehouse.writer'))")
        cursor.execute("SELECT to_regnamespace('lake') IS NOT NULL")
        if cursor.fetchone() != (True,):
            cursor.execute("CREATE SCHEMA lake")
        cursor.execute(TABLE)
        cursor.execute("SELECT pg_advisory_unlock(hashtext('so_lakehouse.writer'))")
