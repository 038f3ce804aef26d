"""A simulated community's dumps and days, over an API that fails, in any order: silver ends in its own state.

What `converge_model.py` cannot tell is told here: that the promise holds for evidence as it really comes, from archives
and pages to rows, whoever edits, deletes, returns or leaves. After each converge no table says to be whole further than
it is.

Not to be seen here: what rows of one second at the edge of a page become, because a small community has none
(`test_api_windows.py` has).
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from so_lakehouse import failpoints
from so_lakehouse.api import windows
from so_lakehouse.lake import gates
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES as SCHEMA
from so_lakehouse.schema_api import entities_of
from so_lakehouse.schema_forms import silver_columns
from so_lakehouse.settings import Settings
from so_lakehouse.simulate.api_server import running
from so_lakehouse.simulate.dumps import cut_of, write_mirror
from so_lakehouse.simulate.served import KEY, SimulationServer
from so_lakehouse.simulate.simulation import Simulation
from so_lakehouse.spark.converge import converge
from so_lakehouse_tests.pipeline.api_world import StillClock, World
from so_lakehouse_tests.pipeline.simulated_evidence import (
    A_DAY,
    TABLES,
    Publisher,
    counters,
    deliver,
    differences,
)

SITE = "simulated-brewing"
PEOPLE, LAUNCH = 600, date(2025, 4, 1)
QUARTERS = ("2025-10-01", "2026-01-01")
SEEDS = range(1, 1 + int(os.environ.get("SIMULATION_SEEDS", "1")))


class Crash(BaseException):
    """Ends a run at a fail point, as a kill would, without a new process for each."""


@pytest.fixture
def publisher(request, settings: Settings, lake: Lake, tmp_path) -> Iterator[Publisher]:
    seed = request.param
    print(f"seed {seed}")
    write_mirror(tmp_path / "mirror", [SITE], QUARTERS, seed=seed, people=PEOPLE, launch=LAUNCH)
    simulation = Simulation((SITE,), seed, PEOPLE, LAUNCH, cut_of(QUARTERS[-1]))
    clock = StillClock(f"{cut_of(QUARTERS[0]) + A_DAY}T06:00:00")
    with running(SimulationServer(simulation, "")) as server:
        server.now = lambda: clock.now().timestamp()
        changed = replace(settings, api=server.address, api_key=KEY, mirror=str(tmp_path / "mirror"))
        api = World(server, clock, changed, server.sites[SITE])
        twin = simulation.found(SITE)
        twin.live_until(cut_of(QUARTERS[0]) - A_DAY)
        made = Publisher(api, lake, SITE, twin, random.Random(seed))
        yield made
        # Somebody else used the quota up: of that the first answer tells.
        unknowing = ["asked with no quota left"] * made.suffered.count("no-quota")
        assert server.violations == unknowing[: len(server.violations)]


def held(lake: Lake, table: str) -> dict[int, dict[str, Any]]:
    rows = query_lake(lake, f"select * from silver.{table} where site = '{SITE}'").to_pylist()
    assert len({row["Id"] for row in rows}) == len(rows), f"{table}: a key is there twice"
    return {row["Id"]: row for row in rows}


def told_of(table: str, row: dict[str, Any]) -> set[str]:
    """The columns of silver that a page tells of such a row; none of what the API does not serve."""
    kept = {column.name for column in silver_columns(SCHEMA[table], keep_personal=False)}
    for entity in entities_of(SCHEMA[table]):
        if entity.post_type in (None, row.get("PostTypeId")) and (table != "users" or row["Id"] > 0):
            return kept & set(entity.columns)
    return set()


def assert_windows_tell(publisher: Publisher, last: date, cut: date) -> None:
    """What was active since the cut is here as it is, by windows alone: all columns that activity moves."""
    for table in TABLES:
        gate = gates.load(publisher.lake, SITE)[table]
        assert (gate.complete_to.date(), gate.cut_at.date()) == (last, cut), table
        moment = "LastActivityDate" if table == "posts" else "CreationDate"
        silver, wrong, seen = held(publisher.lake, table), {}, 0
        for key, true in publisher.states[last][table].items():
            if true[moment].date() <= cut or not told_of(table, true):
                continue
            seen += 1
            assert key in silver, f"{table} {key} was active on {true[moment]}"
            wrong |= differences(table, silver[key], true, told_of(table, true) - counters(table))
        assert seen or table == "users", f"nothing happened to {table}"  # in three days nobody may join a small site
        assert wrong == {}


def assert_whole_as_claimed(publisher: Publisher, lake: Lake) -> list[str]:
    """Up to the moment that a table names, no row is missing, and no column is older that activity moves. Returns the
    tables that name one."""
    claimed = {table: gate.complete_to for table, gate in gates.load(lake, SITE).items() if gate.complete_to}
    for table, moment in claimed.items():
        day, silver = moment.date(), held(lake, table)
        wrong: dict[str, Any] = {}
        later = [state[table] for at, state in publisher.states.items() if at > day]
        for key, true in publisher.states[day][table].items():
            names = told_of(table, true) - counters(table)
            if key in silver and names:
                as_of = silver[key]["_as_of"]
                told = publisher.states[max(day, (as_of - A_DAY).date()) if as_of else day][table][key]
                wrong |= differences(table, silver[key], told, names)
            elif names and all(key in state for state in later):
                wrong[f"{table} {key}"] = f"is missing, and {table} are said to be whole to {day}"
        assert wrong == {}
    return sorted(claimed)


def assert_is_the_communitys_state(publisher: Publisher, last: date, cut: date) -> Counter[str]:
    """Presence, and every column: of rows that pages told as of their telling, of all others as of the dump."""
    states, seen = publisher.states, Counter[str]()
    for table in TABLES:
        silver, now, wrong = held(publisher.lake, table), states[last][table], {}
        served = {key for key, row in now.items() if told_of(table, row)}
        assert served <= silver.keys(), f"{table}: rows that are missing"
        assert states[cut][table].keys() & now.keys() <= silver.keys(), table
        # A sweep finds what two mornings in a row lack: who went on the last two days may still be here.
        gone = {key for key in silver.keys() - now.keys() if told_of(table, silver[key])}
        assert gone <= states[last - 2 * A_DAY][table].keys(), f"{table}: rows that went long ago"
        for key, row in silver.items():
            as_of = row["_as_of"]
            true = states[(as_of - A_DAY).date() if as_of else cut][table][key]
            names = told_of(table, true) if as_of else {c.name for c in silver_columns(SCHEMA[table], False)}
            wrong |= differences(table, row, true, names)
            if key in now and told_of(table, true):
                wrong |= differences(table, row, now[key], told_of(table, true) - counters(table))
            seen["told by pages" if as_of else "told by the dump"] += 1
        assert wrong == {}
        deleted = states[cut][table].keys() - now.keys()
        seen["deleted"] += len({key for key in deleted if key not in silver})
    return seen


@pytest.mark.parametrize("publisher", SEEDS, indirect=True)
def test_silver_ends_in_the_communitys_own_state(spark, publisher, tmp_path, monkeypatch):
    chance, settings = publisher.chance, replace(publisher.api.settings, accept_shrink=True)
    monkeypatch.setattr(windows, "PAGE_ROWS", 2)  # a small site's days are read page by page too
    first, second = map(cut_of, QUARTERS)

    publisher.dump(QUARTERS[0])
    for number in range(1, 4):
        day = first + number * A_DAY
        publisher.morning_after(day, again=number == 2, by_id=False, calm=number == 3, short=number == 2)
    converge(spark, publisher.lake, SITE, TABLES, settings)
    assert_windows_tell(publisher, first + 3 * A_DAY, first)
    assert assert_whole_as_claimed(publisher, publisher.lake) == sorted(TABLES)

    late = [second + number * A_DAY for number in range(1, 7)]
    for day in late[:2]:
        publisher.morning_after(day, short=True)
    publisher.dump(QUARTERS[1])  # it lands after its cut
    converge(spark, publisher.lake, SITE, TABLES, settings)
    assert_whole_as_claimed(publisher, publisher.lake)
    for number, day in enumerate(late[2:]):
        publisher.morning_after(day, again=number == 1, calm=number >= 2)  # the last sweeps must see all
    converge(spark, publisher.lake, SITE, TABLES, settings)
    assert_whole_as_claimed(publisher, publisher.lake)
    seen = assert_is_the_communitys_state(publisher, late[-1], second)
    print(f"{dict(seen)}, faults {dict(Counter(publisher.suffered))}")
    assert all(seen[what] for what in ("told by pages", "told by the dump", "deleted")), seen

    other, arrivals = Lake(str(tmp_path / "other")), publisher.arrivals()
    crash_in = [chance.randint(1, 8)]

    def reach(name: str) -> None:
        crash_in[0] -= 1
        if crash_in[0] == 0:
            raise Crash(name)

    monkeypatch.setattr(failpoints, "reach", reach)
    half = len(arrivals) // 2
    for part in (arrivals[:half], arrivals[half:]):
        for arrival in part:
            deliver(publisher, other, *arrival)
        try:
            converge(spark, other, SITE, TABLES, settings)
        except Crash:
            converge(spark, other, SITE, TABLES, settings)
        assert_whole_as_claimed(publisher, other)
    for table in TABLES:
        assert held(other, table) == held(publisher.lake, table), f"{table}: another order of arrival"
