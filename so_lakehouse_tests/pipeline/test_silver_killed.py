"""Killed at every write of a converge, one after the other, and run again: the same tables as without a kill.

The kill is an exception that nothing catches, after which nothing more is written; runs killed by the operating system
are in test_command_line.py and test_two_writers.py, because each costs a process and a JVM.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from so_lakehouse import failpoints, lake, spark
from so_lakehouse.lake import silver_tables, tiny
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.spark import converge as converging
from so_lakehouse.spark.converge import converge
from so_lakehouse_tests.pipeline.evidence import write_dump, write_pages

TABLES = ["posts", "comments"]
OTHERS = {"maintenance.py"}  # no part of a converge
REACH = re.compile(r'failpoints\.reach\(f?"(silver\.[^"]+)"\)')


def places() -> list[str]:
    """Every fail point that the source of a converge names; a table's name in it stands as {…}."""
    folders = (Path(spark.__file__).parent, Path(lake.__file__).parent)
    files = [file for folder in folders for file in sorted(folder.glob("*.py")) if file.name not in OTHERS]
    return sorted({re.sub(r"\{.*?\}", "{table}", name) for file in files for name in REACH.findall(file.read_text())})


class Killed(BaseException):
    """The end of a run at a fail point."""


class Killer:
    """Kills each run at the first place where none was killed before in the same step. A run comes by some places more
    than once, with a write after each: the second time is a place of its own."""

    def __init__(self) -> None:
        self.steps: list[list[tuple[str, int]]] = []
        self.passed = Counter[str]()  # by the run that is under way
        self.dead = False

    def reach(self, name: str) -> None:
        self.passed[name] += 1
        place, places = (name, self.passed[name]), self.steps[-1]
        if not self.dead and place in places:
            return
        if not self.dead:
            places.append(place)
        self.dead = True  # whatever other threads still reach, they do not go on either
        raise Killed(name)

    def run(self, work) -> None:
        """Does a step's work again and again until nothing kills it any more."""
        self.steps.append([])
        for _ in range(100):
            self.dead, self.passed = False, Counter()
            try:
                return work()
            except Killed:
                continue
        raise AssertionError("a run that is killed makes no progress")


class Watcher:
    """Lets runs pass, and notes what readers can see that was written between two fail points."""

    def __init__(self, lake: Lake) -> None:
        self.lake, self.last = lake, ""
        self.seen: dict[str, bytes] = {}
        self.writes: list[tuple[str, str, list[str]]] = []  # from one place to the next: commits, manifests and gates

    def run(self, work) -> None:
        self.reach("the beginning")
        work()
        self.reach("the end")

    def reach(self, name: str) -> None:
        root = Path(self.lake.root)
        files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.json")}
        now = {name: content for name, content in files.items() if not name.startswith("bronze/")}
        self.writes.append((self.last, name, sorted(file for file in now if self.seen.get(file) != now[file])))
        self.last, self.seen = name, now


# What a site goes through: bronze, whether silver keeps what is about people, and a converge of these tables. Together
# the steps make every kind of write: tables get columns and lose them again, and a post that is swept and comes back
# takes a comment along both times.
STEPS = (
    (
        ["posts"],
        False,
        lambda spark, lake: write_dump(
            lake,
            "2016-09-11",
            {
                "posts": [{"Id": 1}, {"Id": 2}, {"Id": 3, "PostTypeId": 99}],
                "comments": [{"Id": 10, "PostId": 1}, {"Id": 11, "PostId": 2}],
            },
        ),
    ),
    (
        TABLES,
        True,
        lambda spark, lake: (
            write_dump(
                lake,
                "2016-12-11",
                {
                    "posts": [{"Id": 2, "Score": 5}, {"Id": 4}],
                    "comments": [{"Id": 11, "PostId": 2}, {"Id": 12, "PostId": 4}],
                },
            ),
            write_pages(
                lake,
                "questions",
                "2016-12-20",
                [("2016-12-21", {"Id": 5}), ("2016-12-21", {"Id": 6, "PostTypeId": 99})],
                absent=[("2016-12-21", 2)],
            ),
        ),
    ),
    (
        TABLES,
        True,
        lambda spark, lake: write_pages(lake, "questions", "2016-12-24", [("2016-12-25", {"Id": 2})]),
    ),
    (["posts"], False, lambda spark, lake: doubled_by_somebody_else(spark, lake)),
)


