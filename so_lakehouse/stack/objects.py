"""All that the stack's object store holds, out into a folder and back into an empty store: for its backup.

    python -m so_lakehouse.stack.objects out FOLDER
    python -m so_lakehouse.stack.objects in FOLDER

Belongs here: which objects there are, and that no two lakes are mixed. Copies are made while no run is under way
(docs/operations.md). Everything in a lake is named relative to it, so it may come back into another bucket.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pyarrow.fs import FileSelector, FileSystem, LocalFileSystem, copy_files

from so_lakehouse.errors import BadInput, LakehouseError
from so_lakehouse.lake.object_store import ObjectStore
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.stack.network import LOGS_BUCKET

Places = Mapping[str, tuple[str, FileSystem]]


def places(settings: Settings, environment: Mapping[str, str]) -> Places:
    """Folder of the copy → where it comes from: the lake, and Dagster's logs of runs with Dagster's own key."""
    lake = Lake.of(settings)
    key, secret = environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
    logs = ObjectStore(settings.s3_endpoint, key, secret, settings.s3_region).filesystem()
    return {"lake": (lake.root, lake.fs), "logs": (LOGS_BUCKET, logs)}


def copy_out(found: Places, folder: Path) -> None:
    """Writes every object as a file. Raises `BadInput` where the folder has files already."""
    for name, (root, store) in found.items():
        _require_empty(str(folder / name), LocalFileSystem())
        (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        if _objects(root, store):
            copy_files(root, str(folder / name), store, LocalFileSystem())


def copy_in(found: Places, folder: Path) -> None:
    """Writes every file as an object. Raises `BadInput` where something lies in one of the places, or nothing in the
    folder; then nothing is written."""
    for name, (root, store) in found.items():
        if not (folder / name).is_dir():
            raise BadInput(f"{folder} is no backup: it has no folder {name}.")
        _require_empty(root, store)
    for name, (root, store) in found.items():
        if any((folder / name).iterdir()):
            copy_files(str(folder / name), root, LocalFileSystem(), store)


def _require_empty(place: str, store: FileSystem) -> None:
    if _objects(place, store):
        raise BadInput(f"{place} is not empty. Two would be mixed: empty it, or name another place.")


def _objects(place: str, store: FileSystem) -> bool:
    everything = FileSelector(place, allow_not_found=True, recursive=True)
    return any(entry.is_file for entry in store.get_file_info(everything))


def main(words: Sequence[str]) -> None:
    ways = {"out": copy_out, "in": copy_in}
    try:
        if len(words) != 2 or words[0] not in ways:
            raise BadInput("Write out or in, and a folder.")
        ways[words[0]](places(Settings.from_environment(), os.environ), Path(words[1]))
    except LakehouseError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main(sys.argv[1:])
