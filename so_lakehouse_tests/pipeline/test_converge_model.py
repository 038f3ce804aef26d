"""Whatever arrives in whatever order, with crashes and repetitions: silver equals the plain model of the rules, and the
warehouse follows it by its change feed."""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import replace

import pytest

from so_lakehouse import failpoints
from so_lakehouse.lake import gates, tiny
from so_lakehouse.lake.ledger import open_delta
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.tombstones import ABSENT_FROM_DUMP, NOT_RETURNED, POST_DELETED
from so_lakehouse.settings import Settings
from so_lakehouse.spark import clean, keys, read, session, settled
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.read import silver_rows
from so_lakehouse.warehouse.load import load_site
from so_lakehouse_tests.pipeline.converge_model import Evidence, State, beside, merged
from so_lakehouse_tests.pipeline.evidence import tombstones, write_dump, write_pages
from so_lakehouse_tests.pipeline.history_events import arrivals, eventful_history, evidence_of
from so_lakehouse_tests.pipeline.random_history import (
    COLUMNS,
    CREATED_SECONDS,
    SMALL,
    DumpInput,
    newest_issues,
)

# MODEL_SEEDS=10: seeds 1 to 10. MODEL_SEED: this one alone, or `random`; a failing test prints it.
ONE = os.environ.get("MODEL_SEED", "")
SEEDS = range(1, 1 + int(os.environ.get("MODEL_SEEDS", "1")))
if ONE:
    seed = random.SystemRandom().randrange(10**6) if ONE == "random" else int(ONE)
    SEEDS = range(seed, seed + 1)
# What becomes of the runs before all has arrived: killed somewhere, of some tables only, or held against the model.
CRASHED, PARTLY, COMPARED = "crashed", "partly", "compared"


class Crash(BaseException):
    """Ends a run at a fail point, as a kill would, without a new process for each."""


def publish(lake, site: str, given, version: str = "") -> None:
    if isinstance(given, DumpInput):
        tables, unread = dict(given.tables), dict(given.unread)
        if "posts" in tables:  # of what a dump does not tell half is refused by bronze, half by silver's cleaning
            refused = [key for key in unread["posts"] if key is not None and key % 2]
            tables["posts"] = [*tables["posts"], *({"Id": key, "PostTypeId": 99} for key in refused)]
            unread["posts"] = [key for key in unread["posts"] if key not in refused]
        failed = ["tags"] if given.failed else []
        write_dump(
            lake, given.cut, tables, site=site, revision=given.revision, unread=unread, version=version, failed=failed
        )
        return
    dates = {"CreationDate": CREATED_SECONDS}
    said = [(s.as_of.isoformat()[:19], {"Id": s.key} | dates | s.row) for s in given.said if s.row is not None]
    absent = [(s.as_of.isoformat()[:19], s.key) for s in given.said if s.row is None]
    write_pages(lake, given.entity, given.day, said, absent, site=site, version=str(len(given.said)))


class Silver:
    """What silver holds of one site, beside what it has held."""

    def __init__(self, spark, lake, site: str) -> None:
        self.spark, self.lake, self.site = spark, lake, site
        self.held: dict[str, set[int]] = {table: set() for table in COLUMNS}
        self.ever_held: dict[str, set[int]] = {table: set() for table in COLUMNS}

    def look(self) -> None:
        """Remembers the keys that are there, also where a run was killed."""
        for table in COLUMNS:
            if open_delta(self.lake, table) is not None:
                query = f"select Id from silver.{table} where site = '{self.site}'"
                self.held[table] = set(query_lake(self.lake, query)["Id"].to_pylist())
                self.ever_held[table] |= self.held[table]

    def load(self, warehouse: Settings) -> None:
        """The warehouse follows, by the change feed alone; it commits only what equals the projection of silver."""
        if gates.load(self.lake, self.site):
            done = load_site(self.lake, warehouse, self.site)
            told = {name: (loaded.how, loaded.reason) for name, loaded in done.items()}
            assert {how for how, _ in told.values()} <= {"first", "changes", "unchanged", "absent"}, told

    def everything(self, table: str) -> list[dict]:
        """All that readers see of a table, but the name of the site, and what it remembers by the evidence alone."""
        if open_delta(self.lake, table) is None:
            return []
        rows = query_lake(self.lake, f"select * from silver.{table} where site = '{self.site}' order by Id")
        held = [t._asdict() for t in tombstones(self.lake, self.site) if t.table_name == table]
        decided = [gone for gone in held if gone["reason"] != ABSENT_FROM_DUMP]
        return [*rows.drop_columns(["site"]).to_pylist(), *sorted(decided, key=lambda gone: gone["id"])]

    def rows(self, table: str) -> dict:
        """Rows by key, dates as moments."""
        if open_delta(self.lake, table) is None:
            return {}
        found = silver_rows(self.spark, self.lake, table, self.site)
        rows = found.select("Id", *COLUMNS[table], "_as_of", "_kept").toArrow().to_pylist()
        return {row.pop("Id"): row for row in rows}

    def assert_equals_model(self, arrived: list, result: dict) -> None:
        """Rows and tombstones are what the model makes of what has arrived."""
        posts = evidence_of(arrived, "posts")
        for table, columns in COLUMNS.items():
            evidence = posts if table == "posts" else evidence_of(arrived, table)
            state = merged(posts) if table == "posts" else beside(posts, evidence)
            what = f"{self.site}, after {len(arrived)} inputs: {table} (silver, model)"
            found, told = self.rows(table), filled(state.rows, columns)
            differing = {key: (found.get(key), told.get(key)) for key in found.keys() | told}
            assert not {key: pair for key, pair in differing.items() if pair[0] != pair[1]}, what
            assert [row for row in result[table].applied if row.rows_in != row.rows_accounted] == [], what
            grown = sum(row.rows_inserted - row.rows_deleted for row in result[table].applied)
            assert grown == len(found) - len(self.held[table]), f"{what}: what its new rows of the ledger say"
            self.assert_remembers(table, evidence, state, what)
        failed = [check.detail for r in result.values() for check in r.checks if check.blocking and not check.passed]
        assert not failed, f"{self.site}, after {len(arrived)} inputs: {failed}"

    def assert_remembers(self, table: str, evidence: Evidence, state: State, what: str) -> None:
        held = [t for t in tombstones(self.lake, self.site) if t.table_name == table]
        assert {t.id: t.as_of for t in held if t.reason == NOT_RETURNED} == state.swept, what
        assert {t.id: (t.as_of, t.post_id) for t in held if t.reason == POST_DELETED} == state.along, what
        absent = {t.id: t.as_of for t in held if t.reason == ABSENT_FROM_DUMP}
        assert absent == {key: evidence.gone_as_of(key) for key in absent if key not in state}, what
        assert absent.keys() <= self.ever_held[table], f"{what}: keys that it never had"
        denied = {key for key in self.held[table] if key not in state and evidence.gone_as_of(key)}
        assert denied <= absent.keys(), f"{what}: keys that it forgot"


