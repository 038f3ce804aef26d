"""How the kernel is compiled: once per machine, cached on disk, without the interpreter's lock.

Belongs here: the decorator and the choice of the cache's folder. numba's own rule for stale caches looks only at the file of the
function itself, so a change in `bytes.py` would leave old machine code in the callers; here the folder's name holds a digest
of all kernel sources instead.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

# With NUMBA_BOUNDSCHECK=1 numba checks every array access, and `bytes.py` checks what numba cannot see.
CHECKED = bool(numba.config.BOUNDSCHECK)


def _digest() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]


def _writable(folder: Path) -> bool:
    """Whether this folder can be made and is ours: machine code is loaded from it, so nobody else may write there."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return False
    return folder.stat().st_uid == os.getuid() and os.access(folder, os.W_OK)


def cache_folder() -> Path | None:
    """Folder of the compiled kernel: beside the package, else in the user's cache, else temporary; None where all fail."""
    name = _digest() + ("-checked" if CHECKED else "")
    candidates = (
        Path(__file__).parent / "__pycache__" / f"compiled-{name}",
        Path(os.path.expanduser("~/.cache/so_lakehouse")) / f"compiled-{name}",  # noqa: PTH111 (Path.home raises without HOME)
        Path(tempfile.gettempdir()) / f"so_lakehouse-{os.getuid()}" / f"compiled-{name}",
    )
    return next((folder for folder in candidates if _writable(folder)), None)


_FOLDER = cache_folder()


def compiled(function: Callable[..., Any]) -> Any:
    """The function as machine code that runs beside other threads; compiled at its first call, then read from the cache."""
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(_FOLDER or "")
    try:
        return numba.njit(function, cache=_FOLDER is not None, nogil=True)
    finally:
        numba.config.CACHE_DIR = before
