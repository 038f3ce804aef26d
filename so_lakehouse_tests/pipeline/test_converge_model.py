"""Whatever arrives in whatever order, with crashes and repetitions: silver equals the plain model of the rules."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from so_lakehouse import failpoints
from so_lakehouse.lake.tombstones import NOT_RETURNED
from so_lakehouse.spark import keys, session
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.read import silver_rows
from so_lakehouse_tests.pipeline.converge_model import Dump, Evidence, Said, site_state
from so_lakehouse_tests.pipeline.evidence import at, tombstones, write_dump, write_pages

SEEDS = range(1, 1 + int(os.environ.get("MODEL_SEEDS", "1")))
CUTS = ("2016-03-31", "2016-06-30", "2016-09-30")
PAGES = 6  # days of the API; the last half of them is later than any dump, so that their sweeps and returns stand
ENTITIES = {"questions": "posts", "comments": "comments"}
COLUMNS = {"posts": ("Score", "FavoriteCount", "LastActivityDate"), "comments": ("Score", "PostId")}
CREATED = datetime(2016, 1, 1, 12, 0, 0, 123000, UTC)
CREATED_SECONDS = CREATED.replace(microsecond=0)


@dataclass(frozen=True)
class Size:
    """How many keys a site has, and of how many of a table its pages speak, so that they often contradict each other.

    Of few keys there is often nothing to do (no absence, no copy, no fault), of many there is everything at once.
    """

    posts: int
    comments: int
    spoken: int
    many: bool  # for Spark: taken for a large table, with more keys than are named one by one

    def keys(self, table: str) -> range:
        return range(1, 1 + (self.posts if table == "posts" else self.comments))


SIZES = (Size(40, 60, 12, many=False), Size(400, 600, 120, many=True))


class Crash(BaseException):
    """Ends a run at a fail point, as a kill would, without a new process for each."""


@dataclass(frozen=True)
class DumpInput:
    cut: str
    revision: int
    tables: dict
    unread: dict


@dataclass(frozen=True)
class PagesInput:
    entity: str
    day: str
    said: tuple


def random_date(chance: random.Random) -> datetime:
    """One of few, so that pages often tell a dump's second."""
    return CREATED + timedelta(hours=chance.randrange(4), milliseconds=chance.randrange(3))


def random_row(chance: random.Random, table: str, size: Size) -> dict:
    if table == "posts":
        return {
            "Score": chance.randrange(4),
            "FavoriteCount": chance.randrange(4),
            "LastActivityDate": random_date(chance),
        }
    return {"Score": chance.randrange(4), "PostId": chance.choice(size.keys("posts"))}


def random_dump(chance: random.Random, cut: str, revision: int, size: Size) -> DumpInput:
    tables, unread = {}, {}
    for table in COLUMNS:
        keys = size.keys(table)
        if chance.random() < (0.25 if table == "comments" else 0.1):
            continue  # a partial release
        tables[table] = [{"Id": key} | random_row(chance, table, size) for key in keys if chance.random() < 0.7]
        twice = [row for row in tables[table] if chance.random() < 0.1]
        tables[table] += [chance.choice([row, row | random_row(chance, table, size)]) for row in twice]
        told = {row["Id"] for row in tables[table]}
        silent = [key for key in keys if key not in told and chance.random() < 0.15]
        unread[table] = silent + ([None] if chance.random() < 0.2 else [])
    return DumpInput(cut, revision, tables, unread)


def random_pages(chance: random.Random, number: int, size: Size) -> list[PagesInput]:
    first, days = (datetime(2016, 3, 20, tzinfo=UTC), 194) if number < PAGES // 2 else (at(CUTS[-1]), 30)
    day = first + timedelta(days=chance.randrange(days))
    fetched = day + timedelta(days=1, seconds=number)
    return [PagesInput(name, f"{day:%Y-%m-%d}", random_words(chance, name, fetched, size)) for name in ENTITIES]


