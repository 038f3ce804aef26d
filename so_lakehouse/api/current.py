"""Up to when silver holds a site, and since when days of it are asked for: from the ledger and raw's manifests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from so_lakehouse.api.days import DAYS_BACK, asked_from
from so_lakehouse.api.fetch import is_whole
from so_lakehouse.dumps.sites import find
from so_lakehouse.lake import gates, ledger, paths
from so_lakehouse.lake.api_raw import fetches_of, version_of
from so_lakehouse.lake.ledger import LedgerRow
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema_api import ENTITIES

# The tables whose rows the API tells, too.
TOLD_TABLES = frozenset(entity.table for entity in ENTITIES.values())


@dataclass(frozen=True)
class Standing:
    """`whole_to`: the end of the newest day, or the cut of the newest dump, that silver holds whole; None where it has
    nothing. `asked_since`: when days of the site were first asked for; None where they are not. `without_gap_to`: up to
    where no day is missing since the dump; None where no day has come, or where none may be asked for that is."""

    site: str
    whole_to: datetime | None
    asked_since: datetime | None
    without_gap_to: datetime | None = None


def standings(lake: Lake) -> list[Standing]:
    """Every site that silver or raw's newest days hold, by name."""
    asked = _first_asked(lake)
    rows: dict[str, list[LedgerRow]] = {site: [] for site in asked}
    for row in ledger.recorded(lake):
        rows.setdefault(row.site, []).append(row)
    return [_standing(lake, site, rows[site], asked.get(site)) for site in sorted(rows)]


def of_site(lake: Lake, site: str) -> Standing:
    """How one site stands, whether or not it is there at all."""
    return next((found for found in standings(lake) if found.site == site), Standing(site, None, None))


def _standing(lake: Lake, site: str, rows: Sequence[LedgerRow], asked: datetime | None) -> Standing:
    """By the site's ledger. `asked`: when raw's newest days were first asked for; silver's pages know better."""
    pages = [row for row in rows if row.source.startswith("api/")]
    since = min((row.applied_at for row in pages), default=asked) if find(site).api else None
    newest_day = _newest_whole_day(lake, site, pages)
    whole_to = max(filter(None, (_dumped(rows), newest_day)), default=None)
    return Standing(site, whole_to, since, _without_gap_to(lake, site) if newest_day else None)


def _without_gap_to(lake: Lake, site: str) -> datetime | None:
    """Up to where rows of every table that the API tells are whole (`lake/complete.py`); None where the day after is
    none that may be asked for."""
    known = gates.load(lake, site)
    moments = [gate.complete_to for table, gate in known.items() if table in TOLD_TABLES and gate.complete_to]
    if len(moments) < len(TOLD_TABLES):
        return None
    whole_to = min(moments)
    return whole_to if (whole_to + timedelta(days=1)).date().isoformat() >= asked_from(lake) else None


def _dumped(rows: Sequence[LedgerRow]) -> datetime | None:
    """The cut up to which dumps tell every table that the API tells too; None where one is missing."""
    newest = [ledger.newest_dump(row for row in rows if row.table_name == table) for table in TOLD_TABLES]
    cuts = [dump.cut_at for dump in newest if dump is not None and dump.cut_at is not None]
    return min(cuts) if len(cuts) == len(TOLD_TABLES) else None


def _newest_whole_day(lake: Lake, site: str, pages: Sequence[LedgerRow]) -> datetime | None:
    """End of the newest day that silver took in when raw had it whole, of every entity."""
    taken_in: dict[str, set[tuple[str, str]]] = {}
    for row in pages:
        taken_in.setdefault(row.partition, set()).add((row.source, row.data_version.partition("/")[0]))
    for day in sorted(taken_in, reverse=True):
        if all(_taken_in_whole(lake, entity, day, site, taken_in[day]) for entity in ENTITIES):
            return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), UTC)
    return None


def _taken_in_whole(lake: Lake, entity: str, day: str, site: str, taken_in: Collection[tuple[str, str]]) -> bool:
    """Later fetches of a day add to it and may wait for silver: what silver has of the day is whole all the same."""
    fetches = fetches_of(lake, entity, day, site)
    earlier = (fetches[: count + 1] for count in range(len(fetches)))
    return any((f"api/{entity}", version_of(known)) in taken_in and is_whole(known, entity, day) for known in earlier)


def _first_asked(lake: Lake) -> dict[str, datetime]:
    """By site: the earliest fetch in raw's newest days. One entity is enough: all are asked for together. A site that
    silver knows no page of was asked for the first time within these, or its failed runs tell of it."""
    entity = next(iter(ENTITIES))
    found: dict[str, datetime] = {}
    for day_folder in lake.list(paths.raw_api(entity))[-DAYS_BACK:]:
        for site_folder in lake.list(day_folder):
            site = site_folder.rpartition("site=")[2]
            moments = _moments(lake.list(site_folder))
            found[site] = min([*moments, *filter(None, [found.get(site)])])
    return found


def _moments(folders: Iterable[str]) -> list[datetime]:
    """When each fetch was begun: its folder is named after it (`lake/api_raw.py`)."""
    names = [folder.rpartition("fetched=")[2] for folder in folders if "fetched=" in folder]
    return [datetime.strptime(name, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC) for name in names]
