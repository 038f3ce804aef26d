"""Ranges of keys hold every key, in as few and as narrow ranges as asked for."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from so_lakehouse.spark.keys import condition, ranges


def test_ranges_are_cut_where_the_gaps_are_widest():
    assert ranges([1, 2, 3, 90, 91, 500], most=3) == [(1, 3), (90, 91), (500, 500)]
    assert ranges([1, 2, 3, 90, 91, 500], most=2) == [(1, 91), (500, 500)]


def test_few_keys_stand_alone():
    assert ranges([7, 5]) == [(5, 5), (7, 7)]
    assert condition([7, 5], "t.Id") == "(t.Id BETWEEN 5 AND 5 OR t.Id BETWEEN 7 AND 7)"


def test_no_key_is_a_condition_that_nothing_meets():
    assert ranges([]) == []
    assert condition([]) == "false"


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1), st.integers(1, 8))
def test_every_key_lies_in_a_range_and_no_range_is_empty(keys, most):
    found = ranges(keys, most)
    assert len(found) <= most
    assert all(any(first <= key <= last for first, last in found) for key in keys)
    assert all(first in keys and last in keys for first, last in found)
    assert all(before[1] < after[0] for before, after in pairwise(found))
