"""Which kinds of event a random history has and in which ways it arrives, so that a test can ask for all of them.

Belongs here: looking at inputs, by way of the model. Not here: drawing them (`random_history.py`).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import combinations, pairwise

from so_lakehouse_tests.pipeline.converge_model import TOLD, Dump, Evidence, beside, merged
from so_lakehouse_tests.pipeline.evidence import at
from so_lakehouse_tests.pipeline.random_history import (
    COLUMNS,
    ENTITIES,
    DumpInput,
    PagesInput,
    Size,
    newest_issues,
    random_history,
    shuffled,
)

# What happens to a key from one dump to the next, and what silver makes of it when all has arrived.
BY_DUMPS = {"created", "edited", "deleted", "undeleted", "told twice", "told twice and differently"}
IN_THE_END = {"kept: quarantined", "kept: deletions suspended", "swept", "returned", "edited by a page"}
# Pages that decide by the finer rules: between the cuts of two dumps, and of one instant.
FINELY = {"kept as a page told it", "told and not returned at once", "told differently at once"}
ALONG = {f"{table} that went along" for table in COLUMNS if table != "posts"}
OF_INPUTS = {"re-issue", "partial release", "doubled day"}
EVENTS = frozenset(BY_DUMPS | IN_THE_END | FINELY | ALONG | OF_INPUTS)


def evidence_of(inputs: Sequence[DumpInput | PagesInput], table: str) -> Evidence:
    """What inputs tell of a table, for the model: all dumps that have the table and passed bronze's checks."""
    issues = [i for i in inputs if isinstance(i, DumpInput) and table in i.tables and not i.failed]
    dumps = [
        Dump(
            cut_of(given),
            given.revision,
            {row["Id"]: {name: value for name, value in row.items() if name != "Id"} for row in given.tables[table]},
            frozenset(key for key in given.unread[table] if key is not None),
            None in given.unread[table],
        )
        for given in issues
    ]
    pages = [given for given in inputs if isinstance(given, PagesInput) and ENTITIES[given.entity] == table]
    return Evidence(TOLD[table], dumps, [word for given in pages for word in given.said])


def cut_of(dump: DumpInput) -> datetime:
    return at(dump.cut) + timedelta(days=1) - timedelta(microseconds=1)


def events(inputs: Sequence[DumpInput | PagesInput]) -> frozenset[str]:
    """The kinds of `EVENTS` that this history has."""
    posts = evidence_of(inputs, "posts")
    found = {name for table in COLUMNS for name in _of_table(evidence_of(inputs, table), table)}
    for table in COLUMNS:
        if table != "posts" and beside(posts, evidence_of(inputs, table)).along:
            found.add(f"{table} that went along")
    dumps = [given for given in inputs if isinstance(given, DumpInput)]
    days = [(given.entity, given.day) for given in inputs if isinstance(given, PagesInput)]
    has = {
        "re-issue": len(newest_issues(dumps)) < len(dumps),
        "partial release": any(dump.tables.keys() != COLUMNS.keys() for dump in newest_issues(dumps)),
        "doubled day": len(set(days)) < len(days),
        "told twice": any(_twice(rows, same=True) for dump in dumps for rows in dump.tables.values()),
        "told twice and differently": any(_twice(rows, same=False) for d in dumps for rows in d.tables.values()),
    }
    return frozenset(found | {name for name, is_there in has.items() if is_there})


def _twice(rows: Sequence[dict], same: bool) -> bool:
    return any(one["Id"] == other["Id"] and (one == other) is same for one, other in combinations(rows, 2))


def _of_table(evidence: Evidence, table: str) -> Iterator[str]:
    dumps = sorted(evidence.dumps, key=lambda dump: (dump.cut, dump.revision))
    for before, after in pairwise(dumps):
        for key in before.rows.keys() | after.rows.keys():
            if before.silence(key) or after.silence(key):
                continue
            if key in before.rows and key in after.rows:
                yield from ["edited"] if before.rows[key] != after.rows[key] else []
            else:
                yield "created" if key in after.rows else "deleted"
    for first, second, third in zip(dumps, dumps[1:], dumps[2:], strict=False):
        if {k for k in first.rows if k not in second.rows and second.silence(k) is None} & third.rows.keys():
            yield "undeleted"
    state = merged(evidence)
    if state.swept:
        yield "swept"
    for key, row in state.rows.items():
        dump, said = evidence.dump_of(key), evidence.said_of(key)
        if row["_kept"]:
            yield f"kept: {row['_kept']}"
        if dump is None or said is None:
            continue
        if row["_kept"]:
            yield "kept as a page told it"
        if dump.rows.get(key) and any(dump.rows[key][name] != row[name] for name in TOLD[table]):
            yield "edited by a page"
        for word in evidence.said:
            if word.key != key or word.as_of <= dump.cut or word.row == said.row:
                continue
            if word.row is None:
                yield "told and not returned at once" if word.as_of == said.as_of else "returned"
            elif word.as_of == said.as_of:
                yield "told differently at once"


def eventful_history(chance: random.Random, size: Size) -> list[DumpInput | PagesInput]:
    """The first of random histories that has all of `EVENTS`."""
    while events(inputs := random_history(chance, size)) != EVENTS:
        pass
    return inputs


def arrivals(
    chance: random.Random, inputs: Sequence[DumpInput | PagesInput], parts: int
) -> list[list[DumpInput | PagesInput]]:
    """The inputs in a random order, in so many parts; of several parts a dump comes after one with pages fetched since
    its cut, a dump after one with a newer dump, and a day after one with newer words on its keys."""
    while True:
        order = shuffled(chance, list(inputs))
        bounds = [len(order) * part // parts for part in range(parts + 1)]
        found = [order[start:end] for start, end in pairwise(bounds)]
        if parts == 1 or _late(found) == {"dump after pages", "dump after dump", "day after day"}:
            return found


def _late(parts: Sequence[Sequence[DumpInput | PagesInput]]) -> set[str]:
    late = set()
    for number, part in enumerate(parts):
        earlier = [given for before in parts[:number] for given in before]
        words = [(given.entity, word) for given in earlier if isinstance(given, PagesInput) for word in given.said]
        cuts = [cut_of(given) for given in earlier if isinstance(given, DumpInput)]
        for given in part:
            if isinstance(given, DumpInput):
                late |= {"dump after pages"} if any(word.as_of > cut_of(given) for _, word in words) else set()
                late |= {"dump after dump"} if any(cut > cut_of(given) for cut in cuts) else set()
            else:
                said = {word.key: word.as_of for word in given.said}
                newer = (e == given.entity and word.key in said and word.as_of > said[word.key] for e, word in words)
                late |= {"day after day"} if any(newer) else set()
    return late
