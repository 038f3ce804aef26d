"""Every source of incidents is asked, whatever happens to another."""

from __future__ import annotations

import pytest

from so_lakehouse.alerts.incident import Incident, Kind
from so_lakehouse.alerts.watch import Source, broken_predictions, look
from so_lakehouse.errors import Unavailable
from so_lakehouse.lake.reconciliation import ALL, Reconciliation, files_of
from so_lakehouse.lake.storage import Lake
from so_lakehouse.quality.reconciliation import outcomes

LATE = Incident(Kind.SITE_LATE, "silver", "beer", "why", "next", "beer")


def away() -> list[Incident]:
    raise Unavailable("The store does not answer.")


def broken() -> list[Incident]:
    raise ZeroDivisionError("by nought")


@pytest.mark.parametrize("trouble", [away, broken])
def test_a_source_that_raises_hides_no_other_and_its_kinds_are_named(trouble):
    watched = {
        "runs": Source((Kind.RUN_FAILED, Kind.CHECK_FAILED), trouble),
        "freshness": Source((Kind.SITE_LATE,), lambda: [LATE]),
    }
    seen = look(watched)
    assert seen.found == (LATE,)
    assert seen.not_looked_for == {Kind.RUN_FAILED, Kind.CHECK_FAILED}
    assert len(seen.troubles) == 1


def reconciled(lake: Lake, quarter: str, present: int, *missing_days: str) -> None:
    """Notes a comparison of beer in which so many of a hundred predicted posts are in the dump."""
    counts = {"rows_present": present, "rows_missing": 100 - present, "rows_extra": 0}
    checks = outcomes("beer", quarter, {"posts": counts}, {"posts": missing_days})
    files = files_of(quarter, "beer", "1")
    missing = {"posts": list(missing_days)}
    Reconciliation("beer", quarter, "2016-12", 1, {}, files, missing, checks).save(lake, {r.name: [] for r in ALL})


def test_a_dump_that_pages_should_have_predicted_is_an_incident_until_the_next_one_is_as_predicted(lake):
    reconciled(lake, "2016-10-01", 97)
    (incident,) = broken_predictions(lake)
    assert incident.title == "reconciliation broken · reconciliation/dumps · beer"
    assert "97.00% of 100 predicted posts" in incident.why
    reconciled(lake, "2017-01-01", 99)
    assert broken_predictions(lake) == []


def test_a_dump_that_days_which_nobody_asked_for_explain_is_none(lake):
    reconciled(lake, "2016-10-01", 97, "2016-10-05")
    assert broken_predictions(lake) == []
