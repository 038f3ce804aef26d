"""Room on the disk: asked for before work starts, and told in plain words where it ran out all the same."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from so_lakehouse.errors import LakehouseError, Unavailable
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # no space, none left to this user, none for so large a file
FULL_WORDS = ("No space left on device", "Disk quota exceeded", "File too large")  # Java, Postgres, Rust: no number


def require_space(folder: Path, needed: int, reserve: int, purpose: str) -> None:
    """Raises `Unavailable` where the disk under `folder` could not keep `reserve` bytes free after `needed` more."""
    free = shutil.disk_usage(folder).free
    if free - needed < reserve:
        raise Unavailable(
            f"{purpose} needs about {needed:,} bytes, and {reserve:,} must stay free, but the disk of {folder} has "
            f"{free:,}. Free space, set LAKEHOUSE_HOME to a larger disk, or lower LAKEHOUSE_DISK_RESERVE. "
            "Nothing was changed."
        )


def free_bytes(folder: Path) -> int:
    """Bytes free on the disk that holds a folder, or would."""
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(there).free


def scratch(lake: Lake, settings: Settings) -> str:
    """The folder that a step fills on this machine's disk: the lake itself, or where it works before it writes to an
    object store."""
    return str(lake.local_path("") or settings.home)


@contextmanager
def told_when_full(site: str, root: str) -> Iterator[None]:
    """Turns a full disk below `root`, met in the block, into `Unavailable`."""
    try:
        yield
    except LakehouseError:
        raise
    except Exception as error:
        if getattr(error, "errno", None) in FULL or any(words in str(error) for words in FULL_WORDS):
            raise Unavailable(
                f"{site}: the disk of {root} is full. Free space or set LAKEHOUSE_HOME to a larger disk, then run "
                "again; what was half written counts for nobody."
            ) from error
        raise
