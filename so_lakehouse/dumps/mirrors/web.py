"""A mirror on a web server, laid out as a folder mirror; nothing needs to be listed by the server."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from urllib.parse import quote

from so_lakehouse.dumps.mirrors import transport
from so_lakehouse.dumps.mirrors.contract import Mirror, Opened, RemoteArchive, read_sha256sums, shown
from so_lakehouse.dumps.releases import Release, read_releases
from so_lakehouse.errors import BadInput
from so_lakehouse.patience import Patience


class WebMirror(Mirror):
    """Asks for each thing once; a new object sees what is new."""

    def __init__(self, address: str, patience: Patience) -> None:
        self.address = address.rstrip("/")
        self.patience = patience
        self.source = shown(self.address)
        self._releases = cache(self._read_releases)
        self._size = cache(self._read_size)
        self._sums = cache(self._read_sums)

    def releases(self) -> list[Release]:
        return self._releases()

    def archive(self, release: Release, name: str) -> RemoteArchive | None:
        address = f"{self.address}/{quote(release.folder)}/{quote(name)}"
        size = self._size(address)
        if size is None:
            return None
        return RemoteArchive(name, address, size, sha256=self._sums(release.folder).get(name, ""))

    def archive_names(self, release: Release) -> list[str]:
        return sorted(name for name in self._sums(release.folder) if name.endswith(".7z"))

    def open(self, archive: RemoteArchive, start: int, validator: str) -> AbstractContextManager[Opened]:
        return transport.open_bytes(archive.address, archive.size, start, validator, self.patience)

    def _read_releases(self) -> list[Release]:
        text = transport.get_text(f"{self.address}/releases.csv", self.patience)
        if text is None:
            raise BadInput(
                f"{self.source} is not a mirror: it has no releases.csv. Give the address of the folder that has it."
            )
        return read_releases(text.splitlines(), f"{self.source}/releases.csv")

    def _read_size(self, address: str) -> int | None:
        return transport.get_size(address, self.patience)

    def _read_sums(self, folder: str) -> dict[str, str]:
        address = f"{self.address}/{quote(folder)}/SHA256SUMS"
        return read_sha256sums(transport.get_text(address, self.patience) or "", shown(address))