def random_words(chance: random.Random, entity: str, fetched: datetime, size: Size) -> tuple[Said, ...]:
    """What one fetch of an entity says: of some keys a row, of some that they were not returned."""
    table, said = ENTITIES[entity], []
    for key in chance.sample(size.keys(table)[: size.spoken], size.spoken // 2):
        row = random_row(chance, table, size)
        row.pop("FavoriteCount", None)
        if "LastActivityDate" in row:
            row["LastActivityDate"] = row["LastActivityDate"].replace(microsecond=0)
        said.append(Said(fetched, key, row if chance.random() < 0.7 else None))
    return tuple(said)


def random_history(chance: random.Random, size: Size) -> list:
    inputs: list = [random_dump(chance, cut, 0, size) for cut in CUTS]
    inputs.append(random_dump(chance, chance.choice(CUTS), 1, size))
    days: dict[tuple[str, str], PagesInput] = {}
    for number in range(PAGES):
        for pages in random_pages(chance, number, size):
            first = days.get((pages.entity, pages.day), replace(pages, said=()))
            days[pages.entity, pages.day] = replace(pages, said=(*first.said, *pages.said))
    inputs += days.values()
    for pages in chance.sample(list(days.values()), 3):  # fetched once more: bronze keeps what the first fetch told
        fetched = max(word.as_of for word in pages.said) + timedelta(days=1)
        inputs.append(replace(pages, said=(*pages.said, *random_words(chance, pages.entity, fetched, size))))
    return inputs


def shuffled(chance: random.Random, inputs: list) -> list:
    """Any order, except that a re-issue follows what it re-issues (landing would not replace the newer one), and the
    second fetch of a day the first."""
    order = list(inputs)
    chance.shuffle(order)
    dumps = iter(sorted((i for i in order if isinstance(i, DumpInput)), key=lambda i: (i.revision, chance.random())))
    pages = iter(sorted((i for i in order if isinstance(i, PagesInput)), key=lambda i: (len(i.said), chance.random())))
    return [next(dumps) if isinstance(i, DumpInput) else next(pages) for i in order]


def publish(lake, site: str, given, version: str = "") -> None:
    if isinstance(given, DumpInput):
        tables, unread = dict(given.tables), dict(given.unread)
        if "posts" in tables:  # of what a dump does not tell half is refused by bronze, half by silver's cleaning
            refused = [key for key in unread["posts"] if key is not None and key % 2]
            tables["posts"] = [*tables["posts"], *({"Id": key, "PostTypeId": 99} for key in refused)]
            unread["posts"] = [key for key in unread["posts"] if key not in refused]
        write_dump(lake, given.cut, tables, site=site, revision=given.revision, unread=unread, version=version)
        return
    dates = {"CreationDate": CREATED_SECONDS}
    said = [(s.as_of.isoformat()[:19], {"Id": s.key} | dates | s.row) for s in given.said if s.row is not None]
    absent = [(s.as_of.isoformat()[:19], s.key) for s in given.said if s.row is None]
    write_pages(lake, given.entity, given.day, said, absent, site=site, version=str(len(given.said)))


def newest_issues(inputs: list) -> list[DumpInput]:
    """Of each quarter's dumps the last issue."""
    dumps = sorted((given for given in inputs if isinstance(given, DumpInput)), key=lambda given: given.revision)
    return list({given.cut: given for given in dumps}.values())


def evidence_of(inputs: list, table: str, entity: str) -> Evidence:
    latest = newest_issues([given for given in inputs if table in getattr(given, "tables", ())])  # others lack it
    dumps = [
        Dump(
            at(given.cut) + timedelta(days=1) - timedelta(microseconds=1),
            given.revision,
            {row["Id"]: {name: value for name, value in row.items() if name != "Id"} for row in given.tables[table]},
            frozenset(key for key in given.unread[table] if key is not None),
            None in given.unread[table],
        )
        for given in latest
    ]
    said = [word for given in inputs if isinstance(given, PagesInput) and given.entity == entity for word in given.said]
    return Evidence(dumps, said)


def held(spark, lake, table: str, site: str, columns: tuple[str, ...]) -> dict:
    """Rows of silver by key, dates as moments."""
    rows = silver_rows(spark, lake, table, site).select("Id", *columns, "_as_of", "_kept").toArrow().to_pylist()
    return {row.pop("Id"): row for row in rows}


def assert_equals_model(spark, lake, site: str, arrived: list, result: dict) -> None:
    """Both tables and the sweeps that silver remembers are what the model makes of what has arrived."""
    posts, comments = evidence_of(arrived, "posts", "questions"), evidence_of(arrived, "comments", "comments")
    *expected, swept = site_state(posts, comments)
    for (table, columns), rows in zip(COLUMNS.items(), expected, strict=True):
        found = held(spark, lake, table, site, columns) if result[table].version is not None else {}
        told = filled(rows, columns)
        differing = {
            key: (found.get(key), told.get(key)) for key in found.keys() | told if found.get(key) != told.get(key)
        }
        assert not differing, f"{site}, after {len(arrived)} inputs: {table} (silver, model)"
    sweeps = {t.id: t.as_of for t in tombstones(lake, site) if (t.table_name, t.reason) == ("posts", NOT_RETURNED)}
    assert sweeps == swept, f"{site}, after {len(arrived)} inputs: tombstones"
    failed = [check.detail for r in result.values() for check in r.checks if check.blocking and not check.passed]
    assert not failed, f"{site}, after {len(arrived)} inputs: {failed}"


def filled(rows: dict, columns: tuple[str, ...]) -> dict:
    return {key: {name: row.get(name) for name in (*columns, "_as_of", "_kept")} for key, row in rows.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_silver_equals_the_model_in_any_order_of_arrival(spark, lake, settings, monkeypatch, seed):
    chance = random.Random(seed)
    accepting = replace(settings, accept_shrink=True)
    crash_in = [0]

    def reach(name: str) -> None:
        crash_in[0] -= 1
        if crash_in[0] == 0:
            raise Crash(name)

    monkeypatch.setattr(failpoints, "reach", reach)

    for size in SIZES:  # each in an order of its own; the model knows of none
        site = f"seed{seed}-{size.posts}"
        inputs = random_history(chance, size)
        print(f"{site}: {len(inputs)} inputs")
        if size.many:
            monkeypatch.setattr(session, "SMALL_ROWS", 0)
            monkeypatch.setitem(
                session.LARGE, "spark.sql.shuffle.partitions", "3"
            )  # several, and no more than it takes
            monkeypatch.setattr(keys, "MOST_KEYS", size.spoken // 4)
        waiting, arrived = shuffled(chance, inputs), []
        while waiting:
            arriving = chance.randint(6, 9)
            for given in waiting[:arriving]:
                publish(lake, site, given)
            arrived += waiting[:arriving]
            waiting = waiting[arriving:]
            if dumps := newest_issues(arrived):
                publish(lake, site, chance.choice(dumps), version=chance.choice(["", "landed anew "]))
            crash_in[0] = chance.choice([0, chance.randint(1, 8)])
            tables = chance.choice([["posts", "comments"], ["posts", "comments"], ["comments"], ["posts"]])
            with suppress(Crash):
                result = converge(spark, lake, site, tables, accepting)
                if len(tables) == 2:
                    assert_equals_model(spark, lake, site, arrived, result)
            crash_in[0] = 0
        result = converge(spark, lake, site, ["posts", "comments"], accepting)
        assert_equals_model(spark, lake, site, inputs, result)
        again = converge(spark, lake, site, ["posts", "comments"], accepting)
        assert not any(r.applied for r in again.values()), f"{site}: a run without news applied something"
