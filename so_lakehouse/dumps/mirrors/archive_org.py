"""archive.org as a mirror, through its metadata API; nothing is built from names, because layouts differ between items.

* `stackexchange` is the publisher's own item, overwritten with each release until 2024-04. Archives whose date is far
  from the newest are left over from an older release (a site that was renamed or closed) and do not count.
* `stackexchange_<date>…` are copies of one release each; some keep their files in a folder. Of several copies of one
  release and revision the one with the shortest name comes first, and the others have what it lacks.
* An item that was taken down ("dark") still answers; it counts as empty, so that the others stay in use.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from so_lakehouse.dumps.mirrors import transport
from so_lakehouse.dumps.mirrors.contract import LICENCE, Mirror, Opened, RemoteArchive, shown
from so_lakehouse.dumps.releases import SINGLE_ITEM, Release, release_of_item
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.patience import Patience

LOG = logging.getLogger(__name__)

SEARCH = {"q": f"identifier:({SINGLE_ITEM} OR {SINGLE_ITEM}_2*)", "fl[]": "identifier", "rows": "500", "output": "json"}
# The publisher uploaded a release within days; quarters are 90 days apart.
LEFT_OVER_DAYS = 45
ELSEWHERE = "take the dumps from elsewhere: --mirror DIR|URL, or LAKEHOUSE_MIRROR"


class ArchiveOrg(Mirror):
    """Asks for the list of items and for each item once; a new object sees what is new."""

    def __init__(self, address: str, patience: Patience) -> None:
        self.address = address.rstrip("/")
        self.patience = patience
        self.source = shown(self.address)
        self._releases = cache(self._read_releases)
        self._item = cache(self._read_item)
        self._archives = cache(self._read_archives)

    def releases(self) -> list[Release]:
        return self._releases()

    def archive(self, release: Release, name: str) -> RemoteArchive | None:
        """Raises `BadInput` where the item has two different archives of that name, in two folders."""
        found = self._archives(release.folder).get(name, ())
        contents = {(archive.size, archive.sha1 or archive.address) for archive in found}  # no sum: nobody can tell
        if len(contents) > 1:
            raise BadInput(
                f"{self.source}, item {release.folder}: {name} is there more than once, and not the same: "
                f"{', '.join(archive.where for archive in found)}. Nothing says which one is meant. Copy the right "
                "one to a folder laid out as a mirror (README) and name it with --mirror."
            )
        return found[0] if found else None

    def archive_names(self, release: Release) -> list[str]:
        return sorted(self._archives(release.folder))

    def open(self, archive: RemoteArchive, start: int, validator: str) -> AbstractContextManager[Opened]:
        return transport.open_bytes(archive.address, archive.size, start, validator, self.patience)

    def licence(self, release: Release) -> str:
        stated = self._item(release.folder).get("metadata", {}).get("licenseurl", "")
        return f"{LICENCE}; the item states {stated}" if stated else LICENCE

    def _read_releases(self) -> list[Release]:
        answer = self._ask(f"advancedsearch.php?{urlencode(SEARCH)}")
        try:
            identifiers = [row["identifier"] for row in answer["response"]["docs"]]
        except (KeyError, TypeError):
            raise Unavailable(
                f"{self.source} answered its search with {str(answer)[:80]!r}. Try again later, {ELSEWHERE}."
            ) from None
        found = []
        for identifier in sorted(identifiers, key=lambda identifier: (len(identifier), identifier)):
            published = self._published() if identifier == SINGLE_ITEM else None
            release = release_of_item(identifier, published)
            if release:
                found.append(release)
        return sorted(found, key=lambda release: release.order)  # copies of one release stay as they stand

    def _read_item(self, identifier: str) -> dict[str, Any]:
        """What the metadata API says of an item; empty for one that is no longer served."""
        answer = self._ask(f"metadata/{quote(identifier)}")
        if isinstance(answer, dict) and not answer.get("is_dark"):
            return answer
        LOG.warning(f"{self.source} no longer serves the item {identifier}; its other items are looked through.")
        return {}

    def _ask(self, path: str) -> Any:
        try:
            return transport.get_json(f"{self.address}/{path}", self.patience)
        except Unavailable as error:
            raise Unavailable(f"{error} Or {ELSEWHERE}.") from error

    def _read_archives(self, identifier: str) -> dict[str, list[RemoteArchive]]:
        """Archives of an item by their file name, whatever folder they lie in."""
        rows = [row for row in self._item(identifier).get("files", ()) if _is_archive(row)]
        if identifier == SINGLE_ITEM:
            newest = _newest(rows)
            rows = [row for row in rows if newest and (newest - _day(row)).days <= LEFT_OVER_DAYS]
        base = f"{self.address}/download/{quote(identifier)}"
        found: dict[str, list[RemoteArchive]] = {}
        for row in rows:
            name, sha1 = row["name"].rpartition("/")[2], str(row.get("sha1", "")).lower()
            archive = RemoteArchive(name, f"{base}/{quote(row['name'])}", int(row["size"]), sha1=sha1)
            found.setdefault(name, []).append(archive)
        return found

    def _published(self) -> date | None:
        return _newest(row for row in self._item(SINGLE_ITEM).get("files", ()) if _is_archive(row))


def _is_archive(row: dict[str, Any]) -> bool:
    servable = str(row.get("private", "")).lower() != "true" and re.fullmatch(r"\d+", str(row.get("size", "")))
    return bool(servable) and str(row.get("name", "")).endswith(".7z")


def _day(row: dict[str, Any]) -> date:
    return datetime.fromtimestamp(int(row.get("mtime", 0)), UTC).date()


def _newest(rows: Iterable[dict[str, Any]]) -> date | None:
    return max((_day(row) for row in rows), default=None)
