"""A full disk in plain words, whoever met it: Python, Java or Postgres."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.lake.disk import require_space, told_when_full

FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EDQUOT, "Disk quota exceeded"),
    OSError(errno.EFBIG, "File too large"),
    RuntimeError("An error occurred while calling o81.sql: java.io.IOException: No space left on device"),
    RuntimeError("Generic LocalFileSystem error: Unable to copy data to file: File too large (os error 27)"),
]


@pytest.mark.parametrize("error", FULL, ids=str)
def test_a_full_disk_says_which_and_what_to_do(error):
    with (
        pytest.raises(Unavailable, match=r"beer: the disk of /lake is full\. Free space"),
        told_when_full("beer", "/lake"),
    ):
        raise error


@pytest.mark.parametrize("error", [BadInput("No space left on device"), OSError(errno.EACCES, "no"), ValueError("x")])
def test_everything_else_stays_what_it_is(error):
    with pytest.raises(type(error)) as raised, told_when_full("beer", "/lake"):
        raise error
    assert raised.value is error


def test_what_would_not_leave_the_reserve_is_not_begun(tmp_path: Path):
    require_space(tmp_path, 1, 0, "silver")
    with pytest.raises(Unavailable, match="silver needs about 1 bytes, and 1,000,000,000,000,000,000 must stay free"):
        require_space(tmp_path, 1, 10**18, "silver")
