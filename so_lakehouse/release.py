"""Which release of so_lakehouse this is, and which of two is newer.

Tables carry the release that gave them their form, so that an older release that meets them leaves them alone.
"""

from __future__ import annotations

import re
from importlib.metadata import version

THIS = version("so-lakehouse")


def is_newer(release: str, than: str) -> bool:
    """Whether `release` (MAJOR.MINOR.PATCH, whatever follows) comes after `than`."""
    return _numbers(release) > _numbers(than)


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", release)[:3])
