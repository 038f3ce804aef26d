"""Dumps: a release that raw does not hold yet, and landed dumps that bronze has not read.

Only a site's newest release is landed by itself: older ones tell silver nothing as long as the newest is there, and
whoever wants them asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from so_lakehouse.api.source import stranger
from so_lakehouse.automation.answer import Answer, Request, Runs, attempt, version_of
from so_lakehouse.dumps.bronze import is_read, reader_version
from so_lakehouse.dumps.land import Resolved, bytes_to_fetch, other_bytes
from so_lakehouse.dumps.mirrors import Mirror
from so_lakehouse.dumps.resolve import newest
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.lake import paths
from so_lakehouse.lake.manifests import RawManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.settings import Settings

# What a look at dumps reads of the lake.
FOLDERS = (paths.RAW_DUMP, *(paths.bronze_dump(table) for table in TABLES))

# A web server is asked about each site; one after the other, 180 sites would take longer than a sensor may.
QUESTIONS_AT_ONCE = 8


def due(
    lake: Lake, mirror: Mirror | None, sites: Sequence[str], settings: Settings, runs: Runs, now: datetime
) -> Answer:
    """What to land and to read. `mirror`: None where it is not to be asked this time.

    A release that was replaced without another revision is not landed over what is here; its run fails and says so.
    What failed to land is tried again after a while: the cause may lie outside. What failed to be read is tried again
    when it has changed.
    """
    landed = {site: _landed(lake, site) for site in sites}
    notes: list[str] = []
    requests = [request for site in sites for request in _unread(lake, site, landed[site], settings)]
    if mirror is not None:
        refusals = {site: stranger(site, settings) for site in sites}
        notes += filter(None, refusals.values())
        asked = {site: held for site, held in landed.items() if not refusals[site]}
        requests += _released(lake, mirror, asked, settings, now, notes.append)
    return runs.answer(requests, notes)


def _landed(lake: Lake, site: str) -> list[RawManifest]:
    """The dumps of a site whose archives are here, the newest quarter first."""
    quarters = [folder.rpartition("quarter=")[2] for folder in lake.list(paths.RAW_DUMP)]
    found = [RawManifest.load(lake, quarter, site) for quarter in sorted(quarters, reverse=True)]
    return [raw for raw in found if raw and all(lake.exists(archive.path) for archive in raw.archives)]


def _unread(lake: Lake, site: str, landed: Sequence[RawManifest], settings: Settings) -> Iterator[Request]:
    """Dumps that bronze shall hold and has not read as they are now; the oldest first.

    Older quarters than maintenance keeps come to bronze when somebody asks: it would only take them away again.
    """
    for place, raw in reversed(list(enumerate(landed))):
        is_kept = place < settings.bronze_quarters
        if (is_kept or _is_in_bronze(lake, raw)) and not is_read(lake, raw):
            yield Request(
                ("bronze",),
                (site, raw.quarter),
                version_of(raw.data_version, *map(reader_version, TABLES)),
                f"{raw.release} has landed and is not read.",
            )


def _is_in_bronze(lake: Lake, raw: RawManifest) -> bool:
    return any(lake.exists(paths.bronze_dump_manifest(table, raw.quarter, raw.site)) for table in TABLES)


def _released(
    lake: Lake,
    mirror: Mirror,
    landed: dict[str, list[RawManifest]],
    settings: Settings,
    now: datetime,
    note: Callable[[str], None],
) -> Iterator[Request]:
    if not landed:
        return
    try:
        releases = [release for release in mirror.releases() if not release.withdrawn]
        if not releases:
            note(f"{mirror.source} has no release.")
            return
        here = {site: max((raw.order for raw in held), default=("", 0, "")) for site, held in landed.items()}

        def ask(site: str) -> tuple[Resolved | None, str]:
            try:
                dump = newest(mirror, site)
            except BadInput as error:  # what is wrong with one site's archive keeps no other site waiting
                return None, str(error)
            is_here = dump is not None and dump.release.order == here[site]
            return dump, other_bytes(lake, mirror, dump) if dump and is_here else ""

        with ThreadPoolExecutor(QUESTIONS_AT_ONCE) as pool:
            answers = list(pool.map(ask, landed))
        for site, (dump, refusal) in zip(landed, answers, strict=True):
            if dump is None:
                note(f"{site}: {refusal or f'{mirror.source} has no dump of it.'}")
            elif refusal:  # landing says so to people, once: its run fails
                yield Request(("raw", "bronze"), (site, dump.quarter), version_of(dump.release.order, refusal), refusal)
            elif dump.release.order > here[site]:
                yield from _asked(lake, mirror, dump, settings, now, note)
    except (Unavailable, BadInput) as error:  # what has landed is read all the same
        note(f"{error} Releases are looked for again later.")


def _asked(
    lake: Lake, mirror: Mirror, dump: Resolved, settings: Settings, now: datetime, note: Callable[[str], None]
) -> Iterator[Request]:
    site, release = dump.site.key, dump.release
    try:
        size = bytes_to_fetch(lake, mirror, dump, settings)
    except BadInput as error:
        note(f"{site}: {error}")
        return
    if size > settings.max_download_bytes:
        note(
            f"{site}: {release} has {size:,} bytes to fetch, and LAKEHOUSE_MAX_DOWNLOAD allows "
            f"{settings.max_download_bytes:,}. It is yours to start: so-lakehouse run --site {site}"
        )
        return
    sums = [[archive.name, archive.size, archive.sha256 or archive.sha1] for archive in dump.archives]
    version = version_of(release.order, sums, attempt(now, settings))
    yield Request(("raw", "bronze"), (site, dump.quarter), version, f"{mirror.source} has {release}.")
