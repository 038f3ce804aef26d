"""Checks of a day of the API pass for a healthy one, and each fails for the fault it is there for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from so_lakehouse.api.fetch import FetchedDay
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.api_raw import WINDOW, FetchManifest
from so_lakehouse.quality import fetches, pages

MOMENT = "2026-01-06T00:05:00+00:00"
READ = PagesManifest(
    site="beer",
    day="2026-01-05",
    entity="questions",
    data_version="1",
    rows=2_000,
    absent=0,
    newest_as_of=MOMENT,
    items=2_000,
)
FETCH = FetchManifest(
    site="beer",
    day="2026-01-05",
    entity="questions",
    kind=WINDOW,
    fetched="2026-01-06T00-05-00",
    first_as_of=MOMENT,
    newest_as_of=MOMENT,
    address="https://api.stackexchange.com/2.3",
    pages=20,
    items=2_000,
    file="pages.jsonl.gz",
    sha256="",
)
FETCHED = FetchedDay(fetches=(FETCH,), new=(FETCH,))


def failed(manifest: PagesManifest) -> set[str]:
    return {outcome.name for outcome in pages.outcomes(manifest) if not outcome.passed}


def failed_of_raw(day: FetchedDay) -> set[str]:
    return {outcome.name for outcome in fetches.outcomes(day, "questions of beer") if not outcome.passed}


def test_healthy_pages_pass_every_declared_check():
    assert [outcome.name for outcome in pages.outcomes(READ)] == [declared.name for declared in pages.DECLARATIONS]
    assert failed(READ) == set()


def test_a_healthy_day_of_raw_passes_every_declared_check():
    told = fetches.outcomes(FETCHED, "questions of beer")
    assert [outcome.name for outcome in told] == [declared.name for declared in fetches.DECLARATIONS]
    assert failed_of_raw(FETCHED) == set()


# What a fault makes fail; the check it is there for is its key. Too much in quarantine is also not nothing.
FAULTS = {
    "items_conserved": ({"rows": 1_999}, {"items_conserved"}),
    "quarantine_small": ({"rows": 1_979, "quarantined": 21}, {"quarantine_small", "quarantine_empty"}),
    "quarantine_empty": ({"rows": 1_999, "quarantined": 1}, {"quarantine_empty"}),
    "fields_known": ({"unknown_fields": {"mood": 7}}, {"fields_known"}),
    "day_whole": ({"is_whole": False}, {"day_whole"}),
}
FAULTS_OF_RAW = {
    "day_covered": {"missing": "rows by activity are missing from 17:00:00 UTC on."},
    "absences_plausible": {"fetches": (replace(FETCH, refused_batches=1),)},
}


@pytest.mark.parametrize("check", FAULTS)
def test_each_fault_of_pages_fails_its_check_and_no_other(check):
    fault, expected = FAULTS[check]
    assert failed(replace(READ, **fault)) == expected


@pytest.mark.parametrize("check", FAULTS_OF_RAW)
def test_each_fault_of_raw_fails_its_check_and_no_other(check):
    assert failed_of_raw(replace(FETCHED, **FAULTS_OF_RAW[check])) == {check}


def test_every_declared_check_has_its_fault():
    assert set(FAULTS) == {declared.name for declared in pages.DECLARATIONS}
    assert set(FAULTS_OF_RAW) == {declared.name for declared in fetches.DECLARATIONS}


def test_lost_items_close_the_gate_and_a_day_that_is_not_whole_does_not():
    lost, partial = replace(READ, rows=1_999), replace(READ, is_whole=False)
    assert not replace(lost, checks=pages.outcomes(lost)).passed
    assert replace(partial, checks=pages.outcomes(partial)).passed


def test_what_is_missing_of_a_day_and_what_to_do_is_said():
    told = fetches.outcomes(replace(FETCHED, **FAULTS_OF_RAW["day_covered"]), "questions of beer, 2026-01-05")
    (detail,) = [outcome.detail for outcome in told if not outcome.passed]
    for word in ("beer, 2026-01-05", "from 17:00:00 UTC on", "run the day again"):
        assert word in detail
