"""A simulated community that publishes: its dumps, and its days by an API that often fails, all of it in bronze.

Belongs here: what arrives, what is true on each day, and how a row differs from it. Not here: what silver makes of it
(the tests).
"""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from so_lakehouse import schema
from so_lakehouse.api.bronze import read_pages
from so_lakehouse.api.by_ids import ask_again
from so_lakehouse.api.client import Client
from so_lakehouse.api.due import days_due
from so_lakehouse.api.fetch import fetch_day
from so_lakehouse.dumps.bronze import read_dump
from so_lakehouse.dumps.land import land_dump, resolve
from so_lakehouse.dumps.mirrors import open_mirror
from so_lakehouse.errors import Unavailable
from so_lakehouse.lake import paths
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.simulate.api_server import Fault
from so_lakehouse.simulate.community import Community
from so_lakehouse.simulate.dumps import cut_of
from so_lakehouse.simulate.faults import FAULTS
from so_lakehouse.simulate.served import KEY, SimulationServer
from so_lakehouse.simulate.snapshot import Row, rows_at
from so_lakehouse_tests.pipeline.api_world import World

TABLES = ("posts", "comments", "users")
A_DAY = timedelta(days=1)
# What a client gets over by itself or tomorrow. (Not: a wrong key, pages without end, a site that runs ahead of its
# clock; slow drips are only slow.)
PASSING = ("gateway", "throttle-seconds", "throttle", "backoff", "html", "truncated", "reset", "duplicate", "no-quota")

State = dict[str, dict[int, Row]]  # table → Id → row


@dataclass
class Publisher:
    """The site's evidence arrives in bronze of `lake` as time passes; `states`: what is true at the end of each day."""

    api: World
    lake: Lake
    site: str
    twin: Community  # lives beside the one that is served; what was before its day is not remembered
    chance: random.Random
    states: dict[date, State] = field(default_factory=dict)
    days: list[str] = field(default_factory=list)
    quarters: list[str] = field(default_factory=list)
    suffered: list[str] = field(default_factory=list)

    def dump(self, quarter: str) -> None:
        """The quarter's dump lands and is read."""
        mirror = open_mirror(self.api.settings.mirror, self.api.settings)
        raw = land_dump(self.lake, mirror, resolve(mirror, self.site, quarter), self.api.settings)
        read_dump(self.lake, raw, list(schema.TABLES), self.api.settings)  # of half a dump silver takes nothing
        self.quarters.append(quarter)
        self._remember(cut_of(quarter))

    def morning_after(
        self, day: date, *, again: bool = False, by_id: bool = True, calm: bool = False, short: bool = False
    ) -> None:
        """Asks for the day, and for what earlier ones lack; `again`: for all of the day before once more; `calm`:
        no question fails; `short`: somebody uses the quota up in the middle of the day's first window."""
        server, clock = self.api.server, self.api.clock
        assert isinstance(server, SimulationServer)
        hour = timedelta(hours=18 if calm else 6)  # in the evening a quota that ended in the morning is back
        clock.moment = max(clock.moment, datetime.combine(day + A_DAY, time(), UTC) + hour)
        self._remember(day)
        self.days.append(day.isoformat())
        if again:
            self._ask((day - A_DAY).isoformat(), again=True, by_id=False, calm=calm)
        for due in days_due(self.lake, self.site, self.days):
            is_new = due == day.isoformat()
            self._ask(due, again=False, by_id=by_id and is_new, calm=calm, short=short and is_new)

    def _ask(self, day: str, *, again: bool, by_id: bool, calm: bool, short: bool = False) -> None:
        server, clock = self.api.server, self.api.clock
        assert isinstance(server, SimulationServer)
        shares = self.api.settings if by_id else replace(self.api.settings, api_reask=0, api_sweep=0)
        for entity in self.chance.sample(list(ENTITIES), len(ENTITIES)):
            names = ["no-quota"] if short else self._of_this_morning(calm)
            server.faults = [Fault()] * short + [fault for name in names for fault in FAULTS[name].faults(server)]
            self.suffered += names
            client = Client(shares, clock)
            try:
                fetch_day(self.lake, client, self.site, day, entity, shares, again)
                server.faults += self._hidden(1 if calm else 3)
                ask_again(self.lake, client, self.site, day, entity, shares)
            except Unavailable:
                server.faults = []  # what came is kept, and the rest is due tomorrow
            short = short and server.used(KEY) < server.quota_max  # a window of one page was over before
            read_pages(self.lake, self.site, day, entity, shares)

    def _of_this_morning(self, calm: bool) -> list[str]:
        return [] if calm else self.chance.sample(PASSING, self.chance.choice((0, 0, 1, 2)))

    def _hidden(self, answers: int) -> list[Fault]:
        """So many answers by ids lack a row this morning, another than yesterday: who is missed once is not gone."""
        place = 3 * len(self.days)
        return [Fault(hides=place + number) for number in range(answers)]

    def _remember(self, until: date) -> None:
        while self.twin.today < until:
            day = self.twin.today + A_DAY
            rows = rows_at(self.twin.live_until(day), day)
            self.states[day] = {table: {int(str(row["Id"])): row for row in rows[table]} for table in TABLES}

    def arrivals(self) -> list[tuple[str, str]]:
        """All that has arrived, in an order of its own: ("dump", quarter) and (entity, day)."""
        pages = [(entity, day) for entity in ENTITIES for day in self.days]
        found = [("dump", quarter) for quarter in self.quarters]
        found += [(name, day) for name, day in pages if PagesManifest.load(self.lake, name, day, self.site)]
        self.chance.shuffle(found)
        return found


def deliver(publisher: Publisher, lake: Lake, kind: str, partition: str) -> None:
    """One of the arrivals comes to the bronze of another lake."""
    if kind == "dump":
        for table in schema.TABLES:
            _copy(publisher.lake, lake, paths.bronze_dump(table, partition, publisher.site))
        return
    _copy(publisher.lake, lake, paths.bronze_api(kind, partition, publisher.site))
    manifest = PagesManifest.load(publisher.lake, kind, partition, publisher.site)
    assert manifest is not None
    manifest.save(lake)  # and its place in the index


def _copy(source: Lake, target: Lake, folder: str) -> None:
    shutil.copytree(Path(source.root, folder), Path(target.root, folder))


def differences(table: str, row: Row, true: Row, names: set[str]) -> dict[str, Any]:
    """By table, Id and column: the value of a row, and the true one, where they are not the same."""
    found = {name: (_spelled(row[name]), _spelled(true.get(name))) for name in names}
    return {f"{table} {row['Id']} {name}": pair for name, pair in found.items() if pair[0] != pair[1]}


def counters(table: str) -> set[str]:
    """The columns that move without activity."""
    return {column.name for column in schema.TABLES[table].columns if column.counter}


def _spelled(value: Any) -> Any:
    """A value as the lake has it; dates to the second, as pages tell them."""
    if isinstance(value, datetime):
        return value.replace(microsecond=0, tzinfo=UTC)
    return list(value) if isinstance(value, tuple) else value