def filled(rows: dict, columns: tuple[str, ...]) -> dict:
    return {key: {name: row.get(name) for name in (*columns, "_as_of", "_kept")} for key, row in rows.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_silver_equals_the_model_in_any_order_of_arrival(spark, lake, settings, warehouse, monkeypatch, seed):
    chance = random.Random(seed)
    accepting = replace(settings, accept_shrink=True)
    crash_in, done = [0], Counter[str]()

    def reach(name: str) -> None:
        crash_in[0] -= 1
        if crash_in[0] == 0:
            raise Crash(name)

    monkeypatch.setattr(failpoints, "reach", reach)

    def take_in(silver: Silver, arrived: list, kind: str) -> None:
        """One run, of what has arrived by then."""
        tables = chance.choice([["comments", "post_history"], ["posts"]]) if kind == PARTLY else [*COLUMNS]
        crash_in[0] = chance.randint(1, 16) if kind == CRASHED else 0
        told = settled.standing(lake, silver.site, tables, accepting)
        try:
            result = converge(spark, lake, silver.site, tables, accepting)
        except Crash as crash:
            print(f"{silver.site}: killed at {crash}")
            done[CRASHED] += 1
        else:
            assert told in (None, result), "what is told without Spark is what it would have done"
            if len(tables) == len(COLUMNS):
                silver.assert_equals_model(arrived, result)
            done[PARTLY if kind == PARTLY else COMPARED] += 1
        crash_in[0] = 0
        silver.look()
        silver.load(warehouse)

    def arrive(site: str, inputs: list, *before: str, by_new_rules: bool = False) -> Silver:
        """Silver of a site where these inputs arrive in an order of its own, with such runs before all are there;
        `by_new_rules`: the rules have changed before the last."""
        silver, arrived = Silver(spark, lake, site), []
        for part, kind in zip(arrivals(chance, inputs, len(before) + 1), [*before, COMPARED], strict=True):
            arrived += part
            for given in part:
                publish(lake, site, given)
            if dumps := newest_issues(arrived):
                publish(lake, site, chance.choice(dumps), version=chance.choice(["", "landed anew "]))
            if by_new_rules and len(arrived) == len(inputs):
                monkeypatch.setattr(clean, "RULES", clean.RULES + 1)
            take_in(silver, arrived, kind)
        return silver

    inputs = eventful_history(chance, SMALL)
    print(f"seed {seed}: {len(inputs)} inputs")
    one = arrive(f"seed{seed}-one", inputs, chance.choice([CRASHED, PARTLY]), COMPARED)
    told = settled.standing(lake, one.site, [*COLUMNS], accepting)
    again = converge(spark, lake, one.site, [*COLUMNS], accepting)
    assert told == again, "that there is no news is seen without Spark"
    assert not any(r.applied for r in again.values()), "a run without news applied something"

    # The other order takes the ways of large tables: it is Spark that merges.
    monkeypatch.setattr(session, "SMALL_ROWS", 0)
    monkeypatch.setattr(tiny, "TINY_ROWS", 0)
    monkeypatch.setitem(session.LARGE, "spark.sql.shuffle.partitions", "3")  # several, and no more than it takes
    monkeypatch.setattr(keys, "MOST_KEYS", SMALL.spoken // 4)
    other = arrive(f"seed{seed}-other", inputs, CRASHED, by_new_rules=bool(seed % 2))
    for table in COLUMNS:
        assert one.everything(table) == other.everything(table), f"{table}: two orders of the same inputs"

    # Plans that hold nothing on the way grow with each dump: of these there are two here, beside all pages.
    monkeypatch.setattr(read, "FEW_ROWS", 0)
    dumps = [given for given in inputs if isinstance(given, DumpInput)]
    arrive(f"seed{seed}-large", [given for given in inputs if given not in dumps[2:]])
    if seed == SEEDS.start and not ONE:  # of others a killed run may have had too little to do
        assert done[CRASHED] >= 1, done
        assert done[COMPARED] >= 3, f"all that had arrived for one site, some and all for the other: {done}"
