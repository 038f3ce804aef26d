"""Both checks of a dump's deletions can fail, say what to do, and pass on what is right or was accepted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from so_lakehouse.quality import deletions
from so_lakehouse.quality.deletions import Deletions

RIGHT = Deletions("posts", "beer", "2016-12", 1, deleted=36, held=3_000)
WRONG = [
    ("deletions_plausible", {"deleted": 150, "held": 300}, "would delete 150 of 300 rows of posts of beer (50%;"),
    ("deletions_told", {"deleted": 1, "forgotten": "2016-07-01"}, "lacks 1 rows of the applied dump of 2016-07-01"),
    ("deletions_told", {"deleted": 0, "taken_back": 2, "forgotten": "2016-07-01"}, "of 2 others, only an older dump's"),
]


def failed(found: Deletions) -> dict[str, str]:
    return {outcome.name: outcome.detail for outcome in deletions.outcomes(found) if not outcome.passed}


def test_every_check_has_a_case_that_makes_it_fail_and_blocks() -> None:
    assert {name for name, *_ in WRONG} == {declared.name for declared in deletions.DECLARATIONS}
    assert all(declared.blocking for declared in deletions.DECLARATIONS)


@pytest.mark.parametrize(("name", "differs", "says"), WRONG)
def test_each_check_fails_alone_and_says_what_to_do_until_that_is_accepted(name, differs, says) -> None:
    found = replace(RIGHT, **differs)
    assert set(failed(found)) == {name}
    assert says in failed(found)[name]
    assert "--accept-shrink" in failed(found)[name]
    assert failed(replace(found, accepted=True)) == {}
    assert any(outcome.detail.endswith("accepted.") for outcome in deletions.outcomes(replace(found, accepted=True)))


@pytest.mark.parametrize("differs", [{}, {"deleted": 0, "held": 0}, {"deleted": 0, "forgotten": "2016-07-01"}])
def test_a_dump_that_deletes_little_or_nothing_passes(differs) -> None:
    assert failed(replace(RIGHT, **differs)) == {}


def test_a_table_without_a_dump_passes_both_by_name() -> None:
    told = deletions.none_yet("posts of beer")
    assert [outcome.name for outcome in told if outcome.passed] == [check.name for check in deletions.DECLARATIONS]
