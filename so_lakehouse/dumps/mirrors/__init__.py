"""Where dumps can be taken from: a folder, a web server, or archive.org.

`open_mirror` decides by the location; the rest of the project only knows the contract (`contract.py`).
"""

from __future__ import annotations

from so_lakehouse.dumps.mirrors.archive_org import ArchiveOrg
from so_lakehouse.dumps.mirrors.contract import Mirror, RemoteArchive
from so_lakehouse.dumps.mirrors.folder import FolderMirror
from so_lakehouse.dumps.mirrors.web import WebMirror
from so_lakehouse.patience import Patience
from so_lakehouse.settings import Settings

__all__ = ["Mirror", "RemoteArchive", "open_mirror"]


def open_mirror(location: str, settings: Settings, patience: Patience | None = None) -> Mirror:
    """The mirror at a folder or an http(s) address; where both the location and `LAKEHOUSE_MIRROR` are empty,
    archive.org.

    Opens nothing: what is not there shows when its releases are asked for. `patience` says how long to go on trying.
    """
    location = (location or settings.mirror).strip()
    patience = patience or Patience()
    if not location:
        return ArchiveOrg(settings.archive_org, patience)
    if location.startswith(("http://", "https://")):
        return WebMirror(location, patience)
    return FolderMirror(location)
