"""One day of a site, entity after entity: a method that does not answer keeps no other from being asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from so_lakehouse.api.by_ids import ask_again
from so_lakehouse.api.client import Client
from so_lakehouse.api.fetch import FetchedDay, fetch_day
from so_lakehouse.errors import Refused, Unavailable
from so_lakehouse.lake.api_raw import fetches_of
from so_lakehouse.lake.storage import Lake
from so_lakehouse.progress import Progress, silent
from so_lakehouse.settings import Settings


def fetch_entities(
    lake: Lake,
    client: Client,
    site: str,
    day: str,
    entities: Sequence[str],
    settings: Settings,
    again: bool = False,
    progress: Progress = silent,
) -> Iterator[tuple[str, FetchedDay]]:
    """Each entity with what raw holds of its day, once it has been asked for (`fetch_day`, `ask_again`).

    Where one does not answer, `missing` says so, as where the quota ends. Raises `Unavailable` where two in a row do
    not: that is no matter of a method. What the API refuses for good (`Refused`) is raised at once.
    """
    before: Unavailable | None = None
    for place, entity in enumerate(entities, 1):
        try:
            found = fetch_day(lake, client, site, day, entity, settings, again, progress)
            if not found.missing:
                found = found.with_more(ask_again(lake, client, site, day, entity, settings, progress))
        except Refused:
            raise
        except Unavailable as error:
            if before:
                rest = ", ".join(entities[place:])
                told = " ".join(dict.fromkeys((str(before), str(error))))
                raise Unavailable(f"{told} Not asked for after that: {rest or 'nothing'}.") from error
            before = error
            found = FetchedDay(tuple(fetches_of(lake, entity, day, site)), (), str(error))
        else:
            before = None
        yield entity, found