def doubled_by_somebody_else(spark, lake: Lake) -> None:
    address = silver_tables.uri(lake, "posts")
    twice = spark.read.format("delta").load(address).where("Id = 4")
    twice.write.format("delta").mode("append").save(address)


QUERIES = {
    "posts": "select * from silver.posts",
    "comments": "select * from silver.comments",
    "tombstones": "select * from silver.tombstones",
    "ledger": """select site, table_name, source, partition, data_version, rule_version, rows_in, rows_inserted,
                 rows_updated, rows_unchanged, rows_superseded, rows_suppressed, rows_quarantined, rows_deduplicated,
                 rows_deleted from silver.ledger""",
    "quarantine": "select table_name, source, partition, rule_version, reason, id from quarantine.rows",
}


def went_through(spark, lake: Lake, settings: Settings, run) -> dict[str, list[str]]:
    """What the lake holds after all steps, and its ledger before the repair; `run` carries out each converge."""

    def rows(name: str) -> list[str]:
        return sorted(map(str, query_lake(lake, QUERIES[name]).to_pylist()))

    ledgers = []
    for tables, keep_personal, publish in STEPS:
        publish(spark, lake)
        changed = replace(settings, keep_personal=keep_personal)
        run(lambda tables=tables, changed=changed: converge(spark, lake, "beer", tables, changed))
        ledgers.append(rows("ledger"))
    # A repair that dies before its gate is done again, finds nothing to change, and says so in the ledger once more.
    repaired = {"ledger": ledgers[-2], "ledger with the repair": sorted(set(ledgers[-1]))}
    return {name: rows(name) for name in QUERIES if name != "ledger"} | repaired


class Done(NamedTuple):
    """Where runs were killed in each step, what the lake then held; what one without kills holds, and its writes."""

    places: list[list[tuple[str, int]]]
    killed: dict[str, list[str]]
    undisturbed: dict[str, list[str]]
    writes: list[tuple[str, str, list[str]]]


@pytest.fixture(scope="module", params=[tiny.TINY_ROWS, 0], ids=["without Spark", "by Spark"])
def done(request, spark, tmp_path_factory) -> Done:
    """Few rows are written without Spark; as of many, each write is Spark's."""
    homes = [Settings(home=tmp_path_factory.mktemp(name)) for name in ("undisturbed", "killed")]
    lakes = [Lake(settings.lake_uri) for settings in homes]
    watcher, killer = Watcher(lakes[0]), Killer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny, "TINY_ROWS", request.param)
        # Tables are written in turn: each write can be the one that dies.
        patch.setattr(converging, "TABLES_AT_ONCE", 1)
        patch.setattr(failpoints, "reach", watcher.reach)
        undisturbed = went_through(spark, lakes[0], homes[0], watcher.run)
        patch.setattr(failpoints, "reach", killer.reach)
        killed = went_through(spark, lakes[1], homes[1], killer.run)
    return Done(killer.steps, killed, undisturbed, watcher.writes)


@pytest.mark.parametrize("place", places())
def test_a_run_was_killed_at(place, done):
    names = {place.replace("{table}", table) for table in TABLES}
    assert names <= {name for step in done.places for name, _ in step}


def test_between_two_places_readers_see_at_most_one_write(done):
    by_converge = [(place, then, files) for place, then, files in done.writes if then != "the beginning"]
    assert [writes for writes in by_converge if len(writes[-1]) > 1] == []
    written = {file.partition("/")[0] for _, _, files in by_converge for file in files}
    assert written == {"silver", "silver_gates", "quarantine"}


def test_in_every_step_runs_were_killed_around_each_write(done):
    first, merged, returned, repaired = ({name for name, _ in step} for step in done.places)
    posts, comments = ({f"silver.before_{table}", f"silver.{table}_written"} for table in TABLES)
    books = {"silver.before_ledger", "silver.ledger_written", "silver.before_gate", "silver.before_note"}
    assert posts | books <= first
    assert posts | comments | books | {"silver.tombstones_written"} <= merged
    assert posts | comments | books <= returned
    assert ("silver.tombstones_written", 2) in done.places[2], "after the comment is back"
    assert {"silver.before_repair", "silver.repaired", "silver.migrated"} | books <= repaired


@pytest.mark.parametrize("what", [*QUERIES, "ledger with the repair"])
def test_the_same_in_the_end(what, done):
    assert done.undisturbed[what], "nothing to compare"
    assert done.killed[what] == done.undisturbed[what]
