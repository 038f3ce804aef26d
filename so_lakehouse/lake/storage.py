"""Where the lake's files lie and how they are written whole or not at all. Only this module, that of the object store
(`object_store.py`), Spark's session and the settings know which store it is; everybody else asks for what they need
(`local_path`, `options`).

Paths inside the lake are relative, with `/`; `uri` gives the address an engine needs. Every layer's folders are named
in `lake/paths.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import pyarrow as pa
import pyarrow.fs as pafs

from so_lakehouse.errors import BadInput, LakehouseError, Unavailable
from so_lakehouse.lake.object_store import ObjectStore
from so_lakehouse.settings import Settings

NOT_IN_ADDRESSES = {"#", "?", "%"}  # they end the path of an address, or begin an escape
PIECE = 1 << 20  # bytes that are held at once where files are copied or summed up


@dataclass(frozen=True)
class StoredFile:
    """One file of the lake: path relative to it, size, and when its bytes were last written (UTC)."""

    path: str
    bytes: int
    modified_at: datetime


class Lake:
    """A folder, or a prefix of a bucket, that holds the layers raw, bronze, silver and quarantine.

    Reads raise `FileNotFoundError` for what is not there, and `Unavailable` where an object store does not answer.
    `write_*` replaces a file at once: a reader sees the old bytes or the new ones. An object store has no folders:
    what lies below a path makes it one. Which store it is must be said: without, it would be AWS with the keys that
    are around.
    """

    def __init__(self, uri: str, store: ObjectStore | None = None) -> None:
        scheme, found, place = uri.partition("://")
        if found and (scheme not in ("file", "s3", "s3a") or (scheme == "file" and not place.startswith("/"))):
            raise BadInput(f"LAKEHOUSE_LAKE is {uri}. Write a folder, file:///folder or s3://bucket/prefix.")
        self._is_local = not found or scheme == "file"
        self.root: str = (place if found else uri).rstrip("/")
        if not self._is_local and store is None:
            raise TypeError(f"{uri} lies in an object store: say in which (Lake.of takes the one of the settings).")
        self.store = None if self._is_local else store
        self.fs: pafs.FileSystem = self.store.filesystem() if self.store else pafs.LocalFileSystem()
        if odd := sorted(set(self.root) & NOT_IN_ADDRESSES):
            raise BadInput(
                f"The lake's folder {self.root} has {' and '.join(odd)} in its name, which Spark and Delta would not "
                "take for part of it. Set LAKEHOUSE_HOME or LAKEHOUSE_LAKE to another folder."
            )
        if not self.root.strip("/"):
            raise BadInput(f"LAKEHOUSE_LAKE is {uri}, which names no {'folder' if self._is_local else 'bucket'}.")

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The lake that the settings name."""
        return cls(settings.lake_uri, ObjectStore.of(settings))

    def of_writer(self, layer: str, settings: Settings) -> Lake:
        """The same lake as who makes that layer reaches it (`Settings.of_writer`)."""
        return self if self._is_local else Lake(f"s3://{self.root}", ObjectStore.of(settings.of_writer(layer)))

    def path(self, relative: str) -> str:
        """Path for this lake's `fs`."""
        return f"{self.root}/{relative}"

    def uri(self, relative: str) -> str:
        """Address for Spark, deltalake and people."""
        return f"{'file' if self._is_local else 's3a'}://{self.root}/{relative}"

    @property
    def options(self) -> dict[str, str] | None:
        """How deltalake reaches the store: its `storage_options`. Only `lake/delta.py` needs them."""
        return self.store.deltalake_options() if self.store else None

    def exists(self, relative: str) -> bool:
        return self._info(relative).type != pafs.FileType.NotFound

    def size(self, relative: str) -> int:
        """Bytes of one file, or of all files below a folder."""
        info = self._info(relative)
        if info.type == pafs.FileType.File:
            return info.size
        return sum(entry.size for entry in self._entries(relative, recursive=True) if entry.is_file)

    def list(self, relative: str, recursive: bool = False) -> Sequence[str]:
        """Relative paths of what lies directly (or anywhere) in a folder, sorted; empty where there is no folder."""
        return sorted(entry.path.removeprefix(self.root + "/") for entry in self._entries(relative, recursive))

    def files(self, relative: str) -> Sequence[StoredFile]:
        """All files anywhere in a folder, by path; empty where there is no folder."""
        found = [
            StoredFile(entry.path.removeprefix(self.root + "/"), entry.size, entry.mtime)
            for entry in self._entries(relative, recursive=True)
            if entry.is_file
        ]
        return sorted(found, key=lambda file: file.path)

    def read_bytes(self, relative: str) -> bytes:
        """A file's bytes, of one version: an object store is asked for the size and then for as many bytes, which are a
        part of the next version where that came in between and is longer."""
        path = self.path(relative)
        while True:
            with self.answering(), self.fs.open_input_file(path) as source:
                version, content = _version(source), source.read()
            if self.store is None:
                return content
            with self.answering(), self.fs.open_input_file(path) as now:
                if _version(now) == version:
                    return content

    def first_bytes(self, relative: str, count: int) -> bytes:
        """The beginning of a file, at most `count` bytes."""
        with self.answering(), self.fs.open_input_file(self.path(relative)) as source:
            return source.read(count)

    def pieces(self, relative: str) -> Iterator[bytes]:
        """A file's bytes from its beginning to its end, a piece at a time."""
        with self.answering(), self.fs.open_input_stream(self.path(relative)) as source:
            while piece := source.read(PIECE):
                yield piece

    def sha256(self, relative: str) -> str:
        """Of a file's bytes, in hexadecimal."""
        digest = hashlib.sha256()
        for piece in self.pieces(relative):
            digest.update(piece)
        return digest.hexdigest()

    def read_json(self, relative: str) -> Any:
        return json.loads(self.read_bytes(relative))

    def write_bytes(self, relative: str, content: bytes) -> None:
        target = self.path(relative)
        if self.store is not None:  # a put is whole already
            with self.answering():
                self.store.put(target, content)
            return
        self.make_folder(relative.rpartition("/")[0])
        part = f"{target}.{uuid4().hex}.part"
        try:
            with self.fs.open_output_stream(part) as sink:
                sink.write(content)
        except OSError as error:
            raise Unavailable(
                f"Cannot write {target}: {error}. Free disk space or choose another LAKEHOUSE_HOME."
            ) from error
        self.fs.move(part, target)

    def write_json(self, relative: str, content: Any) -> None:
        self.write_bytes(relative, json.dumps(content, indent=1, sort_keys=True, default=str).encode() + b"\n")

    def local_path(self, relative: str) -> Path | None:
        """Where a file of this lake is on this machine's disk; None for an object store."""
        return Path(self.path(relative)) if self._is_local else None

    def move(self, relative: str, to: str) -> None:
        """Gives a file another name, replacing what has it. In an object store it is written anew, whatever its size:
        the store's own copy ends at 5 GB."""
        if self.store is None:
            self.fs.move(self.path(relative), self.path(to))
            return
        with self.answering():
            self.store.upload(self.path(to), self.pieces(relative))
        self.delete(relative)

    def adopt(self, local: Path, relative: str) -> None:
        """Moves a finished file of this machine into the lake, whole or not at all."""
        if self.store is not None:
            with local.open("rb") as source, self.answering():
                self.store.upload(self.path(relative), iter(lambda: source.read(PIECE), b""))
            local.unlink()
            return
        target = Path(self.path(relative))
        self.make_folder(relative.rpartition("/")[0])
        local.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        os.fsync(folder)  # the new name, too, outlives a power cut
        os.close(folder)

    def make_folder(self, relative: str) -> None:
        """Makes sure that files can be written there; in an object store they always can."""
        if self._is_local:
            self.fs.create_dir(self.path(relative), recursive=True)

    def delete(self, relative: str) -> None:
        """Removes a file or a folder with all it holds; silent where it is not there."""
        if self.store is not None:
            with self.answering():
                self.store.delete(self.path(relative))
            return
        info = self._info(relative)
        if info.type == pafs.FileType.Directory:
            self.fs.delete_dir(self.path(relative))
        elif info.type == pafs.FileType.File:
            self.fs.delete_file(self.path(relative))

    def end_uploads(self, before: datetime) -> int:
        """Ends what was begun to be written to an object store before this moment and never finished, which is kept
        there without being seen; returns how many there were."""
        if self.store is None:
            return 0
        with self.answering():
            return self.store.end_uploads(self.root, before)

    def _info(self, relative: str) -> pafs.FileInfo:
        with self.answering():
            return self.fs.get_file_info(self.path(relative))

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Turns what an object store refused in the block, or that it did not answer, into `Unavailable`, whichever
        client asked it."""
        try:
            yield
        except (LakehouseError, FileNotFoundError):
            raise
        except Exception as error:
            if self.store is None or not self.store.is_cause(error):
                raise
            raise self.store.unavailable(self.root, error) from error

    def _entries(self, relative: str, recursive: bool) -> Sequence[pafs.FileInfo]:
        selector = pafs.FileSelector(self.path(relative), recursive=recursive, allow_not_found=True)
        with self.answering():
            return self.fs.get_file_info(selector)


def _version(file: pa.NativeFile) -> str | None:
    """The entity tag of the version that was there when the file was opened; none in a folder."""
    told = file.metadata()
    return str(told["ETag"]) if told else None
