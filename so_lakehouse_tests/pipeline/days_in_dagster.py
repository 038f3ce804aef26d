"""A lakehouse that asks a simulated community for its days by runs of Dagster, and what is true of these days.

One run of raw and bronze a day, as the sensor asks for it, on a clock that only waiting moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from so_lakehouse.api import windows
from so_lakehouse.api.budget import Budget
from so_lakehouse.api.due import days_due
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.api_raw import fetches_of, pages_in
from so_lakehouse.lake.storage import Lake
from so_lakehouse.partitions import site_day_key
from so_lakehouse.runner import LayerRun, Runner
from so_lakehouse.schema_api import ENTITIES, Entity
from so_lakehouse.settings import Settings
from so_lakehouse.simulate.api_server import running
from so_lakehouse.simulate.served import KEY, SimulationServer
from so_lakehouse.simulate.simulation import Simulation
from so_lakehouse.simulate.snapshot import Row, rows_at
from so_lakehouse_tests.pipeline.api_world import StillClock
from so_lakehouse_tests.pipeline.simulated_evidence import A_DAY, counters, differences

SITE = "simulated-brewing"
SIMULATION = Simulation((SITE,), seed=1, people=4000, launch=date(2025, 11, 15), cut=date(2025, 12, 31))
DAY = date(2026, 1, 2)
NEXT = DAY + A_DAY
MORNING = timedelta(hours=6)
PAGE_ROWS = 3  # so that a small day has many pages


@dataclass
class Days:
    """A lakehouse that asks a simulation for its days by runs of Dagster, on a clock that only waiting moves."""

    runner: Runner
    server: SimulationServer
    clock: StillClock
    settings: Settings

    @property
    def lake(self) -> Lake:
        return Lake(self.settings.lake_uri)

    def run(self, day: date = DAY, layers: str = "raw api+bronze api") -> LayerRun:
        """These layers of a day in one run; Dagster's own record of it says the same as what it returns."""
        keys = [key for layer in layers.split("+") for key in self.runner.keys_of(layer)]
        done = self.runner.run(layers.partition("+")[0], keys, site_day_key(SITE, day.isoformat()))
        recorded = self.runner.instance.get_run_by_id(done.run_id)
        assert recorded is not None
        assert (recorded.status is dg.DagsterRunStatus.SUCCESS) == done.succeeded
        return done

    def due(self) -> list[str]:
        return days_due(self.lake, SITE, [DAY.isoformat(), NEXT.isoformat()])

    def pages(self) -> list[tuple[str, dict[str, str], list[Any]]]:
        """Every page of the day in raw: its path, what was asked, what was answered."""
        day = DAY.isoformat()
        fetches = [fetch for entity in ENTITIES for fetch in fetches_of(self.lake, entity, day, SITE)]
        return [(page.path, page.parameters, page.items) for one in fetches for page in pages_in(self.lake, one)]

    def rows(self, entity: str, *days: date) -> dict[int, Row]:
        """What bronze holds of these days: of each row what was told last."""
        found: dict[int, Row] = {}
        for day in days:
            manifest = PagesManifest.load(self.lake, entity, day.isoformat(), SITE)
            assert manifest is not None
            fetches = fetches_of(self.lake, entity, day.isoformat(), SITE)
            assert manifest.items == manifest.rows == sum(fetch.items for fetch in fetches), "nothing in quarantine"
            assert manifest.is_whole
            assert [check for check in manifest.checks if not check.passed] == []
            for row in pq.read_table(self.lake.path(manifest.files[0])).to_pylist():
                if row.get("Tags"):
                    row["Tags"] = row["Tags"].strip("|").split("|")  # as silver has them, and the simulation
                if row["Id"] not in found or found[row["Id"]]["_as_of"] <= row["_as_of"]:
                    found[row["Id"]] = row
        return found

    def jump(self, **by: float) -> None:
        """The clock is set to another moment, so much later."""
        self.clock.moment += timedelta(**by)

    def morning_after(self, day: date) -> None:
        self.clock.moment = datetime.combine(day + A_DAY, time(), UTC) + MORNING


@contextmanager
def asking(runner: Runner, home: Path) -> Iterator[Days]:
    """On the morning after the day, of which nothing is here."""
    clock = StillClock()
    with running(SimulationServer(SIMULATION, "")) as server, pytest.MonkeyPatch.context() as patch:
        server.now = lambda: clock.now().timestamp()
        for name, value in (server.settings | {"LAKEHOUSE_HOME": str(home), "LAKEHOUSE_API_RESERVE": "0"}).items():
            patch.setenv(name, value)
        patch.setattr("so_lakehouse.clock.Clock", lambda start: clock)
        patch.setattr(windows, "PAGE_ROWS", PAGE_ROWS)
        made = Days(runner, server, clock, Settings.from_environment())
        made.morning_after(DAY)
        yield made


@cache
def truth(day: date) -> dict[str, list[Row]]:
    """The dump of the end of a day."""
    return rows_at(SIMULATION.found(SITE).live_until(day), day)


def active(entity: Entity, at: date, *days: date) -> dict[int, Row]:
    """The rows that a dump of the end of a day tells to have been active, or made, on these days."""
    moment = "LastActivityDate" if entity.post_type else "CreationDate"
    rows = [row for row in truth(at)[entity.table] if entity.post_type in (None, row.get("PostTypeId"))]
    return {row["Id"]: row for row in rows if row[moment].date() in days and row["Id"] > 0}


def assert_tells(days: Days, *asked: date) -> None:
    """Nothing is lost and nothing is there that never was; each row says what is true.

    Of several days, which were asked for after one another, what moves without activity may be older.
    """
    for entity in ENTITIES.values():
        found, last = days.rows(entity.name, *asked), max(asked)
        expected = active(entity, last, *asked)
        assert expected, f"nothing happened to {entity.name}"
        assert expected.keys() <= found.keys(), entity.name
        if entity.name != "users":  # of those, dumps do not tell who changed a profile
            assert found.keys() <= expected.keys() | active(entity, min(asked), *asked).keys(), entity.name
        true = {row["Id"]: row for row in truth(last)[entity.table]}
        names = set(entity.columns) - (counters(entity.table) if len(asked) > 1 else set())
        wrong: dict[str, Any] = {}
        for key in found.keys() & (true.keys() if len(asked) == 1 else expected.keys()):
            wrong |= differences(entity.table, found[key], true[key], names)
        assert wrong == {}, wrong


def assert_account_is_right(days: Days, *unknowing: str) -> None:
    """No rule of the API was broken, and the machine's own account of the quota is the API's."""
    assert days.server.violations == list(unknowing), days.server.violations
    if not unknowing:
        left = Budget.of(days.settings, days.clock).quota().remaining
        assert left == days.server.quota_max - days.server.used(KEY), left
