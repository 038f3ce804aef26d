"""What every mirror can do: name its releases, find an archive in one, and hand out its bytes from a position on.

A mirror is a list of releases (`releases.csv`: release, cut_date, quarter, revision, note) and
`<release>/<archive>.7z`, with `<release>/SHA256SUMS` (the format of sha256sum) where the publisher gave checksums;
archive.org is laid out differently.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from so_lakehouse.dumps.releases import Release
from so_lakehouse.errors import BadInput
from so_lakehouse.patience import Patience

LICENCE = "CC BY-SA 2.5, 3.0 or 4.0 by the date of each text (Stack Exchange, and the authors)"
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class RemoteArchive:
    """One archive in a mirror: its size in bytes, and the publisher's checksums (hexadecimal) where there are any."""

    name: str
    address: str
    size: int
    sha256: str = ""
    sha1: str = ""

    @property
    def where(self) -> str:
        """The address as it may be shown and stored: without a name and password."""
        return shown(self.address)


@dataclass(frozen=True)
class Opened:
    """Bytes of an archive from `start` on; by the `validator` a later call asks to go on with exactly these."""

    start: int
    validator: str
    chunks: Iterator[bytes]


class Mirror(ABC):
    """Where dumps can be taken from. `source` is how manifests and messages name it; `patience`, how long to ask."""

    source: str
    patience: Patience = Patience()

    @abstractmethod
    def releases(self) -> list[Release]:
        """All releases, in the order of (cut, revision); copies of one release in the order to look at them. Raises
        `Unavailable` or `BadInput`."""

    @abstractmethod
    def archive(self, release: Release, name: str) -> RemoteArchive | None:
        """The archive of that file name in a release, or None where the release has none."""

    @abstractmethod
    def archive_names(self, release: Release) -> list[str]:
        """File names of a release's archives; empty where this mirror cannot list them."""

    @abstractmethod
    def open(self, archive: RemoteArchive, start: int, validator: str) -> AbstractContextManager[Opened]:
        """The archive's bytes from `start` on, or from 0 where the mirror no longer has what the validator names.

        Raises `patience.Transient` where another try can help.
        """

    def first_bytes(self, archive: RemoteArchive, count: int) -> bytes:
        """The first bytes of an archive, as many as asked for or the archive has."""

        def ask() -> bytes:
            with self.open(archive, 0, "") as opened:
                return next(iter(opened.chunks), b"")[:count]

        return self.patience.until_answered(ask)

    def licence(self, release: Release) -> str:
        return LICENCE


def shown(address: str) -> str:
    """The address without a name and password in it."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def read_sha256sums(text: str, source: str) -> dict[str, str]:
    """File name to checksum of a `SHA256SUMS`; raises `BadInput` for a line that is none."""
    sums = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            match = re.fullmatch(r"([0-9a-fA-F]{64}) [ *](?:\./)?(\S.*)", line)
            if not match:
                raise BadInput(f"{source}, line {number} is not a checksum as sha256sum writes it: {line[:80]!r}.")
            sums[match[2]] = match[1].lower()
    return sums
