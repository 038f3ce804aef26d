"""Bronze checks pass for a healthy table, and each fails for the fault it is there for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from so_lakehouse.lake.manifests import BronzeManifest
from so_lakehouse.quality import bronze

HEALTHY = BronzeManifest(
    site="beer",
    quarter="2016-10-01",
    table="posts",
    release="2016-12",
    revision=1,
    cut_date="2016-12-11",
    raw_version="2016-12.1.abc",
    reader_version="1",
    present=True,
    rows_in_file=2_000,
    rows=2_000,
)


def failed(manifest: BronzeManifest, previous: BronzeManifest | None = None) -> set[str]:
    return {outcome.name for outcome in bronze.outcomes(manifest, previous) if not outcome.passed}


def test_a_healthy_table_passes_every_declared_check():
    results = bronze.outcomes(HEALTHY, previous=HEALTHY)
    assert [outcome.name for outcome in results] == [declared.name for declared in bronze.DECLARATIONS]
    assert failed(HEALTHY, previous=HEALTHY) == set()


# What a fault makes fail; the check it is there for is its key. Too much in quarantine is also not nothing.
FAULTS = {
    "rows_conserved": ({"rows": 1_999}, {"rows_conserved"}),
    "quarantine_small": ({"rows": 1_979, "quarantined": 21}, {"quarantine_small", "quarantine_empty"}),
    "quarantine_empty": ({"rows": 1_999, "quarantined": 1}, {"quarantine_empty"}),
    "table_in_archive": ({"present": False, "rows": 0, "rows_in_file": 0}, {"table_in_archive"}),
    "columns_known": ({"unknown_attributes": {"Mood": 7}}, {"columns_known"}),
    "encoding_as_declared": ({"encoding": "utf-16-le (declared utf-8)"}, {"encoding_as_declared"}),
    "row_count_plausible": ({"rows": 1_700, "rows_in_file": 1_700}, {"row_count_plausible"}),
}


@pytest.mark.parametrize("check", FAULTS)
def test_each_fault_fails_its_check_and_no_other(check):
    fault, expected = FAULTS[check]
    assert failed(replace(HEALTHY, **fault), previous=HEALTHY) == expected


def test_every_declared_check_has_its_fault():
    assert set(FAULTS) == {declared.name for declared in bronze.DECLARATIONS}


def test_a_table_that_lost_a_tenth_since_the_last_release_warns():
    shrunk = replace(HEALTHY, rows=1_700, rows_in_file=1_700)
    assert failed(shrunk, previous=HEALTHY) == {"row_count_plausible"}
    assert failed(replace(HEALTHY, rows=1_850, rows_in_file=1_850), previous=HEALTHY) == set()


def test_one_bad_row_in_a_tiny_table_does_not_stop_the_site():
    tiny = replace(HEALTHY, rows_in_file=20, rows=19, quarantined=1)
    assert failed(tiny) == {"quarantine_empty"}


def test_a_failed_blocking_check_closes_the_gate_and_a_warning_does_not():
    broken = replace(HEALTHY, rows=1_999)
    warned = replace(HEALTHY, unknown_attributes={"Mood": 7})
    assert not replace(broken, checks=bronze.outcomes(broken, None)).passed
    assert replace(warned, checks=bronze.outcomes(warned, None)).passed


def test_unknown_attributes_are_named_in_the_message():
    outcome = next(o for o in bronze.outcomes(replace(HEALTHY, unknown_attributes={"Mood": 7}), None) if not o.passed)
    assert "Mood (7 rows)" in outcome.detail
