"""One day of one entity of one site, from the API to the raw layer.

Belongs here: what is still to be asked of a day, and keeping what came. Not here: the walk (`windows.py`), rows asked
for by id (`by_ids.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any

from so_lakehouse import failpoints
from so_lakehouse.api import days
from so_lakehouse.api.budget import WINDOWS, NotNow
from so_lakehouse.api.client import Check, Client, Page
from so_lakehouse.api.fields import fields_of
from so_lakehouse.api.filters import filter_of
from so_lakehouse.api.methods import METHODS
from so_lakehouse.api.source import not_served
from so_lakehouse.api.windows import Ask, Walk, walk
from so_lakehouse.dumps.sites import find
from so_lakehouse.errors import BadInput, LakehouseError, Unavailable
from so_lakehouse.lake.api_raw import WINDOW, Covered, FetchManifest, PageFile, fetches_of, first_missing, version_of
from so_lakehouse.lake.storage import Lake
from so_lakehouse.progress import Progress, silent
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.settings import Settings

# Pages that are held before they are kept: so much is asked for again after a kill.
PAGES_AT_ONCE = 50


@dataclass(frozen=True)
class FetchedDay:
    """What raw holds of one day and entity. `missing` says why its window is not covered whole; empty where it is."""

    fetches: tuple[FetchManifest, ...]
    new: tuple[FetchManifest, ...]
    missing: str = ""

    @property
    def data_version(self) -> str:
        return version_of(self.fetches)

    def with_more(self, fetches: Iterable[FetchManifest]) -> FetchedDay:
        """This and further fetches of the day."""
        more = tuple(fetches)
        return replace(self, fetches=(*self.fetches, *more), new=(*self.new, *more))

    @property
    def totals(self) -> dict[str, int]:
        """Of all fetches of the day."""
        items, pages = sum(fetch.items for fetch in self.fetches), sum(fetch.pages for fetch in self.fetches)
        return {"items": items, "pages": pages, "fetches": len(self.fetches)}

    @property
    def note(self) -> str:
        """What this call did, for people."""
        if not self.new:
            return "nothing was asked" if not self.missing else self.missing
        return f"{sum(fetch.pages for fetch in self.new):,} pages"


def fetch_day(
    lake: Lake,
    client: Client,
    site: str,
    day: str,
    entity: str,
    settings: Settings,
    again: bool = False,
    progress: Progress = silent,
) -> FetchedDay:
    """Asks for what is missing of a day; `again`: for all of it, although it is covered.

    Where the quota ends first, what came is kept and the rest stays missing: a later call goes on from there. So it
    does after an `Unavailable`, which is raised once what came is kept. Raises `BadInput` for a day that cannot be
    asked for.
    """
    days.require_day(day, client.clock.now(), settings)
    days.require_same_start(lake, settings)
    if refusal := not_served(site, settings):
        raise BadInput(refusal)
    parameter = api_parameter(site)
    begin, end = days.bounds(day)
    known = fetches_of(lake, entity, day, site)
    pages, covered, stopped = PageFile(), list[Covered](), ""
    new: list[FetchManifest] = []
    trouble: LakehouseError | None = None

    def save(note: str = "") -> None:
        failpoints.reach("api.before_pages")
        where = (settings.api, site, day, entity, WINDOW)
        new.append(pages.save(lake, *where, covered=tuple(covered), note=note))

    for order in METHODS[entity].walks:
        since = begin if again else first_missing(known, order.sort, begin, end)
        if since is None or stopped or trouble:
            continue
        reached = since
        try:
            ask = asking(client, METHODS[entity].path, parameter, filter_of(client))
            for step in walk(ask, order, fields_of(ENTITIES[entity]).key, since, end):
                require_closed(step.page, day, end)
                keep(pages, step.page)
                reached = step.covered_to
                rows = pages.items + sum(fetch.items for fetch in new)
                progress(f"{site} {day} {entity}: {rows:,} rows", reached - begin, end + 1 - begin)
                if pages.pages >= PAGES_AT_ONCE and reached > since:
                    covered.append(Covered(order.sort, since, reached - 1))
                    save()
                    pages, covered, since = PageFile(), [], reached
        except NotNow as error:
            stopped = str(error)
        except LakehouseError as error:
            trouble = error
        if reached > since:
            covered.append(Covered(order.sort, since, reached - 1))
    if pages.pages:
        save(stopped or (str(trouble) if trouble else ""))
    if trouble:
        raise trouble
    return FetchedDay((*known, *new), tuple(new), _missing([*known, *new], entity, begin, end, stopped))


def asking(client: Client, path: str, site: str, filter_name: str) -> Ask:
    """Asks one page of a list method of a site, with the filter."""

    def ask(parameters: Mapping[str, Any], check: Check) -> Page:
        every = {"site": site, "filter": filter_name, **parameters}
        return client.ask(path, f"/{path}", every, WINDOWS, check)

    return ask


def require_closed(page: Page, day: str, end: int) -> None:
    """Raises `Unavailable` for a page from before the day's last second was over, by the API's own clock: rows may
    still have come. This machine's clock may be ahead."""
    told = page.received.headers.get("Date", "")
    try:
        moment = parsedate_to_datetime(told)
    except ValueError:
        return  # it tells no time
    if moment.timestamp() <= end:
        raise Unavailable(
            f"By the API's clock {day} has not closed: it is {moment:%Y-%m-%d %H:%M:%S} there and "
            f"{page.asked_at:%Y-%m-%d %H:%M:%S} here (UTC). Set the clock of this machine, or ask again later."
        )


def keep(pages: PageFile, page: Page) -> None:
    """Adds a page to the file, as it was received."""
    request = {"method": "GET", "path": page.path, "parameters": page.parameters}
    pages.add(request, page.asked_at, page.received.status, page.received.headers, page.text)
    pages.items += len(page.items)


def api_parameter(site: str) -> str:
    """The site's name in the API; raises `BadInput` for a site that the API no longer knows."""
    found = find(site)
    if found.key != site:
        raise BadInput(f"{site!r} is another name of the site {found.key!r}. Add that partition and use it.")
    if not found.api:
        raise BadInput(f"The API no longer knows the site {site}. Its dumps are all there is.")
    return found.api


def is_whole(fetches: list[FetchManifest], entity: str, day: str) -> bool:
    """Whether these fetches of a day cover its window in every order."""
    begin, end = days.bounds(day)
    return not _missing(fetches, entity, begin, end, "")


def whole_at(fetches: list[FetchManifest], entity: str, day: str) -> str:
    """When the first of these fetches ended (ISO, UTC) that with those before it covers the day; empty: none does."""
    ends = (fetch.newest_as_of for n, fetch in enumerate(fetches, 1) if is_whole(fetches[:n], entity, day))
    return next(ends, "")


def _missing(fetches: list[FetchManifest], entity: str, begin: int, end: int, stopped: str) -> str:
    """Which part of the window no fetch covers, and why, as a sentence; empty where none."""
    gaps = [_gap(fetches, order, begin, end) for order in METHODS[entity].walks]
    told = "; ".join(filter(None, gaps))
    return f"{told}. {stopped}".strip() if told else ""


def _gap(fetches: list[FetchManifest], order: Walk, begin: int, end: int) -> str:
    since = first_missing(fetches, order.sort, begin, end)
    if since is None:
        return ""
    hour, minute, second = (since - begin) // 3600, (since - begin) // 60 % 60, (since - begin) % 60
    return f"rows by {order.sort} are missing from {hour:02}:{minute:02}:{second:02} UTC on"
