"""Killed at every write of a converge, one after the other, and run again: the same tables as without a kill.

The kill is an exception that nothing catches, after which nothing more is written; runs killed by the operating system
are in test_command_line.py and test_two_writers.py, because each costs a process and a JVM.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from so_lakehouse import failpoints, lake, spark
from so_lakehouse.lake import silver_tables
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
    """Kills each run at the first place where none was killed before in the same step."""

    def __init__(self) -> None:
        self.steps: list[list[str]] = []
        self.dead = False

    @property
    def places(self) -> list[str]:
        """Of the step that is under way."""
        return self.steps[-1]

    def reach(self, name: str) -> None:
        if not self.dead and name in self.places:
            return
        if not self.dead:
            self.places.append(name)
        self.dead = True  # whatever other threads still reach, they do not go on either
        raise Killed(name)

    def run(self, work) -> None:
        """Does a step's work again and again until nothing kills it any more."""
        self.steps.append([])
        for _ in range(100):
            self.dead = False
            try:
                return work()
            except Killed:
                continue
        raise AssertionError("a run that is killed makes no progress")


# What a site goes through: bronze, then a converge of these tables. From the second on silver keeps what is about
# people, so that a table gets columns. Together the steps make every kind of write; two tables only where it takes two.
STEPS = (
    (
        ["posts"],
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
    (["posts"], lambda spark, lake: doubled_by_somebody_else(spark, lake)),
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


def went_through(spark, home: Path, run) -> dict[str, list[str]]:
    """What the lake holds after all steps, and its ledger before the repair; `run` carries out each converge."""
    settings = Settings(home=home)
    lake = Lake(settings.lake_uri)

    def rows(name: str) -> list[str]:
        return sorted(map(str, query_lake(lake, QUERIES[name]).to_pylist()))

    ledgers = []
    for number, (tables, publish) in enumerate(STEPS):
        publish(spark, lake)
        changed = replace(settings, keep_personal=number > 0)
        run(lambda tables=tables, changed=changed: converge(spark, lake, "beer", tables, changed))
        ledgers.append(rows("ledger"))
    # A repair that dies before its gate is done again, finds nothing to change, and says so in the ledger once more.
    repaired = {"ledger": ledgers[-2], "ledger with the repair": sorted(set(ledgers[-1]))}
    return {name: rows(name) for name in QUERIES if name != "ledger"} | repaired


@pytest.fixture(scope="module")
def killed(spark, tmp_path_factory) -> tuple[list[list[str]], dict, dict]:
    """The places where runs were killed in each step, what the lake then held, and what one without kills holds."""
    undisturbed = went_through(spark, tmp_path_factory.mktemp("undisturbed"), lambda work: work())
    killer = Killer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failpoints, "reach", killer.reach)
        patch.setattr(
            converging, "TABLES_AT_ONCE", 1
        )  # tables are written in turn: each write can be the one that dies
        disturbed = went_through(spark, tmp_path_factory.mktemp("killed"), killer.run)
    return killer.steps, disturbed, undisturbed


@pytest.mark.parametrize("place", places())
def test_a_run_was_killed_at(place, killed):
    names = {place.replace("{table}", table) for table in TABLES}
    assert names <= {name for step in killed[0] for name in step}


def test_in_every_step_runs_were_killed_around_each_write(killed):
    first, merged, repaired = map(set, killed[0])
    posts, comments = ({f"silver.before_{table}", f"silver.{table}_written"} for table in TABLES)
    books = {"silver.before_ledger", "silver.ledger_written", "silver.before_gate"}
    assert posts | books <= first
    assert posts | comments | books | {"silver.tombstones_written"} <= merged
    assert {"silver.before_repair", "silver.repaired"} | books <= repaired


@pytest.mark.parametrize("what", [*QUERIES, "ledger with the repair"])
def test_the_same_in_the_end(what, killed):
    _, disturbed, undisturbed = killed
    assert undisturbed[what], "nothing to compare"
    assert disturbed[what] == undisturbed[what]
