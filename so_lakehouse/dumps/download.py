"""Brings one archive to this machine's disk: resumed where it broke, verified before it counts.

The bytes grow in `<name>.part`; beside it, `<name>.part.json` says of which bytes they are. Refused bytes are
deleted; bytes that merely stopped arriving are kept for the next try. What a 7z must look like is in
`sevenzip_file.py`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from so_lakehouse.dumps.mirrors.contract import CHUNK_BYTES, Mirror, RemoteArchive
from so_lakehouse.dumps.sevenzip_file import check_start, check_whole
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.patience import Transient
from so_lakehouse.progress import Progress

PROGRESS_BYTES = 1 << 20  # a connection that brought so much starts the count of failures anew


@dataclass(frozen=True)
class Checksums:
    """Of a whole file, hexadecimal; `sha1` only where the publisher gave one to compare."""

    sha256: str
    sha1: str


@dataclass(frozen=True)
class Note:
    """Of which bytes a part is: where from, how many in all, and the server's name for exactly these."""

    address: str
    size: int
    validator: str


def fetch(mirror: Mirror, archive: RemoteArchive, target: Path, progress: Progress, what: str) -> Checksums:
    """Checksums of the archive, which is then whole and verified in `part_of(target)`; the caller gives it its name.

    Raises `BadInput` for bytes that are no 7z or not the publisher's (they are deleted), `Unavailable` where the
    bytes cannot be had now, the disk is full, or another process fetches the same file.
    """
    part = part_of(target)
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _sole_writer(part) as sink:
            digest = Digest(archive)
            joined = _bring(mirror, archive, part, sink, digest, progress, what)
            try:
                return verify(archive, part, progress, what, digest)
            except BadInput:
                if not joined:
                    raise
            # Where a server's validators lie, a joined part can hold bytes of two versions: once more, in one piece.
            sink.truncate(0)
            digest.restart()
            _bring(mirror, archive, part, sink, digest, progress, what)
            return verify(archive, part, progress, what, digest)
    except BadInput:
        forget(target)
        raise


class Digest:
    """Checksums of a file's bytes up to `position`: fed while they arrive, so that a large file is not read again."""

    def __init__(self, archive: RemoteArchive) -> None:
        self._with_sha1 = bool(archive.sha1)
        self.restart()

    def restart(self) -> None:
        self.position = 0
        self._sha256 = hashlib.sha256()
        self._sha1 = hashlib.sha1(usedforsecurity=False) if self._with_sha1 else None

    def update(self, chunk: bytes) -> None:
        self._sha256.update(chunk)
        if self._sha1:
            self._sha1.update(chunk)
        self.position += len(chunk)

    def catch_up(self, path: Path, until: int, progress: Progress, what: str) -> None:
        """Takes in what the file has between the position and `until`."""
        with path.open("rb") as source:
            source.seek(self.position)
            while self.position < until and (chunk := source.read(min(CHUNK_BYTES, until - self.position))):
                self.update(chunk)
                progress(f"{what}: verifying", self.position, until)

    @property
    def checksums(self) -> Checksums:
        return Checksums(self._sha256.hexdigest(), self._sha1.hexdigest() if self._sha1 else "")


def verify(
    archive: RemoteArchive, path: Path, progress: Progress, what: str, digest: Digest | None = None
) -> Checksums:
    """Checksums of a local file; raises `BadInput` where it is not the whole archive that the mirror announced.

    A digest that was fed with the file's first bytes saves reading them.
    """
    check_whole(path, archive.name)
    size = path.stat().st_size
    if size != archive.size:
        raise BadInput(f"{archive.name} has {size:,} bytes, the mirror announced {archive.size:,} ({archive.where}).")
    digest = digest or Digest(archive)
    digest.catch_up(path, size, progress, what)
    sums = digest.checksums
    for kind, published, found in (("SHA-256", archive.sha256, sums.sha256), ("SHA-1", archive.sha1, sums.sha1)):
        if published and published != found:
            raise BadInput(
                f"{archive.name} has the {kind} {found}, published is {published} ({archive.where}). "
                "The file was damaged on its way or changed by its publisher; run again, or choose another mirror."
            )
    return sums


def part_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def bytes_in_part(archive: RemoteArchive, target: Path) -> int:
    """Bytes of the archive that an earlier try has brought already."""
    part = part_of(target)
    note = _read_note(part)
    return part.stat().st_size if note and part.is_file() and _same(note, archive) else 0


def forget(target: Path) -> None:
    """Deletes what was begun and its note."""
    part_of(target).unlink(missing_ok=True)
    _note_path(part_of(target)).unlink(missing_ok=True)


def _bring(
    mirror: Mirror,
    archive: RemoteArchive,
    part: Path,
    sink: BinaryIO,
    digest: Digest,
    progress: Progress,
    what: str,
) -> bool:
    """Fills the part to the announced size; True where its bytes came by more than one connection."""
    failures, joined = 0, False
    while True:
        note = _read_note(part)
        begun = sink.seek(0, os.SEEK_END)
        if not note or not _same(note, archive) or begun > archive.size:
            begun = 0
        if note and begun == archive.size:
            return True
        try:
            with mirror.open(archive, begun, note.validator if note else "") as opened:
                joined = opened.start > 0
                sink.truncate(opened.start)
                sink.seek(opened.start)
                _write_note(part, Note(archive.where, archive.size, opened.validator))
                if opened.start == 0:
                    digest.restart()
                digest.catch_up(part, opened.start, progress, what)
                for chunk in opened.chunks:
                    if digest.position == 0:
                        check_start(chunk, archive.name, archive.where)
                    _write(sink, chunk, part)
                    digest.update(chunk)
                    progress(what, digest.position, archive.size)
            if digest.position == archive.size:
                os.fsync(sink.fileno())
                return joined
            raise Transient(f"{archive.where} ended after {digest.position:,} of {archive.size:,} bytes.")
        except Transient as error:
            gained = sink.seek(0, os.SEEK_END) - begun
            failures = 1 if gained >= PROGRESS_BYTES else failures + 1
            mirror.patience.wait(failures, error)


def _write(sink: BinaryIO, chunk: bytes, part: Path) -> None:
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[sink.write(rest) :]
    except OSError as error:
        raise Unavailable(
            f"Cannot write {part}: {error.strerror}. Free disk space and run again; it goes on from here."
        ) from error


@contextmanager
def _sole_writer(part: Path) -> Iterator[BinaryIO]:
    """The part, open for reading and writing, by no other process at the same time."""
    with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0) as sink:
        try:
            fcntl.flock(sink, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(f"Another process is fetching {part.name}. Wait for it, then run again.") from None
        yield sink


def is_held(part: Path) -> bool:
    """Whether a process is fetching into this part at this moment."""
    try:
        with _sole_writer(part):
            return False
    except Unavailable:
        return True


def _same(note: Note, archive: RemoteArchive) -> bool:
    return (note.address, note.size) == (archive.where, archive.size)


def _note_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_note(part: Path) -> Note | None:
    """None also for a note that a crash left unreadable: the part is then begun again."""
    try:
        return Note(**json.loads(_note_path(part).read_text("utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _write_note(part: Path, note: Note) -> None:
    _note_path(part).write_text(json.dumps(note.__dict__), "utf-8")
