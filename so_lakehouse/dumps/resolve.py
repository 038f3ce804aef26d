"""Which release of a mirror is meant by a site and a quarter, and which archives of it.

Belongs here: the choice, and errors that list what exists. Does not belong here: fetching (`land.py`).
The choice is the latest (cut, revision) of the quarter that has the site; withdrawn releases only count by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from so_lakehouse.dumps import sites
from so_lakehouse.dumps.mirrors.contract import Mirror, RemoteArchive
from so_lakehouse.dumps.releases import Release, read_quarter
from so_lakehouse.dumps.sites import Site
from so_lakehouse.errors import BadInput
from so_lakehouse.schema import TABLES

# Until 2024-04 Stack Overflow, and no other site, had an archive per table: stackoverflow.com-Posts.7z.
ARCHIVE_PER_TABLE = frozenset({"stackoverflow"})
LISTED = 20


@dataclass(frozen=True)
class Resolved:
    """One site's dump in a mirror: the release that stands for its quarter, and its archives (mostly one)."""

    site: Site
    release: Release
    archives: tuple[RemoteArchive, ...]

    @property
    def quarter(self) -> str:
        return self.release.quarter

    @property
    def size(self) -> int:
        """Bytes of all archives."""
        return sum(archive.size for archive in self.archives)


def resolve(mirror: Mirror, site: str, quarter: str | None = None, release: str = "") -> Resolved:
    """The dump of a site (key, host or API parameter) in a mirror.

    `quarter` is a quarter (`2016-10-01`, `2016Q4`), the name of a release (`2016-12`), or None for the newest release
    that has the site; `release`, this one and no other of the quarter. Raises `BadInput` listing what exists where the
    mirror has no such site, quarter or release.
    """
    wanted = sites.find(site)
    releases = mirror.releases()
    if release:
        chosen = [known for known in releases if known.release == release and known.quarter == quarter]
        if not chosen:
            raise BadInput(
                f"{mirror.source} has no release {release!r} in {quarter}. It has {_several(_names(releases))}."
            )
    elif quarter is None:
        chosen = [known for known in releases if not known.withdrawn]
    else:
        key = read_quarter(quarter)
        chosen = [known for known in releases if known.quarter == key and not known.withdrawn] if key else []
        chosen = chosen or [known for known in releases if known.release == quarter.strip()]
        if not chosen:
            raise BadInput(
                f"{mirror.source} has no quarter or release {quarter!r}. It has {_several(_names(releases))}."
            )
    found = _newest(mirror, wanted, chosen)
    if found:
        return found
    raise BadInput(_missing(mirror, wanted, site, quarter, releases, chosen))


def newest(mirror: Mirror, site: str) -> Resolved | None:
    """The newest release of a mirror that has the site and was not withdrawn; None where there is none."""
    return _newest(mirror, sites.find(site), [release for release in mirror.releases() if not release.withdrawn])


def quarters(mirror: Mirror, site: str) -> list[Resolved]:
    """What stands for each quarter in which the mirror has the site, in the order of cuts; empty where it has none."""
    wanted = sites.find(site)
    by_quarter: dict[str, list[Release]] = {}
    for release in mirror.releases():
        if not release.withdrawn:
            by_quarter.setdefault(release.quarter, []).append(release)
    found = (_newest(mirror, wanted, releases) for releases in by_quarter.values())
    return sorted((dump for dump in found if dump), key=lambda dump: dump.release.order)


def _newest(mirror: Mirror, site: Site, releases: Sequence[Release]) -> Resolved | None:
    # Copies of one release keep their order, so that a later one stands in where an earlier lacks the site.
    for release in sorted(releases, key=lambda release: release.order, reverse=True):
        archives = _archives(mirror, site, release)
        if archives:
            return Resolved(site, release, archives)
    return None


def _archives(mirror: Mirror, site: Site, release: Release) -> tuple[RemoteArchive, ...]:
    for host in site.archive_hosts(release.cut_date):
        whole = mirror.archive(release, f"{host}.7z")
        if whole:
            return (whole,)
        if site.key in ARCHIVE_PER_TABLE:
            names = [f"{host}-{table.file.removesuffix('.xml')}.7z" for table in TABLES.values()]
            parts = tuple(part for part in (mirror.archive(release, name) for name in names) if part)
            if parts:
                return parts
    return ()


def _missing(
    mirror: Mirror, site: Site, asked: str, quarter: str | None, releases: Sequence[Release], chosen: Sequence[Release]
) -> str:
    """Why there is nothing: the site is elsewhere in this mirror, or nowhere."""
    if quarter is not None:
        elsewhere = [f"{dump.quarter} ({dump.release})" for dump in quarters(mirror, site.key)]
        if elsewhere:
            looked = _several(_names(chosen))
            return f"{mirror.source} has no {site.key} in {quarter} ({looked}). It has {_several(elsewhere)}."
    listed = {sites.find(_host(name)).key for release in releases for name in mirror.archive_names(release)}
    known = listed or {known.key for known in sites.all_sites()}
    close = get_close_matches(asked.lower(), sorted(known), n=3, cutoff=0.6)
    message = f"{mirror.source} has no archive of the site {asked!r} in any of its {len(_names(releases))} releases."
    if close:
        message += f" Did you mean {', '.join(close)}?"
    if listed:
        message += f" It has {_several(sorted(listed))}."
    return message


def _host(archive: str) -> str:
    """Host in an archive's file name, the table of a per-table archive taken off."""
    host = archive.removesuffix(".7z")
    stem, _, table = host.rpartition("-")
    return stem if any(table == known.file.removesuffix(".xml") for known in TABLES.values()) else host


def _names(releases: Sequence[Release]) -> list[str]:
    return list(dict.fromkeys(f"{release.quarter} ({release})" for release in releases))


def _several(names: Sequence[str]) -> str:
    if not names:
        return "none"
    rest = len(names) - LISTED
    return ", ".join(names[:LISTED]) + (f" and {rest} more" if rest > 0 else "")
