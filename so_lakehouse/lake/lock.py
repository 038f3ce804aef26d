"""One writer per lake table: who wants to write waits for whoever does, and says for whom.

Delta's commit is safe within one JVM only (on a folder and on S3 alike), so every write to a table of the lake holds
its lock, over the whole of reading, deciding and committing. On a local lake the lock is the operating system's
(`flock`): it ends with the process that holds it, whatever happens to that process, and needs no server. On an object
store it is Postgres' (`lease.py`). Why not Postgres' on both: docs/decisions.md.

A killed Python process can leave its JVM behind for a moment, with a commit under way. So the holder writes down its
children, and whoever takes over a lock that was not given back waits until those have ended.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from so_lakehouse.errors import Unavailable
from so_lakehouse.lake import lease, paths
from so_lakehouse.lake.holders import described, is_alive, is_this_process, me
from so_lakehouse.lake.lease import Work
from so_lakehouse.lake.storage import Lake
from so_lakehouse.progress import Progress, silent, wait_until_free
from so_lakehouse.settings import Settings

ORPHAN_SECONDS = 120


def bronze(site: str) -> str:
    """The lock's name for all that bronze holds of a site: who reads a dump has it, and who removes old ones."""
    return f"bronze.{site}"


@contextmanager
def writing(
    lake: Lake,
    parts: Sequence[str],
    what: str,
    settings: Settings,
    progress: Progress = silent,
    work: Work | None = None,
) -> Iterator[None]:
    """Holds the write locks of these parts of the lake for the block; waits for other holders.

    `parts`: a table of silver is `silver.posts`; see `bronze` for the rest. `what` says to others what is being done
    ("converge beer"). Locks are taken in one order, so that two runs cannot wait for each other. `work` is stopped
    where the locks cannot be kept, and where the block is interrupted. A block whose locks were lost ends in
    `Unavailable`, also where it had come to its end: what it committed stands, what was still under way may not.
    """
    ordered = sorted(set(parts))
    folder = lake.local_path(paths.locks())
    if folder is None:
        with lease.writing(lake, ordered, what, settings, progress, work):
            yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        for part in ordered:
            held.enter_context(_holding(folder / f"{part}.lock", part, what, progress))
        yield


def require(lake: Lake, *parts: str) -> None:
    """Raises `Unavailable` where this process may not begin a commit to these parts, because it has lost their locks.

    To be called before each. A lock of the operating system cannot be lost; Postgres' can. `KeyError` where it never
    had them, which is a defect.
    """
    if lake.local_path(paths.locks()) is None:
        lease.require(lake, *parts)


@contextmanager
def _holding(path: Path, table: str, what: str, progress: Progress) -> Iterator[None]:
    with path.open("a+") as file:
        _wait_for_lock(file, table, progress)
        _wait_for_orphans(_read(file), table, progress)
        _write(file, me(what))
        try:
            yield
        except Exception:  # whatever it is, every write has come back, if only with an error
            _write(file, {})
            raise
        # Left as it is where the process is being interrupted: a write may still be under way in its children.
        _write(file, {})


def _wait_for_lock(file: IO[str], table: str, progress: Progress) -> None:
    def hindrance() -> str | None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return f"waiting to write {table}: {described(_read(file))}"
        return None

    wait_until_free(hindrance, progress)


def _wait_for_orphans(left: dict[str, Any], table: str, progress: Progress) -> None:
    """Waits until the children of a holder that died or was interrupted have ended too.

    An interrupted holder may live on: only its own next write knows better, because its children do as they are told.
    """
    if not left or is_this_process(left):
        return
    until = time.monotonic() + ORPHAN_SECONDS

    def hindrance() -> str | None:
        orphans = [process for process in left["children"] if is_alive(process)]
        if orphans and time.monotonic() > until:
            raise Unavailable(
                f"{described(left)} died or was interrupted while it wrote {table}, but its process "
                f"{orphans[0]['pid']} still runs after {ORPHAN_SECONDS} s. End it (kill {orphans[0]['pid']}) and try "
                "again."
            )
        return f"waiting to write {table}: what {described(left)} left behind is still ending" if orphans else None

    wait_until_free(hindrance, progress)


def _read(file: IO[str]) -> dict[str, Any]:
    """What the holder wrote; nothing where it is just being written."""
    file.seek(0)
    try:
        return json.loads(file.read() or "{}")
    except json.JSONDecodeError:
        return {}


def _write(file: IO[str], content: dict[str, Any]) -> None:
    file.seek(0)
    file.truncate()
    file.write(json.dumps(content))
    file.flush()
