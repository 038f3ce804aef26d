"""Every source of incidents is asked, whatever happens to another."""

from __future__ import annotations

import pytest

from so_lakehouse.alerts.incident import Incident, Kind
from so_lakehouse.alerts.watch import Source, look, reconciliation_broken
from so_lakehouse.errors import Unavailable
from so_lakehouse.lake.manifests import CheckOutcome

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


def test_a_reconciliation_that_failed_is_an_incident_of_its_table_in_the_checks_words():
    said = CheckOutcome("presence", False, False, "posts of beer: 97.1% of the predicted rows are there.")
    (incident,) = reconciliation_broken("beer", "posts", said)
    assert incident.title == "reconciliation broken · silver/posts · beer"
    assert incident.why == "presence: posts of beer: 97.1% of the predicted rows are there."
    assert (incident.site, incident.tables) == ("beer", ("posts",))


def test_a_reconciliation_that_passed_is_none():
    assert reconciliation_broken("beer", "posts", CheckOutcome("presence", True, False, "all there.")) == []
