"""The morning after a day at one simulated community: what its site asks of the API, by the code that always asks.

Belongs here: measuring one community. Not here: what that means for a network (`quota.py`, `quota_network.py`). The
community lives behind the simulator's server; silver is as yesterday's converge would have left it, so that all young
posts are due again; the quota is so large that nothing ends early. Time is what the client waits for its own pace.

A community of a million people is too much to live for months. It lives some days, which is enough for a day's windows;
of by-id questions it says nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from deltalake import write_deltalake

from so_lakehouse.api.budget import REASK, SWEEP
from so_lakehouse.api.by_ids import ask_again
from so_lakehouse.api.candidates import YOUNG
from so_lakehouse.api.client import Client
from so_lakehouse.api.days import bounds
from so_lakehouse.api.fetch import fetch_day
from so_lakehouse.api.fields import fields_of
from so_lakehouse.api.methods import METHODS
from so_lakehouse.clock import Clock
from so_lakehouse.lake import gates, paths
from so_lakehouse.lake.api_raw import WINDOW
from so_lakehouse.lake.gates import TableGate
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.settings import Settings
from so_lakehouse.simulate.api_server import serving
from so_lakehouse.simulate.api_site import Item
from so_lakehouse.simulate.community import found_community
from so_lakehouse.simulate.living_site import LivingSite

PURPOSES = (WINDOW, REASK, SWEEP)
SITE, SEED = "simulated-brewing", 1
DAY = date(2026, 1, 13)  # a Tuesday
MONTHS, DAYS = 106, 8  # ages in days: old enough that young posts are those of 90 days; old enough for a usual day
MORE_THAN_ENOUGH = 10_000_000  # requests

Rows = Mapping[str, Mapping[int, Item]]  # entity → Id → item


@dataclass(frozen=True)
class Morning:
    """What one morning took. `questions`: asked per day of the last 90, or of the community's life; `rows`: entity →
    rows in the day's windows; `requests`: purpose → entity → requests, without the purposes that were left out;
    `seconds` of waiting for the pace, `cpu_seconds` of the asking thread."""

    people: int
    questions: float
    rows: dict[str, int]
    requests: dict[str, dict[str, int]]
    seconds: float
    cpu_seconds: float

    def total(self, purpose: str) -> int:
        """Requests of one purpose."""
        return sum(self.requests[purpose].values())


class WaitingClock(Clock):
    """Moves only while somebody waits."""

    def __init__(self, moment: datetime) -> None:
        super().__init__()
        self.moment = moment

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += timedelta(seconds=max(seconds, 0.0))


def morning(home: Path, people: int, age: int = MONTHS) -> Morning:
    """The morning after `DAY` at a community that has lived so many days and will have so many people after two years.

    One that is younger than 90 days is asked for its windows alone. `home` must be new.
    """
    clock = WaitingClock(datetime.combine(DAY + timedelta(days=1), datetime.min.time(), UTC) + timedelta(hours=6))
    began, lake = clock.moment, Lake(str(home / "lake"))
    site = LivingSite(found_community(SITE, SEED, people, DAY - timedelta(days=age - 1)))
    purposes = PURPOSES if age > YOUNG.days else (WINDOW,)
    if purposes == PURPOSES:
        site.live_until(DAY - timedelta(days=1))
        hold(lake, site.rows, began - timedelta(days=1))
    site.live_until(DAY)
    with serving(lambda: clock.now().timestamp()) as server:
        server.sites[SITE], server.quota_max = site, MORE_THAN_ENOUGH
        settings = Settings(home=home, api=server.address, api_key=next(iter(server.keys)))
        client, day = Client(settings, clock), DAY.isoformat()
        requests: dict[str, dict[str, int]] = {purpose: dict.fromkeys(ENTITIES, 0) for purpose in purposes}
        cpu = time.thread_time()
        for entity in ENTITIES:
            fetched = fetch_day(lake, client, SITE, day, entity, settings)
            by_id = ask_again(lake, client, SITE, day, entity, settings) if purposes == PURPOSES else ()
            assert not fetched.missing, fetched.missing
            assert not any(fetch.note for fetch in by_id), "the quota was not enough"
            for fetch in (*fetched.fetches, *by_id):
                requests[fetch.kind][entity] += fetch.pages
        cpu = time.thread_time() - cpu
        counted = sum(sum(by_entity.values()) for by_entity in requests.values())
        assert len(server.requests) == counted + 1, "besides the pages, the filter was made, once"
        assert not server.violations, server.violations
    seconds = (clock.moment - began).total_seconds()
    questions = _questions_a_day(site.rows, min(age, YOUNG.days))
    return Morning(people, questions, _rows_of_the_day(site.rows), requests, seconds, cpu)


def hold(lake: Lake, rows: Rows, told_at: datetime) -> None:
    """Writes what the choice of ids reads of silver, for a site whose rows pages told at that moment."""
    tables: dict[str, list[dict[str, object]]] = {}
    for name, entity in ENTITIES.items():
        key = fields_of(entity).key
        tables.setdefault(entity.table, []).extend(
            {
                "site": SITE,
                "Id": item[key],
                "PostTypeId": entity.post_type,
                "CreationDate": datetime.fromtimestamp(item["creation_date"], UTC),
                "_as_of": told_at,
            }
            for item in rows[name].values()
        )
    moment = pa.timestamp("us", tz="UTC")
    names = {"site": pa.string(), "Id": pa.int64(), "PostTypeId": pa.int8(), "CreationDate": moment, "_as_of": moment}
    for table, held in tables.items():
        columns = pa.Table.from_pylist(held, schema=pa.schema(list(names.items())))
        write_deltalake(lake.uri(paths.silver(table)), columns, partition_by=["site"])
    cut = datetime.combine(DAY.replace(day=1), datetime.min.time(), UTC)
    gates.save(lake, SITE, {table: TableGate(0, "1", (), cut_at=cut) for table in tables})


def _questions_a_day(rows: Rows, days: int) -> float:
    begin = bounds((DAY - timedelta(days=days - 1)).isoformat())[0]
    return sum(item["creation_date"] >= begin for item in rows["questions"].values()) / days


def _rows_of_the_day(rows: Rows) -> dict[str, int]:
    """Rows in the day's windows; a row that two orders of a method show counts in each."""
    begin, end = bounds(DAY.isoformat())
    return {
        entity: sum(
            begin <= item.get(order.field, 0) <= end for order in METHODS[entity].walks for item in found.values()
        )
        for entity, found in rows.items()
    }
