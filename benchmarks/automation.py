"""A look at what is due: CPU of each sensor's decision when nothing is

The lake holds manifests only, of sites with a dump read, 300 days of pages in bronze and the last 28 in raw. The first
look of a process reads every manifest; later ones read what has changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from benchmarks.options import Options
from so_lakehouse.api.bronze import version_read
from so_lakehouse.api.days import bounds
from so_lakehouse.api.methods import METHODS
from so_lakehouse.automation import days, dumps, marts, sites
from so_lakehouse.automation.answer import Answer, Runs
from so_lakehouse.clock import Clock
from so_lakehouse.dumps.bronze import reader_version
from so_lakehouse.dumps.mirrors import open_mirror
from so_lakehouse.lake import gates, paths
from so_lakehouse.lake.api_raw import WINDOW, Covered, FetchManifest
from so_lakehouse.lake.gates import TableGate
from so_lakehouse.lake.glance import Glance, Memory
from so_lakehouse.lake.manifests import Archive, BronzeManifest, CheckOutcome, RawManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.settings import Settings
from so_lakehouse.spark import evidence
from so_lakehouse.warehouse.projection import PROJECTIONS
from so_lakehouse.warehouse.standing import Standing, expected

QUARTER, CUT = "2025-10-01", "2025-12-31"
FIRST, NOW = date(2026, 1, 1), "2026-10-28T06:00:00"  # 300 days
CHECK = CheckOutcome("rows_conserved", True, True, "All rows accounted for.")
SITES = (2, 180)


def run(options: Options) -> Iterator[str]:
    yield "| sites | step | first look, s of CPU | later looks, s of CPU |"
    yield "|---|---|---|---|"
    for count in SITES:
        settings = Settings(home=options.folder / f"automation-{count}", api="http://127.0.0.1:9/2.3", now=NOW)
        names = [f"site{number}" for number in range(count)]
        lake = Lake(settings.lake_uri)
        if not lake.exists(paths.SILVER_GATES):
            for name in names:
                _write_site(lake, settings, name)
        for step, look in _looks(lake, settings, names).items():
            first = _cpu(look)
            later = sorted(_cpu(look) for _ in range(options.repeats))[options.repeats // 2]
            yield f"| {count} | {step} | {first:.2f} | {later:.2f} |"


def _cpu(look: Callable[[], Answer]) -> float:
    begun = time.process_time()
    answer = look()
    taken = time.process_time() - begun
    assert answer == Answer(), answer
    return taken


def _looks(lake: Lake, settings: Settings, names: list[str]) -> dict[str, Callable[[], Answer]]:
    memories = {step: Memory() for step in ("dumps", "days", "sites")}
    loads = {site: _loaded(lake, site) for site in names}
    standing = Standing(loads, "the same", True, None)
    clock = Clock(settings.now)

    def look_at_dumps() -> Answer:
        glance = Glance(lake, dumps.FOLDERS, memories["dumps"])
        mirror = open_mirror(str(settings.home / "mirror"), settings)
        return dumps.due(glance, mirror, names, settings, Runs(), datetime.now(UTC))

    def look_at_days() -> Answer:
        newest = days.newest_days(settings, clock)
        older = days.older_days(lake, newest, "2026-10")
        glance = Glance(lake, days.folders([*newest, *older]), memories["days"])
        return days.due(glance, names, newest, older, settings, Runs(), clock)

    def look_at_sites() -> Answer:
        return sites.due(Glance(lake, sites.FOLDERS, memories["sites"]), standing, names, settings, Runs())

    def look_at_marts() -> Answer:
        return marts.due(standing, settings, Runs(), datetime.now(UTC))

    return {"dumps": look_at_dumps, "days": look_at_days, "sites": look_at_sites, "marts": look_at_marts}


def _loaded(lake: Lake, site: str) -> dict[str, tuple[str, str]]:
    held = gates.load(lake, site)
    return {name: expected(p, held[p.source].data_version) for name, p in PROJECTIONS.items() if p.source in held}


def _write_site(lake: Lake, settings: Settings, site: str) -> None:
    release = Path(settings.home / "mirror" / CUT)
    release.mkdir(parents=True, exist_ok=True)
    (release.parent / "releases.csv").write_text(f"release,cut_date,quarter,revision,note\n{CUT},{CUT},,1,\n")
    archive = Archive(f"{site}.7z", f"{paths.raw_dump(QUARTER, site, CUT, 1)}/{site}.7z", 1, "ab", "")
    raw = RawManifest(site, QUARTER, CUT, 1, CUT, (archive,), "", "", f"{CUT}T12:00:00+00:00")
    lake.write_bytes(archive.path, b"7")
    raw.save(lake)
    for table in TABLES:
        known = (site, QUARTER, table, CUT, 1, CUT, raw.data_version, reader_version(table))
        file = f"{paths.bronze_dump(table, QUARTER, site)}/attempt=1/part-0.parquet"
        lake.write_bytes(file, b"P")
        BronzeManifest(*known, present=True, rows=1, files=(file,), checks=(CHECK,) * 8).save(lake)
    _write_days(lake, site)
    offered = evidence.offered(lake, site, settings.keep_personal)
    gates.save(lake, site, {table: TableGate(1, "1", (CHECK,) * 8) for table in offered})
    gates.take_in(lake, site, offered)


def _write_days(lake: Lake, site: str) -> None:
    """Fetches of the last 28 days in raw, and what bronze says of all 300."""
    every = [(FIRST + timedelta(number)).isoformat() for number in range(300)]
    index: dict[str, dict[str, dict[str, object]]] = {entity: {} for entity in ENTITIES}
    for day in every:
        begin, end = bounds(day)
        for entity in ENTITIES:
            folder = paths.raw_api(entity, day, site, "20261001T000000.000000Z")
            covered = tuple(Covered(walk.sort, begin, end) for walk in METHODS[entity].walks)
            told = ("20261001T000000.000000Z", f"{day}T23:59:59+00:00", f"{day}T23:59:59+00:00", "", 3, 250)
            fetch = FetchManifest(site, day, entity, WINDOW, *told, f"{folder}/pages.jsonl.gz", "ab", covered)
            index[entity][day] = {"data_version": version_read([fetch]), "passed": True}
            if day in every[-28:]:
                lake.write_bytes(fetch.file, b"g")
                fetch.save(lake)
    lake.write_json(paths.bronze_api_index(site), index)
