"""How the kernel is compiled: once per machine, cached on disk, without the interpreter's lock.

Belongs here: the decorator and the choice of the cache's folder. numba's own rule for stale caches looks only at the
file of the function itself, so a change in `bytes.py` would leave old machine code in the callers; here the folder's
name holds a digest of all kernel sources instead.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

_configuration: Any = numba.config
_njit: Any = numba.njit  # its type hints lack `_nrt`

# With NUMBA_BOUNDSCHECK=1 numba checks every array access, and `bytes.py` checks what numba cannot see.
CHECKED = bool(_configuration.BOUNDSCHECK)


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
    """Folder of the compiled kernel: beside the package, in the user's cache or temporary; None where none can be."""
    name = _digest() + ("-checked" if CHECKED else "")
    candidates = (
        Path(__file__).parent / "__pycache__" / f"compiled-{name}",
        Path(os.path.expanduser("~/.cache/so_lakehouse")) / f"compiled-{name}",  # noqa: PTH111 (Path.home can raise)
        Path(tempfile.gettempdir()) / f"so_lakehouse-{os.getuid()}" / f"compiled-{name}",
    )
    return next((folder for folder in candidates if _writable(folder)), None)


_FOLDER = cache_folder()


def compiled(function: Callable[..., Any]) -> Any:
    """The function as machine code that runs beside other threads; compiled at its first call, then cached."""
    return _compile(function, inline=False)


def inlined(function: Callable[..., Any]) -> Any:
    """As `compiled`, for small functions in hot loops: part of their caller, because a call costs more than they do."""
    return _compile(function, inline=True)


def _compile(function: Callable[..., Any], inline: bool) -> Any:
    before = _configuration.CACHE_DIR
    _configuration.CACHE_DIR = str(_FOLDER or "")
    try:
        return _njit(function, cache=_FOLDER is not None, nogil=True, forceinline=inline, _nrt=False)
    finally:
        _configuration.CACHE_DIR = before
