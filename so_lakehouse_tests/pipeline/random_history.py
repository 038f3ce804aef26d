"""Random histories of a small site for tests of converging: dumps and pages that often contradict each other.

Belongs here: what happens and in which order it arrives. Not here: what silver makes of it (`converge_model.py`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from so_lakehouse_tests.pipeline.converge_model import Said
from so_lakehouse_tests.pipeline.evidence import CREATED, at, quarter_of

CUTS = ("2016-03-31", "2016-06-30", "2016-08-15", "2016-09-30")  # the last two are of one quarter
PAGES = 6  # days of the API; the last half of them is later than any dump, so that their sweeps and returns stand
ENTITIES = {"questions": "posts", "comments": "comments"}
COLUMNS = {
    "posts": ("Score", "FavoriteCount", "LastActivityDate"),
    "comments": ("Score", "PostId"),
    "post_history": ("PostHistoryTypeId", "PostId"),  # dumps alone tell it
}
LACKED = {"posts": 0.1, "comments": 0.25, "post_history": 0.5}  # how often a release lacks a table
CREATED_SECONDS = CREATED.replace(microsecond=0)


@dataclass(frozen=True)
class Size:
    """How many keys a site has, and of how many of a table its pages speak, so that they often contradict each other.

    Of few keys there is often nothing to do (no absence, no copy, no fault), of many there is everything at once.
    """

    posts: int
    comments: int
    spoken: int

    def keys(self, table: str) -> range:
        return range(1, 1 + (self.posts if table == "posts" else self.comments))


SMALL = Size(40, 60, 12)


@dataclass(frozen=True)
class DumpInput:
    cut: str
    revision: int
    tables: dict
    unread: dict
    failed: bool = False  # a check of bronze: silver does not take it in

    @property
    def quarter(self) -> str:
        return quarter_of(self.cut)


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
    number = "Score" if table == "comments" else "PostHistoryTypeId"
    return {number: chance.randrange(1, 4), "PostId": chance.choice(size.keys("posts"))}


def random_dump(chance: random.Random, cut: str, revision: int, size: Size) -> DumpInput:
    tables, unread = {}, {}
    for table in COLUMNS:
        keys = size.keys(table)
        if chance.random() < LACKED[table]:
            continue  # a partial release
        tables[table] = [{"Id": key} | random_row(chance, table, size) for key in keys if chance.random() < 0.7]
        twice = [row for row in tables[table] if chance.random() < 0.1]
        tables[table] += [chance.choice([row, row | random_row(chance, table, size)]) for row in twice]
        told = {row["Id"] for row in tables[table]}
        silent = [key for key in keys if key not in told and chance.random() < 0.3]
        unread[table] = silent + ([None] if chance.random() < 0.2 else [])
    return DumpInput(cut, revision, tables, unread)


def random_pages(chance: random.Random, number: int, size: Size) -> list[PagesInput]:
    first, days = (datetime(2016, 3, 20, tzinfo=UTC), 194) if number < PAGES // 2 else (at(CUTS[-1]), 30)
    day = first + timedelta(days=chance.randrange(days))
    # Often one of few instants, so that pages of several days are of the same.
    fetched = at(CUTS[-1]) + timedelta(days=40) if chance.random() < 0.5 else day + timedelta(days=1, seconds=number)
    # Of some keys only days before the last cut speak: what they say counts where that dump says nothing.
    spoken = size.spoken if number < PAGES // 2 else size.spoken // 2
    return [PagesInput(name, f"{day:%Y-%m-%d}", random_words(chance, name, fetched, size, spoken)) for name in ENTITIES]


def random_words(chance: random.Random, entity: str, fetched: datetime, size: Size, spoken: int) -> tuple[Said, ...]:
    """What one fetch of an entity says: of some of its first keys a row, of some that they were not returned."""
    table, said = ENTITIES[entity], []
    for key in chance.sample(range(1, 1 + spoken), spoken // 2):
        row = random_row(chance, table, size)
        row.pop("FavoriteCount", None)
        if "LastActivityDate" in row:
            row["LastActivityDate"] = row["LastActivityDate"].replace(microsecond=0)
        said.append(Said(fetched, key, row if chance.random() < 0.7 else None))
    return tuple(said)


def random_history(chance: random.Random, size: Size, cuts: Sequence[str] = CUTS) -> list:
    """A dump per cut, one of them issued again, one with an issue that fails, and pages of days before and after."""
    inputs: list = [random_dump(chance, cut, 0, size) for cut in cuts]
    inputs.append(random_dump(chance, chance.choice(cuts), 1, size))
    inputs.append(replace(random_dump(chance, chance.choice(cuts), 2, size), failed=True))
    days: dict[tuple[str, str], PagesInput] = {}
    for number in range(PAGES):
        for pages in random_pages(chance, number, size):
            first = days.get((pages.entity, pages.day), replace(pages, said=()))
            days[pages.entity, pages.day] = replace(pages, said=(*first.said, *pages.said))
    inputs += days.values()
    for pages in chance.sample(list(days.values()), 3):  # fetched once more: bronze keeps what the first fetch told
        fetched = max(word.as_of for word in pages.said) + timedelta(days=1)
        again = random_words(chance, pages.entity, fetched, size, size.spoken // 2)
        inputs.append(replace(pages, said=(*pages.said, *again)))
    return inputs


def shuffled(chance: random.Random, inputs: list) -> list:
    """Any order, except that of a quarter's dumps the later follows the earlier (landing would not replace the newer
    one), and the second fetch of a day the first."""
    order = list(inputs)
    chance.shuffle(order)
    dumps = sorted((i for i in order if isinstance(i, DumpInput)), key=lambda i: (i.cut, i.revision))
    of_quarter = {quarter: iter([i for i in dumps if i.quarter == quarter]) for quarter in {i.quarter for i in dumps}}
    pages = iter(sorted((i for i in order if isinstance(i, PagesInput)), key=lambda i: (len(i.said), chance.random())))
    return [next(of_quarter[i.quarter]) if isinstance(i, DumpInput) else next(pages) for i in order]


def newest_issues(inputs: list) -> list[DumpInput]:
    """Of each quarter the dump that stands for it in bronze."""
    dumps = (given for given in inputs if isinstance(given, DumpInput))
    return list({given.quarter: given for given in sorted(dumps, key=lambda i: (i.cut, i.revision))}.values())
