"""Where the lake's files lie and how they are written whole or not at all. The only module that knows the store.

Paths inside the lake are relative, with `/`; `uri` gives the address an engine needs. Every layer's folders are named
in `lake/paths.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.fs as pafs

from so_lakehouse.errors import BadInput, Unavailable

NOT_IN_ADDRESSES = {"#", "?", "%"}  # they end the path of an address, or begin an escape


@dataclass(frozen=True)
class StoredFile:
    """One file of the lake: path relative to it, size, and when its bytes were last written (UTC)."""

    path: str
    bytes: int
    modified_at: datetime


class Lake:
    """A folder (later: a bucket) that holds the layers raw, bronze, silver and quarantine.

    Reads raise `FileNotFoundError` for what is not there. `write_*` replaces a file at once: a reader sees the old
    bytes or the new ones.
    """

    def __init__(self, uri: str) -> None:
        try:
            self.fs, root = pafs.FileSystem.from_uri(uri) if "://" in uri else (pafs.LocalFileSystem(), uri)
        except pa.ArrowInvalid as error:
            raise BadInput(f"LAKEHOUSE_LAKE is {uri}, which cannot be opened: {error}. Write a folder.") from error
        self.root: str = root.rstrip("/")
        if self.is_local and (odd := sorted(set(self.root) & NOT_IN_ADDRESSES)):
            raise BadInput(
                f"The lake's folder {self.root} has {' and '.join(odd)} in its name, which Spark and Delta would not "
                "take for part of it. Set LAKEHOUSE_HOME or LAKEHOUSE_LAKE to another folder."
            )

    @property
    def is_local(self) -> bool:
        return isinstance(self.fs, pafs.LocalFileSystem)

    def path(self, relative: str) -> str:
        """Path for this lake's `fs`."""
        return f"{self.root}/{relative}"

    def uri(self, relative: str) -> str:
        """Address for Spark, deltalake and DuckDB."""
        return f"file://{self.root}/{relative}" if self.is_local else f"s3a://{self.root}/{relative}"

    def exists(self, relative: str) -> bool:
        return self.fs.get_file_info(self.path(relative)).type != pafs.FileType.NotFound

    def size(self, relative: str) -> int:
        """Bytes of one file, or of all files below a folder."""
        info = self.fs.get_file_info(self.path(relative))
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
        with self.fs.open_input_file(self.path(relative)) as source:
            return source.read()

    def sha256(self, relative: str) -> str:
        """Of a file's bytes, in hexadecimal."""
        digest = hashlib.sha256()
        with self.fs.open_input_stream(self.path(relative)) as source:
            while piece := source.read(1 << 20):
                digest.update(piece)
        return digest.hexdigest()

    def read_json(self, relative: str) -> Any:
        return json.loads(self.read_bytes(relative))

    def write_bytes(self, relative: str, content: bytes) -> None:
        target = self.path(relative)
        self.make_folder(relative.rpartition("/")[0])
        if not self.is_local:  # an object store's put is whole already
            with self.fs.open_output_stream(target) as sink:
                sink.write(content)
            return
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
        return Path(self.path(relative)) if self.is_local else None

    def move(self, relative: str, to: str) -> None:
        """Gives a file another name, replacing what has it."""
        self.fs.move(self.path(relative), self.path(to))

    def adopt(self, local: Path, relative: str) -> None:
        """Moves a finished file of this machine into the lake, whole or not at all."""
        target = self.local_path(relative)
        self.make_folder(relative.rpartition("/")[0])
        if target is None:
            with local.open("rb") as source, self.fs.open_output_stream(self.path(relative)) as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            local.unlink()
            return
        local.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        os.fsync(folder)  # the new name, too, outlives a power cut
        os.close(folder)

    def make_folder(self, relative: str) -> None:
        self.fs.create_dir(self.path(relative), recursive=True)

    def delete(self, relative: str) -> None:
        """Removes a file or a folder with all it holds; silent where it is not there."""
        info = self.fs.get_file_info(self.path(relative))
        if info.type == pafs.FileType.Directory:
            self.fs.delete_dir(self.path(relative))
        elif info.type == pafs.FileType.File:
            self.fs.delete_file(self.path(relative))

    def _entries(self, relative: str, recursive: bool) -> Sequence[pafs.FileInfo]:
        selector = pafs.FileSelector(self.path(relative), recursive=recursive, allow_not_found=True)
        return self.fs.get_file_info(selector)
