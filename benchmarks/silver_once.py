"""Takes one simulated site of posts to silver in a process of its own, and prints what each step took as JSON.

Not a benchmark itself: `silver.py` starts it, so that memory is that of one site. Arguments: folder of the mirror,
folder for the lakehouse, changed rows of a day.

The steps: the first quarter, the next one, nothing new, a day of changed posts among the newest hundredth of the keys,
a day of which one half is spread over all keys, maintenance, and such a day once more: files are in order of keys then.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from so_lakehouse import schema
from so_lakehouse.dumps.bronze import read_dump
from so_lakehouse.dumps.land import land_dump, resolve
from so_lakehouse.dumps.mirrors import open_mirror
from so_lakehouse.lake import ledger, paths
from so_lakehouse.lake.api_pages import PagesManifest, page_schema
from so_lakehouse.lake.manifests import BronzeManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.simulate.dumps import DEMO_QUARTERS
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.maintenance import maintain
from so_lakehouse.spark.session import open_session

SITE = "simulated-databases"
TABLE = "posts"


def resident(process: psutil.Process) -> int:
    """Bytes of memory that a process has; none where it has just ended."""
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """The largest resident memory, in bytes, of this process and its Java while the block runs."""
    peak, ended = [0], threading.Event()
    own = psutil.Process()

    def watch() -> None:
        while True:
            peak[0] = max(peak[0], sum(map(resident, [own, *own.children(recursive=True)])))
            if ended.wait(0.1):
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def written_since(lake: Lake, version: int) -> int:
    """Bytes of data, deletion vectors and change feed that commits after this version wrote."""
    log = Path(lake.path(f"{paths.silver(TABLE)}/_delta_log"))
    total = 0
    for number in range(version + 1, newest_version(lake) + 1):
        for line in (log / f"{number:020d}.json").read_text().splitlines():
            action = json.loads(line)
            for kind in ("add", "cdc"):
                entry = action.get(kind)
                if entry and not entry.get("deletionVector"):
                    total += entry["size"]
                elif entry:
                    total += entry["deletionVector"]["sizeInBytes"]
    return total


def newest_version(lake: Lake) -> int:
    """Of the Delta table; -1 where there is none yet."""
    delta = ledger.open_delta(lake, TABLE)
    return -1 if delta is None else delta.version()


def bronze(lake: Lake, columns: list[str] | None = None, keys: list[int] | None = None) -> pa.Table:
    """Questions of the newest dump."""
    manifest = BronzeManifest.load(lake, TABLE, DEMO_QUARTERS[-1], SITE)
    assert manifest is not None
    wanted = [("PostTypeId", "=", 1), *([("Id", "in", keys)] if keys else [])]
    return pa.concat_tables(pq.read_table(lake.path(f), columns=columns, filters=wanted) for f in manifest.files)


def write_day(lake: Lake, name: str, day: datetime, keys: list[int]) -> None:
    """Pages of questions with some more votes each, as fetched when `day` had ended."""
    rows = bronze(lake, keys=keys)
    fetched = day + timedelta(days=1, minutes=5)
    said = pa.array([fetched] * rows.num_rows, pa.timestamp("us", tz="UTC"))
    score = pc.add(rows["Score"], day.day).cast(rows.schema.field("Score").type)
    rows = rows.set_column(rows.schema.get_field_index("Score"), "Score", score)
    rows = rows.append_column("_as_of", said).append_column("_present", pa.array([True] * rows.num_rows))
    path = f"{paths.bronze_api('questions', f'{day:%Y-%m-%d}', SITE)}/{name}.parquet"
    lake.make_folder(path.rpartition("/")[0])
    pq.write_table(rows.cast(page_schema(schema.table(TABLE))), lake.path(path))
    PagesManifest(SITE, f"{day:%Y-%m-%d}", "questions", name, rows.num_rows, 0, fetched.isoformat(), (path,)).save(lake)


def main() -> None:
    mirror_folder, home, changed = sys.argv[1:]
    settings = Settings(home=Path(home))
    lake = Lake.of(settings)
    mirror = open_mirror(mirror_folder, settings)
    session = open_session(settings)
    session.sql("SELECT 1").collect()
    steps: dict[str, Any] = {}

    def converged() -> dict[str, int]:
        """Takes in what waits; returns how many rows of evidence that were, and how many the table has now."""
        result = converge(session, lake, SITE, [TABLE], settings)[TABLE]
        failed = [check.detail for check in result.checks if check.blocking and not check.passed]
        assert not failed, failed
        return {"taken_in": sum(row.rows_in for row in result.applied), "rows": result.rows}

    def maintained() -> dict[str, int]:
        maintain(session, lake, SITE, settings)
        return {"taken_in": 0, "rows": steps["day, spread tail"]["rows"]}

    def step(name: str, work: Callable[[], dict[str, int]] = converged) -> None:
        pa.default_memory_pool().release_unused()  # Arrow's part of what making the evidence took
        before, began = newest_version(lake), time.perf_counter()
        with peak_memory() as peak:
            counts = work()
        steps[name] = counts | {
            "seconds": time.perf_counter() - began,
            "written": written_since(lake, before),
            "peak_mib": peak[0] / 2**20,
            "table": lake.size(paths.silver(TABLE)),
        }

    for name, quarter in zip(("first quarter", "next quarter"), DEMO_QUARTERS[-2:], strict=True):
        raw = land_dump(lake, mirror, resolve(mirror, SITE, quarter), settings)
        read_dump(lake, raw, list(schema.TABLES), settings)
        step(name)
    step("nothing new")
    chance = random.Random(1)
    keys = sorted(bronze(lake, ["Id"])["Id"].to_pylist())
    newest = keys[-max(len(keys) // 100, int(changed)) :]
    half, first_day = int(changed) // 2, datetime(2026, 2, 1, tzinfo=UTC)

    def spread() -> list[int]:
        return [*chance.sample(newest, half), *chance.sample(keys[: -len(newest)], half)]

    def a_day(name: str, number: int, chosen: list[int]) -> None:
        write_day(lake, name.replace(", ", "-").replace(" ", "-"), first_day + timedelta(days=number), chosen)
        step(name)

    a_day("day, newest keys", 0, chance.sample(newest, int(changed)))
    a_day("day, spread tail", 1, spread())
    step("maintenance", maintained)
    a_day("day, spread tail, files in order of keys", 2, spread())
    print(json.dumps(steps))


if __name__ == "__main__":
    main()
