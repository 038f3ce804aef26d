"""The write locks of a lake in an object store: rows of the warehouse's Postgres, kept by being renewed.

Belongs here: taking, keeping, losing and giving back. Not here: which parts are locked, and when (`lock.py`), and the
SQL (`writer_rows.py`).

Nobody compares clocks: who waits counts how long it has watched a row that is not renewed, and takes it over after
`TAKE_OVER_SECONDS`; a server that was away, or a waiter that slept, starts the count anew. A holder renews once more
before it begins a commit. `STOP_SECONDS` after its last renewal it cancels what it has running, and kills what has not
ended `KILL_SECONDS` after it, so that nothing of it is left when another may take over. What runs in Python can be
neither cancelled nor killed: a store's clients give up sooner (`object_store.py`). docs/decisions.md says what that
leaves open.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol
from uuid import uuid4

from so_lakehouse.errors import Unavailable
from so_lakehouse.lake.holders import described, is_alive, machine, me
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.writer_rows import AWAY, WriterRow, WriterRows
from so_lakehouse.progress import POLL_SECONDS, Progress, wait_until_free
from so_lakehouse.settings import Settings

LOG = logging.getLogger(__name__)

RENEW_SECONDS = 5.0
STOP_SECONDS = 40.0
KILL_SECONDS = 70.0
TAKE_OVER_SECONDS = 90.0
PATIENCE_SECONDS = 300.0  # for a Postgres that is away
GAP_SECONDS = 10 * POLL_SECONDS  # a waiter that could not look for so long has not watched

_held: dict[tuple[str, str], Lease] = {}  # by lake and part
_interrupted: set[str] = set()  # holders of this process that ended without giving back


class Work(Protocol):
    """What a holder has running elsewhere than in its own thread; stopped from a thread of the lease."""

    def cancel(self) -> None: ...
    def kill(self) -> None: ...


@contextmanager
def writing(
    lake: Lake, parts: Sequence[str], what: str, settings: Settings, progress: Progress, work: Work | None
) -> Iterator[None]:
    """As `lock.writing`; `parts` in the order in which they are taken. Raises `Unavailable` where Postgres does not
    answer for `PATIENCE_SECONDS`, or the locks were lost, be it after the last commit."""
    lease = Lease(lake.root, what, settings, work)
    try:
        for part in parts:
            lease.take(part, progress)
            _held[lake.root, part] = lease
        lease.is_working = True
        yield
    except Exception as error:  # whatever it is, every write has come back, if only with an error
        lease.give_back()
        if lease.lost:
            raise Unavailable(lease.lost) from error
        raise
    except BaseException:  # a write may still be under way: the rows stay until this process or their time has ended
        _interrupted.add(lease.holder)
        lease.cancel()
        raise
    else:
        lease.give_back()
        if lease.lost:
            raise Unavailable(lease.lost)
    finally:
        lease.end()
        for part in parts:
            if _held.get((lake.root, part)) is lease:
                del _held[lake.root, part]


def require(lake: Lake, *parts: str) -> None:
    """As `lock.require`. Waits up to `PATIENCE_SECONDS` for a Postgres that is away."""
    for lease in {_held[lake.root, part] for part in parts}:
        lease.require()


class Lease:
    """The rows of one holder, renewed by a thread of its own from the first on."""

    def __init__(self, lake: str, what: str, settings: Settings, work: Work | None) -> None:
        self.holder = uuid4().hex
        self.lost = ""  # why, for people
        self.is_working = False  # not yet, while it waits for the last of its parts
        self._what, self._work = what, work
        self._is_remote = bool(settings.spark_remote)
        self._rows = WriterRows(settings, lake, self.holder)
        self._parts: set[str] = set()
        self._renewing = threading.Lock()
        self._renewed_at = _clock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease of {what}", daemon=True)

    def take(self, part: str, progress: Progress) -> None:
        """Takes one part; waits for its holder, and takes over from one that is gone."""
        watch, told = Watch(), json.dumps(me(self._what) | {"remote": self._is_remote})
        away = Patience(self._what)

        def hindrance() -> str | None:
            if self.lost:  # the parts that were taken before
                raise Unavailable(self.lost)
            try:
                found = self._attempt(part, told, watch)
            except AWAY as error:
                watch.forget()
                away.endure(error)
                return f"waiting to write {part}: Postgres does not answer"
            away.forget()
            return found and f"waiting to write {part}: {found}"

        wait_until_free(hindrance, progress)
        self._parts.add(part)
        if not self._thread.is_alive():
            self._renewed_at = _clock()
            self._thread.start()

    def _attempt(self, part: str, told: str, watch: Watch) -> str | None:
        """Takes the part where that can be; else who holds it."""
        row = self._rows.take(part, told)
        if row.holder == self.holder:
            return None
        if watch.is_over(row):
            if self._rows.take_over(part, row, told):
                LOG.warning("%s: took %s over from %s, which is gone", self._what, part, described(row.told))
                return None
            watch.forget()
        return described(row.told)

    def require(self) -> None:
        """Raises `Unavailable` where a commit must not begin: another run holds the rows, or nobody can tell."""
        away = Patience(self._what)
        while True:
            try:
                return self._renew()
            except AWAY as error:
                away.endure(error)
                time.sleep(POLL_SECONDS)

    def _renew(self) -> None:
        with self._renewing:
            if self.lost:
                raise Unavailable(self.lost)
            if self._ended.is_set():
                raise Unavailable(f"{self._what}: its locks were given back, and what it began still writes.")
            asked_at = _clock()  # before the question: the answer may come late
            missing = self._parts - self._rows.renew()
            if missing:
                self.lost = (
                    f"{self._what}: another run took over {', '.join(sorted(missing))}, because this one did not renew "
                    "its locks in time. What it had committed stands. Run again."
                )
                raise Unavailable(self.lost)
            self._renewed_at = asked_at

    def _keep(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            try:
                self._renew()
            except Exception as error:  # noqa: BLE001 (whatever it is, nobody can tell any more who may write)
                if self._ended.is_set():
                    return
                LOG.warning("%s: could not renew its locks: %s", self._what, " ".join(str(error).split()))
                if not self.lost and _clock() - self._renewed_at >= STOP_SECONDS:
                    self._lose(error)
            if self.lost:
                self._stop()
                return

    def _lose(self, error: Exception) -> None:
        with self._renewing:
            self.lost = self.lost or (
                f"{self._what}: Postgres did not renew its locks for {STOP_SECONDS:.0f} s, so nobody could tell who "
                f"may write, and what was being written was stopped: {' '.join(str(error).split())}. See that it runs "
                "and lets this role write, then run again."
            )

    def _stop(self) -> None:
        """Stops what is running: nothing of it may be left when another holder begins."""
        self.cancel()
        if self._work is None or not self.is_working:
            return
        if not self._ended.wait(max(0.0, self._renewed_at + KILL_SECONDS - _clock())):
            LOG.warning("%s: what it was writing did not stop, so it is killed", self._what)
            self._work.kill()

    def cancel(self) -> None:
        """Cancels what is running, as far as that can be. A commit that has begun goes on."""
        if self._work is None or not self.is_working:
            return
        try:
            self._work.cancel()
        except Exception:  # whatever Spark answers: what follows must not wait for it
            LOG.warning("%s: what it was writing could not be cancelled", self._what, exc_info=True)

    def give_back(self) -> None:
        """Ends the rows; where Postgres is away or refuses they end by themselves, as those of a killed holder do."""
        with self._renewing:  # a renewal that came after would find the rows gone, and take them for taken over
            self._ended.set()
        until = _clock() + STOP_SECONDS
        while True:
            try:
                return self._rows.give_back()
            except AWAY:
                if _clock() > until:
                    LOG.warning("%s: could not give its locks back, Postgres does not answer", self._what)
                    return None
                time.sleep(POLL_SECONDS)
            except Unavailable as error:
                LOG.warning("%s: could not give its locks back: %s", self._what, error)
                return None

    def end(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(RENEW_SECONDS)
        self._rows.close()


class Watch:
    """What a waiter has seen of one row."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Nothing was seen yet."""
        self._seen: tuple[str, int] | None = None
        self._since = self._last = time.monotonic()

    def is_over(self, row: WriterRow) -> bool:
        """Whether the holder is gone for good: it has ended on this machine, or was not heard of for too long."""
        now = time.monotonic()  # stands still while this machine sleeps, and so does what was watched
        if self._seen != (row.holder, row.renewed) or now - self._last > GAP_SECONDS:
            self._seen, self._since = (row.holder, row.renewed), now
        self._last = now
        return row.holder in _interrupted or _has_ended(row.told) or now - self._since > TAKE_OVER_SECONDS


class Patience:
    """With a Postgres that is away: `PATIENCE_SECONDS` from its first failure on."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.forget()

    def forget(self) -> None:
        self._since: float | None = None

    def endure(self, error: Exception) -> None:
        """Raises `Unavailable` once it has lasted too long."""
        self._since = _clock() if self._since is None else self._since
        if _clock() - self._since > PATIENCE_SECONDS:
            raise Unavailable(
                f"{self._what}: Postgres, which tells who may write to the lake, does not answer: "
                f"{' '.join(str(error).split())}. Start it, or correct LAKEHOUSE_POSTGRES; then run again."
            ) from error


def _has_ended(told: dict[str, Any]) -> bool:
    """Whether the holder and all that it had started are known to be gone. What runs elsewhere (another machine's
    processes, a Spark Connect server's work) cannot be known."""
    if not machine() or told["machine"] != machine() or told["remote"]:
        return False
    return not any(is_alive(process) for process in (told, *told["children"]))


def _clock() -> float:
    """Seconds, those that this machine slept included where the system counts them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
