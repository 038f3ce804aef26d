"""The order of the whole way: which layer runs when, for which sites, and what a failure stops.

A failure stops its site and nothing else. Quarters of a site run in the order of their cuts; the warehouse follows once
per site, the marts once in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from so_lakehouse.lake.reconcilable import is_due
from so_lakehouse.lake.storage import Lake
from so_lakehouse.partitions import site_day_key, site_quarter_key
from so_lakehouse.runner import LayerRun, Runner
from so_lakehouse.settings import Settings


@dataclass(frozen=True)
class Dump:
    """One dump to take in: partition keys and the release's name; in the order of cuts when in a list."""

    site: str
    quarter: str
    release: str = ""  # empty: the newest of the quarter


def raw_to_marts(
    runner: Runner,
    dumps: Sequence[Dump],
    mirror: str,
    accept_shrink: bool,
    working: Callable[[str], AbstractContextManager[None]],
    finished: Callable[[LayerRun], None],
) -> list[LayerRun]:
    """Runs raw, bronze and silver per dump, then the warehouse per site, then the marts. Returns every run. A dump that
    pages came before is reconciled on the way, and whatever comes of that stops nothing.

    `working(title)` wraps each run (a progress bar), `finished` hears of it at once.
    """
    way = _Way(runner, working, finished)
    for dump in dumps:
        way.take_in(dump, mirror, accept_shrink)
    way.warehouse_and_marts(list(dict.fromkeys(dump.site for dump in dumps)))
    return way.runs


@dataclass(frozen=True)
class Day:
    """One closed day (ISO, UTC) of a site to ask of the API."""

    site: str
    day: str


def days_to_marts(
    runner: Runner,
    sites: Sequence[str],
    days: Sequence[Day],
    again: bool,
    working: Callable[[str], AbstractContextManager[None]],
    finished: Callable[[LayerRun], None],
) -> list[LayerRun]:
    """Runs raw and bronze per day, then silver and the warehouse per site, then the marts. Returns every run.

    `again` asks for whole days anew. `working` and `finished` as in `raw_to_marts`.
    """
    way = _Way(runner, working, finished)
    for site in sites:
        runner.add_site(site)
        for day in (day for day in days if day.site == site):
            way.fetch(day, again)
        way.take_in_days(site)
    way.warehouse_and_marts(sites)
    return way.runs


def dumps_and_days_to_marts(
    runner: Runner,
    sites: Sequence[str],
    dumps: Sequence[Dump],
    mirror: str,
    days: Iterable[Day],
    working: Callable[[str], AbstractContextManager[None]],
    finished: Callable[[LayerRun], None],
) -> list[LayerRun]:
    """Runs raw, bronze and silver per dump, raw and bronze per day, silver and the warehouse once more per site, then
    the marts. Returns every run.

    A day is taken from `days` when its turn comes: whoever gives them may let time pass in between. `working` and
    `finished` as in `raw_to_marts`.
    """
    way = _Way(runner, working, finished)
    for site in sites:
        runner.add_site(site)
    for dump in dumps:
        way.take_in(dump, mirror, accept_shrink=False)
    for day in days:
        way.fetch(day, again=False)
    for site in sites:
        way.take_in_days(site)
    way.warehouse_and_marts(sites)
    return way.runs


def rebuilt_to_marts(
    runner: Runner,
    sites: Sequence[str],
    tables: Sequence[str],
    accept_shrink: bool,
    working: Callable[[str], AbstractContextManager[None]],
    finished: Callable[[LayerRun], None],
) -> list[LayerRun]:
    """Rebuilds these silver tables of each site from bronze, then runs the warehouse and the marts. Returns every run.

    `working` and `finished` as in `raw_to_marts`.
    """
    way = _Way(runner, working, finished)
    for site in sites:
        runner.add_site(site)
        config = {"silver": {"accept_shrink": accept_shrink, "rebuild": True}}
        way.run("silver", site, site, tables=tables, config=config)
    way.warehouse_and_marts(sites)
    return way.runs


class _Way:
    """The runs so far, and the sites that a failure has stopped."""

    def __init__(
        self,
        runner: Runner,
        working: Callable[[str], AbstractContextManager[None]],
        finished: Callable[[LayerRun], None],
    ) -> None:
        self.runner, self.working, self.finished = runner, working, finished
        self.runs: list[LayerRun] = []
        self.stopped: set[str] = set()

    def run(
        self,
        layer: str,
        site: str | None,
        partition: str | None,
        tables: Sequence[str] = (),
        config: dict[str, dict[str, Any]] | None = None,
        stops: bool = True,
    ) -> None:
        """One layer of one partition, all of its assets or those of `tables`; nothing where the site has stopped.
        `stops`: whether the site does where this fails."""
        if site in self.stopped:
            return
        keys = [key for key in self.runner.keys_of(layer) if not tables or key.path[-1] in tables]
        with self.working(" ".join(filter(None, (layer, partition)))):
            done = self.runner.run(layer, keys, partition, config)
        self.runs.append(done)
        self.finished(done)
        if site and stops and not done.succeeded:
            self.stopped.add(site)

    def take_in(self, dump: Dump, mirror: str, accept_shrink: bool) -> None:
        """One dump, from the mirror into silver."""
        self.runner.add_site(dump.site)
        key = site_quarter_key(dump.site, dump.quarter)
        self.run("raw", dump.site, key, config={"raw__dump": {"mirror": mirror, "release": dump.release}})
        self.run("bronze", dump.site, key)
        self.reconcile(dump.site)
        self.run("silver", dump.site, dump.site, config={"silver": {"accept_shrink": accept_shrink}})

    def fetch(self, day: Day, again: bool) -> None:
        """One day of the API, from its pages into bronze."""
        key = site_day_key(day.site, day.day)
        self.run("raw api", day.site, key, config={"raw_api": {"again": again}})
        self.run("bronze api", day.site, key)

    def take_in_days(self, site: str) -> None:
        """What bronze has of the site's days, into silver."""
        self.reconcile(site)
        self.run("silver", site, site)

    def reconcile(self, site: str) -> None:
        """Where it is due; a failure is told, and the site goes on: its dump does not depend on what pages told."""
        if site not in self.stopped and is_due(Lake.of(Settings.from_environment()), site):
            self.run("reconciliation", site, site, stops=False)

    def warehouse_and_marts(self, sites: Sequence[str]) -> None:
        for site in sites:
            self.run("warehouse", site, site)
        if not self.stopped.issuperset(sites):
            self.run("marts", None, None)
