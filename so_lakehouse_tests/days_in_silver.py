"""A site's days as raw and silver's ledger tell of them, written by the project's own writers, without Spark."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from so_lakehouse.api.bronze import version_read
from so_lakehouse.api.days import bounds
from so_lakehouse.api.methods import METHODS
from so_lakehouse.lake import gates, lock, plain
from so_lakehouse.lake.api_raw import WINDOW, Covered, PageFile, fetches_of
from so_lakehouse.lake.gates import TableGate
from so_lakehouse.lake.ledger import DUMP, LedgerRow
from so_lakehouse.lake.silver_tables import LEDGER
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.settings import Settings

RULES = "1"


def fetch(lake: Lake, site: str, day: str, *, entities: Iterable[str] = ENTITIES, whole: bool = True) -> None:
    """One fetch of a closed day, an hour after its end: of the whole day, or but for its last second."""
    begin, end = bounds(day)
    moment = datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(1), UTC)
    for entity in entities:
        pages = PageFile()
        pages.add({"path": METHODS[entity].path, "parameters": {}}, moment, 200, {}, '{"items": []}')
        covered = tuple(Covered(order.sort, begin, end - (not whole)) for order in METHODS[entity].walks)
        pages.save(lake, "http://127.0.0.1", site, day, entity, WINDOW, covered=covered)


def take_in(lake: Lake, settings: Settings, site: str, day: str, *, entities: Iterable[str] = ENTITIES) -> None:
    """What raw holds of the day is in silver, by its ledger."""
    moment = datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(2), UTC)
    inputs = [(f"api/{name}", version_read(fetches_of(lake, name, day, site)), name) for name in entities]
    rows = [
        LedgerRow(site, ENTITIES[name].table, source, day, version, RULES, moment) for source, version, name in inputs
    ]
    _record(lake, settings, site, rows)


def take_in_dump(lake: Lake, settings: Settings, site: str, cut: str) -> None:
    """A dump of that cut is in silver, by its ledger."""
    cut_at = datetime.combine(date.fromisoformat(cut), time.max, UTC)
    tables = dict.fromkeys(entity.table for entity in ENTITIES.values())
    rows = [LedgerRow(site, table, DUMP, cut, cut, RULES, cut_at, cut_at=cut_at, revision=1) for table in tables]
    _record(lake, settings, site, rows)


def _record(lake: Lake, settings: Settings, site: str, rows: list[LedgerRow]) -> None:
    with lock.writing(lake, [f"silver.{LEDGER.name}"], "test", settings):
        plain.record(lake, rows)
        gates.save(lake, site, {row.table_name: TableGate(1, f"{row.table_name}@1", ()) for row in rows})
