"""How many rows a table may lose from one dump to the next before somebody has to look.

One limit for all layers: bronze and silver warn by it, and by it silver refuses deletions.
"""

from __future__ import annotations

# Real quarters lose 1-2 % of a table; a small site may tidy up a hundred rows in one.
LIMIT_SHARE = 0.10
LIMIT_ROWS = 100
LIMIT = f"the limit is {LIMIT_SHARE:.0%} and {LIMIT_ROWS} rows"  # for people


def is_too_much(lost: int, before: int) -> bool:
    """Whether a table of `before` rows that lost so many lost more than either limit allows."""
    return lost > LIMIT_ROWS and lost > LIMIT_SHARE * before
