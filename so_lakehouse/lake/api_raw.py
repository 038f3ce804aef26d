"""The raw form of API pages: one file of pages per fetch, the manifest that names it, and what fetches cover of a day.

Belongs here: the form. Not here: asking (`api/`). The file is gzip, one page a line: request, moment, status, headers
that matter, and the body as it was received. The key is in none of it. A fetch adds to its day and replaces nothing:
rows with later activity have left a day's window when it is asked again.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from so_lakehouse.lake import paths
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema_api import ENTITIES

WINDOW = "window"  # what a fetch was for; by ids: the purpose whose share of the quota it used (`api/budget.py`)


@dataclass(frozen=True)
class Covered:
    """A stretch of a day that one order of a method was asked for whole: seconds since 1970, both inclusive."""

    sort: str
    since: int
    until: int


@dataclass(frozen=True)
class Gone:
    """An id that was asked for and not returned, twice, a day apart; `as_of` (ISO) is the later of the two."""

    id: int
    as_of: str


@dataclass(frozen=True)
class FetchManifest:
    """One fetch: its pages, and what they cover. `note` says why it ended before its end, and is empty where not."""

    site: str
    day: str  # ISO date: the partition
    entity: str
    kind: str
    fetched: str  # name of its folder
    first_as_of: str  # ISO, UTC: when its first page was asked for
    newest_as_of: str
    address: str  # of the API
    pages: int
    items: int
    file: str  # relative to the lake
    sha256: str  # of the file's bytes
    covered: tuple[Covered, ...] = ()
    gone: tuple[Gone, ...] = ()
    refused_batches: int = 0  # of ids, of which too many were missing to be believed
    note: str = ""

    @classmethod
    def load(cls, lake: Lake, entity: str, day: str, site: str, fetched: str) -> Self | None:
        try:
            content = lake.read_json(paths.raw_api_manifest(entity, day, site, fetched))
        except FileNotFoundError:
            return None
        covered = tuple(Covered(**stretch) for stretch in content["covered"])
        gone = tuple(Gone(**row) for row in content["gone"])
        return cls(**content | {"covered": covered, "gone": gone})

    def save(self, lake: Lake) -> None:
        lake.write_json(paths.raw_api_manifest(self.entity, self.day, self.site, self.fetched), asdict(self))


@dataclass(frozen=True)
class StoredPage:
    """One line of a fetch's file."""

    path: str
    parameters: dict[str, str]
    asked_at: datetime
    body: str

    @property
    def items(self) -> list[Any]:
        return json.loads(self.body)["items"]


def fetches_of(lake: Lake, entity: str, day: str, site: str) -> list[FetchManifest]:
    """All fetches of one day, oldest first; what has no manifest was never finished and does not count."""
    names = [folder.rpartition("fetched=")[2] for folder in lake.list(paths.raw_api(entity, day, site))]
    found = [FetchManifest.load(lake, entity, day, site, name) for name in names]
    return [manifest for manifest in found if manifest is not None]


def days_of_sites(lake: Lake) -> dict[str, list[str]]:
    """Every site of which raw has pages, and its days, oldest first."""
    found: dict[str, set[str]] = {}
    for entity in ENTITIES:
        for day_folder in lake.list(paths.raw_api(entity)):
            for site_folder in lake.list(day_folder):
                day, site = day_folder.rpartition("day=")[2], site_folder.rpartition("site=")[2]
                found.setdefault(site, set()).add(day)
    return {site: sorted(days) for site, days in found.items()}


def version_of(fetches: Iterable[FetchManifest]) -> str:
    """Names what raw holds of a day: another fetch is another version."""
    digests = [f"{fetch.fetched} {fetch.sha256} {len(fetch.gone)}" for fetch in fetches]
    return f"{len(digests)}.{hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:16]}"


def pages_in(lake: Lake, fetch: FetchManifest) -> Iterator[StoredPage]:
    """The pages of a fetch, in the order in which they came."""
    for line in gzip.decompress(lake.read_bytes(fetch.file)).splitlines():
        page = json.loads(line)
        request = page["request"]
        yield StoredPage(request["path"], request["parameters"], datetime.fromisoformat(page["asked_at"]), page["body"])


def first_missing(fetches: Iterable[FetchManifest], sort: str, since: int, until: int) -> int | None:
    """The first second of the window that no fetch covers in this order; None where all of it is covered.

    Only what was asked for after the window had ended counts: rows may come to an open one.
    """
    late = [fetch for fetch in fetches if datetime.fromisoformat(fetch.first_as_of).timestamp() > until]
    stretches = sorted((c.since, c.until) for fetch in late for c in fetch.covered if c.sort == sort)
    for begin, end in stretches:
        if begin > since:
            break
        since = max(since, end + 1)
    return since if since <= until else None


class PageFile:
    """The pages of a fetch while they come; `save` writes them, and the manifest last."""

    def __init__(self) -> None:
        self.pages = self.items = 0
        self.moments: list[datetime] = []
        self._packed: list[bytes] = []

    def add(self, request: dict[str, Any], asked_at: datetime, status: int, headers: dict[str, str], body: str) -> None:
        line = {"request": request, "asked_at": asked_at.isoformat(), "status": status, "headers": headers}
        self._packed.append(gzip.compress(json.dumps(line | {"body": body}).encode() + b"\n", 6))
        self.pages += 1
        self.moments.append(asked_at)

    def save(self, lake: Lake, address: str, site: str, day: str, entity: str, kind: str, **told: Any) -> FetchManifest:
        """Writes the file and its manifest and returns that; `told` are fields of it that have a default."""
        moment = self.moments[0]
        while lake.exists(paths.raw_api(entity, day, site, _name(moment))):
            moment += timedelta(microseconds=1)
        content = b"".join(self._packed)
        file = f"{paths.raw_api(entity, day, site, _name(moment))}/pages.jsonl.gz"
        lake.write_bytes(file, content)
        manifest = FetchManifest(
            site,
            day,
            entity,
            kind,
            _name(moment),
            min(self.moments).isoformat(),
            max(self.moments).isoformat(),
            address,
            self.pages,
            self.items,
            file,
            hashlib.sha256(content).hexdigest(),
            **told,
        )
        manifest.save(lake)
        return manifest


def _name(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
