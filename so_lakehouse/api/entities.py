"""One day of a site, entity after entity: what fails with one of them does not keep the others from being asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from so_lakehouse.api.by_ids import ask_again
from so_lakehouse.api.client import Client
from so_lakehouse.api.fetch import FetchedDay, fetch_day
from so_lakehouse.errors import Unavailable
from so_lakehouse.lake.storage import Lake
from so_lakehouse.progress import Progress, silent
from so_lakehouse.settings import Settings

# One method may be down for days. Two in a row are the API itself, or the key: asking on would cost quota and time.
FAILED_IN_A_ROW = 2


def fetch_entities(
    lake: Lake,
    client: Client,
    site: str,
    day: str,
    entities: Iterable[str],
    settings: Settings,
    again: bool = False,
    progress: Progress = silent,
) -> Iterator[tuple[str, FetchedDay]]:
    """Each entity with what raw holds of its day, once it has been asked for (`fetch_day`, `ask_again`).

    An `Unavailable` is raised after the last: by then the others have been asked, unless the one before failed too.
    """
    failed: list[Unavailable] = []
    in_a_row = 0
    for entity in entities:
        try:
            found = fetch_day(lake, client, site, day, entity, settings, again, progress)
            if not found.missing:
                found = found.with_more(ask_again(lake, client, site, day, entity, settings, progress))
        except Unavailable as error:
            failed.append(error)
            in_a_row += 1
            if in_a_row == FAILED_IN_A_ROW:
                break
        else:
            in_a_row = 0
            yield entity, found
    if failed:
        raise Unavailable("\n".join(str(error) for error in failed)) from failed[0]
