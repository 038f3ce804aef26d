"""A process that takes the write locks of a lake in an object store and does what it is told, one JSON line each.

Started by test_lake_lease.py: `python -m so_lakehouse_tests.pipeline.lease_process POSTGRES`. It takes the locks and
says so; then `commit` asks whether a commit may begin, `fail` ends the work with an error, `end` ends it. No store is
asked: the locks are Postgres' alone.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from so_lakehouse.errors import LakehouseError
from so_lakehouse.lake import lease, lock
from so_lakehouse.lake.object_store import ObjectStore
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings

PARTS = ("silver.posts", "silver.ledger")

# So that nobody waits for minutes; the order of them is the real one.
lease.RENEW_SECONDS, lease.STOP_SECONDS, lease.KILL_SECONDS, lease.TAKE_OVER_SECONDS = 0.3, 3.0, 4.0, 6.0


class Work:
    """Says when it is stopped, and cannot be cancelled."""

    def cancel(self) -> None:
        tell("cancelled")

    def kill(self) -> None:
        tell("killed")


def main(postgres: str) -> None:
    settings = Settings(home=Path("unused"), postgres=postgres)
    lake = Lake("s3://bucket/lake", ObjectStore("http://127.0.0.1:1", "key", "secret"))
    told: list[str] = []

    def progress(what: str, done: int, total: int | None = None) -> None:
        if what not in told:
            told.append(what)
            tell("waiting", why=what)

    try:
        with lock.writing(lake, PARTS, "converge beer", settings, progress, Work()):
            tell("held", at=time.monotonic())
            for line in sys.stdin:
                if line.strip() == "end":
                    break
                if line.strip() == "fail":
                    raise RuntimeError("the write came back with an error")
                lock.require(lake, "silver.posts")
                tell("may commit")
        tell("given back", at=time.monotonic())
    except (LakehouseError, RuntimeError) as error:
        tell("ended", error=f"{type(error).__name__}: {error}", at=time.monotonic())


def tell(what: str, **more: object) -> None:
    print(json.dumps({"what": what} | more), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
