"""What this machine may ask of the API, and when: quota, backoff, pace. Shared by all runs, kept across restarts.

One small SQLite file (LAKEHOUSE_API_BUDGET), and only this module reads or writes it. Every question is admitted here
before it is asked and settled here after it was answered; admission is one transaction, so that two runs never take
the same place. The key itself is not in it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from so_lakehouse.api.reply import Reply
from so_lakehouse.clock import Clock
from so_lakehouse.errors import Unavailable
from so_lakehouse.progress import current
from so_lakehouse.settings import Settings

# The API bans an address above 30 requests a second; it also counts what others behind the same address ask.
REQUESTS_PER_SECOND = 20
# Waiting exactly as long as a `backoff` says was punished (Meta Stack Exchange 377674).
BACKOFF_MARGIN = 2.0
# The API asks not to repeat a question within a minute: the answer would come from its cache.
SAME_QUESTION_SECONDS = 60.0
# The quota's day begins with the first question, not at midnight (Stack Apps, revision 9575).
WINDOW_SECONDS = 24 * 3600.0
LONGEST_WAIT = 300.0

WINDOWS, SWEEP, REASK = "windows", "sweep", "asking again"  # what a question is for

_TABLES = (
    "quota (account text primary key, remaining integer, maximum integer, began_at real)",
    "spent (account text, purpose text, requests integer, primary key (account, purpose))",
    "not_before (account text, method text, since real, until real, primary key (account, method))",
    "last_asked (address text primary key, at real)",
    "asked (account text, question text, at real, primary key (account, question))",
    "answer (account text primary key, question text, digest text)",
    "filter (account text, fields text, name text, primary key (account, fields))",
)
EVERY_METHOD = "*"


class NotNow(Exception):
    """Nothing more may be asked for now. `until`: when asking may go on; `reason` is for people."""

    def __init__(self, reason: str, until: datetime) -> None:
        super().__init__(f"{reason} Asking may go on at {until:%Y-%m-%d %H:%M} UTC.")
        self.until = until


@dataclass(frozen=True)
class Quota:
    """What the API last said of the quota; both None before its first reply."""

    remaining: int | None
    maximum: int | None


@dataclass(frozen=True)
class Budget:
    """The account of one address of the API and one key. `shares`: per cent of the quota by purpose."""

    file: Path
    address: str  # the API bans a machine for its pace, whatever its keys
    account: str
    clock: Clock
    reserve: int = 0  # per cent
    shares: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, clock: Clock) -> Budget:
        """The budget that these settings name."""
        account = hashlib.sha256(f"{settings.api}\n{settings.api_key}".encode()).hexdigest()[:16]
        shares = {SWEEP: settings.api_sweep, REASK: settings.api_reask}
        return cls(settings.api_budget, settings.api, account, clock, settings.api_reserve, shares)

    def admit(self, method: str, question: str, purpose: str) -> None:
        """Returns when this question may be asked, having counted it; raises `NotNow` where that is too long to wait.

        `question` names it: the same one is not asked twice within a minute.
        """
        while True:
            with self._open() as db:
                wait, reason = self._hindrance(db, method, question, purpose)
                if wait <= 0:
                    self._take(db, purpose)
                    return
            if wait > LONGEST_WAIT:
                raise NotNow(reason, self.clock.now() + timedelta(seconds=wait))
            if wait > 1:
                current()(f"waiting {wait:.0f} s: {reason}", 0)
            self.clock.sleep(max(wait, 0.001))  # less than a clock can tell would be no time at all

    def pause(self, purpose: str) -> NotNow | None:
        """Why nothing may be asked for this purpose now, as far as is known; None where asking may go on."""
        if not self.file.exists():
            return None
        now = self.clock.now()
        with self._open() as db:
            wait, reason = self._general_hindrance(db, purpose, now.timestamp())
        return NotNow(reason, now + timedelta(seconds=wait)) if wait > LONGEST_WAIT else None

    def settle(self, method: str, reply: Reply) -> None:
        """Takes in what a reply says of quota and backoff, whatever else it says."""
        now = self.clock.now().timestamp()
        with self._open() as db:
            if reply.quota_remaining is not None and reply.quota_max is not None:
                self._note_quota(db, reply.quota_remaining, reply.quota_max, now)
            if reply.backoff:
                self._hold(db, method, now, reply.backoff + BACKOFF_MARGIN)

    def answered(self, question: str, answer: str) -> bool:
        """This question has its answer; asking it again waits a minute. False where the newest answer to another
        question, of whichever run, was the same."""
        now, digest = self.clock.now().timestamp(), hashlib.sha256(answer.encode()).hexdigest()
        with self._open() as db:
            db.execute("insert or replace into asked values (?, ?, ?)", (self.account, question, now))
            db.execute("delete from asked where at < ? or at > ?", (now - SAME_QUESTION_SECONDS, now + 1))
            newest = "select count(*) from answer where account = ? and digest = ? and question != ?"
            if _one(db, newest, (self.account, digest, question)):
                return False
            db.execute("insert or replace into answer values (?, ?, ?)", (self.account, question, digest))
        return True

    def hold(self, method: str, seconds: float) -> None:
        """Nothing is asked of this method for so long."""
        with self._open() as db:
            self._hold(db, method, self.clock.now().timestamp(), seconds)

    def hold_all(self, seconds: float) -> None:
        """Nothing is asked of any method for so long, with any key: the API has said so to this machine's address."""
        with self._open() as db:
            self._hold(db, EVERY_METHOD, self.clock.now().timestamp(), seconds + BACKOFF_MARGIN)

    def allowance(self, purpose: str, parts: int) -> int:
        """Requests that one of so many parts may spend of a purpose's share; 0 before the first reply."""
        maximum = self.quota().maximum or 0
        return -(-maximum * self.shares[purpose] // (100 * parts))

    def quota(self) -> Quota:
        with self._open() as db:
            row = db.execute("select remaining, maximum from quota where account = ?", (self.account,)).fetchone()
        return Quota(*row) if row else Quota(None, None)

    def filter_name(self, fields: str) -> str | None:
        """The filter that was made for these fields; it never expires."""
        with self._open() as db:
            found = db.execute("select name from filter where account = ? and fields = ?", (self.account, fields))
            row = found.fetchone()
        return row[0] if row else None

    def remember_filter(self, fields: str, name: str) -> None:
        with self._open() as db:
            db.execute("insert or replace into filter values (?, ?, ?)", (self.account, fields, name))

    def _hindrance(self, db: sqlite3.Connection, method: str, question: str, purpose: str) -> tuple[float, str]:
        """Seconds to wait before this may be asked, and why."""
        now = self.clock.now().timestamp()
        found = [(0.0, "")]
        last = _one(db, "select at from last_asked where address = ?", (self.address,))
        if last is not None and last <= now:
            found.append((last + 1 / REQUESTS_PER_SECOND - now, "the pace of this machine"))
        found.append(self._hold_hindrance(db, method, now))
        at = _one(db, "select at from asked where account = ? and question = ?", (self.account, question))
        if at is not None and at <= now:
            found.append((at + SAME_QUESTION_SECONDS - now, "the same question was asked within a minute"))
        found.append(self._general_hindrance(db, purpose, now))
        return max(found)

    def _general_hindrance(self, db: sqlite3.Connection, purpose: str, now: float) -> tuple[float, str]:
        """The same for a purpose, whatever the method: the quota, and what the API has said of all methods."""
        return max(self._quota_hindrance(db, purpose, now), self._hold_hindrance(db, EVERY_METHOD, now))

    def _hold_hindrance(self, db: sqlite3.Connection, method: str, now: float) -> tuple[float, str]:
        # A clock that was set back must not make a wait longer than the API asked for: it begins anew.
        set_back = "update not_before set since = ?, until = ? + until - since where account = ? and since > ?"
        db.execute(set_back, (now, now, self._held(method), now))
        held = "select until from not_before where account = ? and method = ?"
        until = _one(db, held, (self._held(method), method))
        if until is None or until <= now:
            return 0.0, ""
        what = "is not to be asked for anything" if method == EVERY_METHOD else f"asks to leave {method} alone"
        return until - now, f"The API {what}."

    def _quota_hindrance(self, db: sqlite3.Connection, purpose: str, now: float) -> tuple[float, str]:
        query = "select remaining, maximum, began_at from quota where account = ?"
        row = db.execute(query, (self.account,)).fetchone()
        if row is None or not row[2] <= now < row[2] + WINDOW_SECONDS:
            return 0.0, ""  # never asked, or another day of the quota has begun: the next reply tells
        remaining, maximum, began_at = row
        until = began_at + WINDOW_SECONDS - now
        if remaining * 100 <= maximum * self.reserve:
            kept = f"; {self.reserve} % are left to others (LAKEHOUSE_API_RESERVE)" if self.reserve else ""
            return until, f"The API's quota is used up: {remaining:,} of {maximum:,} requests left{kept}."
        spent = _one(db, "select requests from spent where account = ? and purpose = ?", (self.account, purpose)) or 0
        if purpose in self.shares and spent * 100 >= maximum * self.shares[purpose]:
            share = f"{self.shares[purpose]} % of {maximum:,}"
            return until, f"The share of the quota for {purpose} is used up: {spent:,} requests, {share}."
        return 0.0, ""

    def _take(self, db: sqlite3.Connection, purpose: str) -> None:
        """Counts a question that is about to be asked; the reply's own count replaces ours."""
        db.execute("insert or replace into last_asked values (?, ?)", (self.address, self.clock.now().timestamp()))
        db.execute("update quota set remaining = max(remaining - 1, 0) where account = ?", (self.account,))
        db.execute(
            "insert into spent values (?, ?, 1) on conflict (account, purpose) do update set requests = requests + 1",
            (self.account, purpose),
        )

    def _note_quota(self, db: sqlite3.Connection, remaining: int, maximum: int, now: float) -> None:
        query = "select remaining, maximum, began_at from quota where account = ?"
        row = db.execute(query, (self.account,)).fetchone()
        began_at = row[2] if row else now
        # What is left only grows when a new day begins; replies of runs side by side may overtake each other a little.
        grew = row is not None and (remaining - row[0]) * 10 > maximum
        if grew or not began_at <= now < began_at + WINDOW_SECONDS:
            began_at = now
            db.execute("update spent set requests = 0 where account = ?", (self.account,))
        db.execute("insert or replace into quota values (?, ?, ?, ?)", (self.account, remaining, maximum, began_at))

    def _hold(self, db: sqlite3.Connection, method: str, now: float, seconds: float) -> None:
        """A shorter hold ends no longer one: replies of questions side by side come in any order."""
        db.execute(
            "insert into not_before values (?, ?, ?, ?) on conflict (account, method) do update"
            " set since = excluded.since, until = excluded.until where excluded.until > until",
            (self._held(method), method, now, now + seconds),
        )

    def _held(self, method: str) -> str:
        """Whom a hold counts for: a backoff is said to a key, and that nothing is to be asked, to the machine."""
        return self.address if method == EVERY_METHOD else self.account

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """The file, with its tables, in one transaction that no other process shares."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(self.file, timeout=30, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            advice = "Name another file with LAKEHOUSE_API_BUDGET."
            raise Unavailable(f"Cannot use {self.file}: {error}. {advice}") from error
        try:
            # Before all else: who waits for a lock here waits its turn, even where two make the file at once. (Asking
            # for a write-ahead log does not wait: one of two was told that the database is locked.)
            db.execute("begin immediate")
            for table in _TABLES:
                db.execute(f"create table if not exists {table}")
            yield db
            db.execute("commit")
        except sqlite3.Error as error:
            raise Unavailable(f"Cannot use {self.file}: {error}. Move it away if it is damaged.") from error
        finally:
            db.close()  # what was not committed is undone


def _one(db: sqlite3.Connection, query: str, values: tuple) -> float | None:
    row = db.execute(query, values).fetchone()
    return row[0] if row else None
