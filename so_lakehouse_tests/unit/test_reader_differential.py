"""The reader against the standard library's XML parser, on files made by chance.

A seed names each file. The last ones are new in every run, so that in time more is tried than anyone would wait for; a
failure names its seed, and `check_legal(seed)` or `check_damaged(seed)` repeats it.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest

from so_lakehouse_tests.reader_cases import check_damaged, check_legal

# Names, so that all processes of one test run agree on them: what "new" is, each test draws for itself.
STARTS = {"0": 0, "1000": 1_000, "2000": 2_000, "3000": 3_000, "new": None}


@pytest.fixture(params=STARTS)
def start(request: pytest.FixtureRequest) -> int:
    fixed = STARTS[request.param]
    drawn = random.SystemRandom().randrange(10**9, 10**12) if fixed is None else fixed
    print("seeds from", drawn)
    return drawn


def test_legal_files_mean_what_the_standard_library_reads(start: int) -> None:
    rows = 0
    for seed in range(start, start + 60):
        try:
            rows += check_legal(seed)
        except Exception as error:
            raise AssertionError(f"check_legal({seed})") from error
    assert rows > 200


def test_damaged_files_lose_no_byte_and_give_no_row_that_is_not_there(start: int) -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(start, start + 300):
        try:
            outcomes[check_damaged(seed)] += 1
        except Exception as error:
            raise AssertionError(f"check_damaged({seed})") from error
    assert set(outcomes) == {"error", "refused", "whole"}, outcomes
