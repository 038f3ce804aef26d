"""Archives that hold dumps, made with the real 7-Zip, and the landed dump that names them.

Belongs here: packing and landing, for the reader's tests. Not here: what the files hold (`dump_reading.py`).
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from so_lakehouse.dumps.archive import program
from so_lakehouse.lake.manifests import Archive, RawManifest
from so_lakehouse.lake.storage import Lake


def seven_zip(*arguments: str | Path, inside: Path) -> None:
    """Runs 7-Zip in a folder."""
    command = [program(), *map(str, arguments)]
    done = subprocess.run(command, cwd=inside, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, (command, done.stdout, done.stderr)


def pack(archive: Path, files: dict[str, bytes], *options: str) -> Path:
    """An archive with these files, packed with 7-Zip's own options; returns its path."""
    folder = archive.parent / f"{archive.name}.files"
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    archive.unlink(missing_ok=True)
    seven_zip("a", "-t7z", *options, archive, *files, inside=folder)
    return archive


def rename(archive: Path, old: str, new: str) -> None:
    """Gives a member another name, one that no file could have."""
    seven_zip("rn", archive, old, new, inside=archive.parent)


def landed(
    lake: Lake, *archives: Path, site: str = "beer", quarter: str = "2016-07-01", revision: int = 1
) -> RawManifest:
    """The manifest of a dump whose archives are these files, put into the lake as landing would."""
    entries = []
    for archive in archives:
        relative = f"raw/dump/quarter={quarter}/site={site}/release=r/revision={revision}/{archive.name}"
        content = archive.read_bytes()
        lake.write_bytes(relative, content)
        digest = hashlib.sha256(content).hexdigest()
        entries.append(Archive(archive.name, relative, len(content), digest, f"file:{os.fspath(archive)}"))
    cut = {"2016-07-01": "2016-09-30", "2016-10-01": "2016-12-31"}[quarter]
    return RawManifest(
        site, quarter, "r", revision, cut, tuple(entries), "test", "CC BY-SA 3.0", "2026-01-01T00:00:00+00:00"
    )
