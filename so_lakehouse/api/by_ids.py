"""Asking for rows by id: what became of them, and which of them are gone.

Two reasons lead here, each with its share of the quota: young posts are asked again, because their counts move without
activity, and a sweep looks for rows that were deleted. Whatever is returned is evidence like any page. What is not
returned counts as gone only when it is missing twice, a day apart; a batch of which more than a fifth is missing is an
error of the API's and says nothing about anybody. What such a batch lacked is asked for again after all others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from so_lakehouse.api.budget import REASK, SAME_QUESTION_SECONDS, SWEEP, NotNow
from so_lakehouse.api.candidates import ASKED_FOR, DAY_APART, still_held, to_sweep, young_posts
from so_lakehouse.api.client import Client, Page
from so_lakehouse.api.days import newest_closed
from so_lakehouse.api.fetch import api_parameter, keep
from so_lakehouse.api.fields import fields_of
from so_lakehouse.api.filters import filter_of
from so_lakehouse.api.methods import METHODS
from so_lakehouse.errors import LakehouseError
from so_lakehouse.lake import gates, paths
from so_lakehouse.lake.api_raw import FetchManifest, Gone, PageFile, fetches_of
from so_lakehouse.lake.storage import Lake
from so_lakehouse.patience import Transient
from so_lakehouse.progress import Progress, silent
from so_lakehouse.schema_api import ENTITIES, Entity
from so_lakehouse.settings import Settings

BATCH_IDS = 100  # the most that the API takes
MOST_MISSING = 0.20
# Ids that were missing once are most likely missing again: with few of them in a batch the others still judge it.
SUSPECTS_PER_BATCH = 10


def ask_again(
    lake: Lake, client: Client, site: str, day: str, entity: str, settings: Settings, progress: Progress = silent
) -> tuple[FetchManifest, ...]:
    """Asks for young posts, then sweeps, within their shares of the quota; returns what was fetched.

    Only with the newest closed day, and once a day: what was asked for within a day is not asked for again. A share
    that ends leaves the rest for tomorrow, oldest ask first.
    """
    now = client.clock.now()
    if day != newest_closed(now):
        return ()
    recent = {
        fetch.kind
        for fetch in fetches_of(lake, entity, day, site)
        if datetime.fromisoformat(fetch.newest_as_of) > now - DAY_APART
    }
    missed, refused = _remembered(lake, entity, site)
    asks = _Asks(lake, client, site, day, ENTITIES[entity], settings, progress, missed, refused)
    sites = max(len(gates.sites(lake)), 1)
    found = []
    for purpose, choose in ((REASK, young_posts), (SWEEP, to_sweep)):
        most = client.budget.allowance(purpose, sites * len(ASKED_FOR[purpose])) * BATCH_IDS
        if most and purpose not in recent:
            doubtful = {*asks.seen, *asks.missed, *asks.refused}
            ids = choose(lake, site, asks.entity, now, most, doubtful)
            found += asks.run(purpose, [*ids, *(asks.to_ask_last() if purpose == SWEEP else [])][:most])
    return tuple(found)


@dataclass
class _Asks:
    """What is asked for of one entity in one run. `missed`: ids that were missing once, and since when; `refused`: ids
    that a batch lacked which said nothing. They stay untold: by their age nothing else would be asked for one day."""

    lake: Lake
    client: Client
    site: str
    day: str
    entity: Entity
    settings: Settings
    progress: Progress
    missed: dict[int, datetime]
    refused: set[int]
    seen: set[int] = field(default_factory=set)  # asked for in this run
    here: list[int] = field(default_factory=list)  # returned in this run: witnesses for small batches

    def run(self, purpose: str, ids: Sequence[int]) -> list[FetchManifest]:
        """One fetch of these ids, none of which was missing once, and, in a sweep, of those that were missing a day
        ago: there they are spread thin."""
        pages, refused, note = PageFile(), 0, ""
        gone: list[Gone] = []
        trouble: LakehouseError | None = None
        suspects = self._suspects() if purpose == SWEEP else []
        try:
            filter_name = filter_of(self.client) if ids or suspects else ""
            for number, batch in enumerate(batches(ids, suspects, self.here)):
                page = self._ask(batch, filter_name, purpose)
                keep(pages, page)
                finding = judge(batch, _returned(self.entity, page))
                self.seen |= set(batch) if finding.is_plausible else finding.returned
                self.here += sorted(finding.returned)
                refused += not finding.is_plausible
                gone += self._note(finding, page.asked_at)
                self.progress(f"{self.site} {self.entity.name}: {purpose}, {len(self.seen):,} ids", number)
        except NotNow as error:
            note = str(error)
        except LakehouseError as error:
            trouble, note = error, str(error)
        saved = []
        if pages.pages:
            where = (self.settings.api, self.site, self.day, self.entity.name)
            saved = [pages.save(self.lake, *where, purpose, gone=tuple(gone), refused_batches=refused, note=note)]
            _remember(self.lake, self.entity.name, self.site, self.missed, self.refused)
        if trouble:
            raise trouble
        return saved

    def _suspects(self) -> list[int]:
        """Ids that were missing a day ago or longer and that silver still has; the others are forgotten."""
        held = still_held(self.lake, self.site, self.entity, self.missed)
        self.missed = {key: since for key, since in self.missed.items() if key in held}
        due = self.client.clock.now() - DAY_APART
        return sorted(key for key, since in self.missed.items() if since <= due and key not in self.seen)

    def to_ask_last(self) -> list[int]:
        """Ids of batches that were refused and that silver still has; the others are forgotten."""
        self.refused &= still_held(self.lake, self.site, self.entity, self.refused)
        return sorted(self.refused - self.seen)

    def _ask(self, batch: Sequence[int], filter_name: str, purpose: str) -> Page:
        path, asked = METHODS[self.entity.name].path, set(batch)

        def check(page: Page) -> None:
            if page.has_more or not _returned(self.entity, page) <= asked:
                raise Transient(f"{path} by ids brought rows that were not asked for.", SAME_QUESTION_SECONDS)

        parameters = {"site": api_parameter(self.site), "filter": filter_name, "pagesize": BATCH_IDS}
        named = f"/{path}/{';'.join(map(str, batch))}"
        return self.client.ask(f"{path}/{{ids}}", named, parameters, purpose, check)

    def _note(self, finding: Finding, asked_at: datetime) -> Iterator[Gone]:
        """Remembers what is missing for the first time, and yields what is missing for the second, a day apart."""
        for key in finding.returned:
            self.missed.pop(key, None)
        self.refused -= finding.returned
        if not finding.is_plausible:
            self.refused |= finding.missing - self.missed.keys()
            return
        self.refused -= finding.missing
        for key in sorted(finding.missing):
            since = self.missed.setdefault(key, asked_at)
            if since <= asked_at - DAY_APART:
                yield Gone(key, asked_at.isoformat())
                del self.missed[key]


@dataclass(frozen=True)
class Finding:
    """What a batch said: ids that came, ids that did not, and whether it can be believed."""

    returned: frozenset[int]
    missing: frozenset[int]
    is_plausible: bool


def judge(batch: Collection[int], returned: Collection[int]) -> Finding:
    """A batch is believed where at most a fifth of it is missing."""
    missing = frozenset(batch) - frozenset(returned)
    return Finding(frozenset(returned) & frozenset(batch), missing, len(missing) <= MOST_MISSING * len(batch))


def batches(ids: Sequence[int], suspects: Sequence[int], witnesses: Sequence[int]) -> Iterator[list[int]]:
    """Batches of at most 100 ids, every id in one: suspects spread thin, and the rest filled up with rows that were
    returned just now. `witnesses` may grow meanwhile."""
    fresh, doubtful = list(ids), list(suspects)
    while fresh or doubtful:
        some, doubtful = doubtful[:SUSPECTS_PER_BATCH], doubtful[SUSPECTS_PER_BATCH:]
        room = BATCH_IDS - len(some)
        batch, fresh = fresh[:room], fresh[room:]
        spare = [key for key in witnesses if key not in batch and key not in some][: room - len(batch)]
        yield sorted({*some, *batch, *spare})


def _returned(entity: Entity, page: Page) -> set[int]:
    key = fields_of(entity).key
    return {item[key] for item in page.items if isinstance(item, dict) and isinstance(item.get(key), int)}


def _remembered(lake: Lake, entity: str, site: str) -> tuple[dict[int, datetime], set[int]]:
    """Ids that were missing, and since when; and those that were missing where it said nothing, which have no date."""
    try:
        content = lake.read_json(paths.api_missed(entity, site))
    except FileNotFoundError:
        return {}, set()
    missed = {int(key): datetime.fromisoformat(since) for key, since in content.items() if since}
    return missed, {int(key) for key, since in content.items() if not since}


def _remember(lake: Lake, entity: str, site: str, missed: dict[int, datetime], refused: set[int]) -> None:
    content = {str(key): since.isoformat() for key, since in missed.items()}
    lake.write_json(paths.api_missed(entity, site), content | {str(key): "" for key in sorted(refused)})
