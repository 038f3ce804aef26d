"""A mirror that is a folder: `releases.csv`, and per release a folder of archives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from so_lakehouse.dumps.mirrors.contract import CHUNK_BYTES, Mirror, Opened, RemoteArchive, read_sha256sums
from so_lakehouse.dumps.releases import Release, read_releases
from so_lakehouse.errors import BadInput, Unavailable


class FolderMirror(Mirror):
    """Reads each time what the folder holds, except for checksums, which are read once."""

    def __init__(self, location: str) -> None:
        self.folder = Path(location.removeprefix("file://")).expanduser().resolve()
        self.source = str(self.folder)
        self._sums = cache(self._read_sums)

    def releases(self) -> list[Release]:
        path = self.folder / "releases.csv"
        if not path.is_file():
            raise BadInput(
                f"{self.folder} is not a mirror: it has no releases.csv. Point --mirror to the folder that has it."
            )
        try:
            with path.open(encoding="utf-8-sig", newline="") as lines:
                return read_releases(lines, str(path))
        except UnicodeDecodeError as error:
            raise BadInput(f"{path} is not UTF-8: {error}. Save it as UTF-8.") from None

    def archive(self, release: Release, name: str) -> RemoteArchive | None:
        path = self.folder / release.folder / name
        if not path.is_file():
            return None
        return RemoteArchive(name, str(path), path.stat().st_size, sha256=self._sums(release.folder).get(name, ""))

    def archive_names(self, release: Release) -> list[str]:
        return sorted(path.name for path in (self.folder / release.folder).glob("*.7z"))

    @contextmanager
    def open(self, archive: RemoteArchive, start: int, validator: str) -> Iterator[Opened]:
        try:
            with Path(archive.address).open("rb") as source:
                state = Path(archive.address).stat()
                current = f"{state.st_mtime_ns}-{state.st_size}"
                start = start if validator == current else 0
                source.seek(start)
                yield Opened(start, current, iter(lambda: source.read(CHUNK_BYTES), b""))
        except FileNotFoundError:
            raise Unavailable(f"{archive.address} has gone. Restore it, or choose another mirror.") from None

    def _read_sums(self, folder: str) -> dict[str, str]:
        path = self.folder / folder / "SHA256SUMS"
        return read_sha256sums(path.read_text("utf-8"), str(path)) if path.is_file() else {}
