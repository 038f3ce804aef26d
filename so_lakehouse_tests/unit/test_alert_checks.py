"""A gate that is shut in the lake is an incident, whatever Dagster remembers, until the file says otherwise."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace

import pytest

from so_lakehouse.alerts.checks import failed_checks, pages_refused
from so_lakehouse.alerts.incident import Kind
from so_lakehouse.lake import gates, lock
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.gates import TableGate
from so_lakehouse.lake.manifests import BronzeManifest, CheckOutcome
from so_lakehouse.lake.silver_tables import LEDGER
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings

BAD = CheckOutcome("rows_conserved", False, True, "posts of beer: two rows are missing. Report it.")
GOOD = replace(BAD, passed=True)
WARNING = CheckOutcome("quarantine_empty", False, False, "one row in quarantine.")


def read(lake: Lake, table: str, *checks: CheckOutcome, site: str = "beer", quarter: str = "2016-10-01") -> None:
    BronzeManifest(site, quarter, table, "2016-12", 1, "2016-12-11", "v", "r", True, checks=checks).save(lake)


def writing(lake: Lake, settings: Settings) -> AbstractContextManager[object]:
    return lock.writing(lake, [f"silver.{LEDGER.name}"], "test", settings)


def test_a_lake_without_anything_has_no_incident(lake):
    assert failed_checks(lake, {}) == []


def test_what_passed_and_what_only_warns_is_none(lake):
    read(lake, "posts", GOOD, WARNING)
    assert failed_checks(lake, {}) == []


def test_a_dump_that_is_refused_is_one_incident_with_its_tables_sentences_run_and_command(lake):
    read(lake, "posts", BAD)
    read(lake, "votes", BAD, WARNING)
    read(lake, "users", GOOD)
    (found,) = failed_checks(lake, {("bronze/dump", "2016-10-01|beer"): "http://page/runs/1"})
    assert (found.kind, found.layer, found.partition) == (Kind.CHECK_FAILED, "bronze/dump", "2016-10-01|beer")
    assert (found.site, found.tables, found.run) == ("beer", ("posts", "votes"), "http://page/runs/1")
    assert found.why == " ".join(["rows_conserved: posts of beer: two rows are missing. Report it."] * 2)
    assert found.next_step.endswith("then: so-lakehouse run --site beer --quarter 2016-10-01")


def test_each_site_and_quarter_is_an_incident_of_its_own(lake):
    for site, quarter in (("beer", "2016-10-01"), ("beer", "2017-01-01"), ("ai", "2017-01-01")):
        read(lake, "posts", BAD, site=site, quarter=quarter)
    found = [incident.partition for incident in failed_checks(lake, {})]
    assert found == ["2016-10-01|beer", "2017-01-01|ai", "2017-01-01|beer"]


def test_a_dump_that_was_read_anew_and_passed_is_none_any_more(lake):
    read(lake, "posts", BAD)
    read(lake, "posts", GOOD)
    assert failed_checks(lake, {}) == []


def test_a_table_of_silver_that_did_not_pass_is_one_until_its_gate_says_otherwise(lake, settings):
    with writing(lake, settings):
        gates.save(lake, "beer", {"posts": TableGate(3, "posts@3", (BAD,)), "votes": TableGate(3, "votes@3", (GOOD,))})
    (found,) = failed_checks(lake, {})
    assert (found.layer, found.partition, found.tables) == ("silver", "beer", ("posts",))
    assert found.next_step.endswith("so-lakehouse run --site beer")
    with writing(lake, settings):
        gates.save(lake, "beer", {"posts": TableGate(4, "posts@4", (GOOD,))})
    assert failed_checks(lake, {}) == []


def test_a_dump_that_silver_refused_before_it_wrote_anything_is_one(lake, settings):
    with writing(lake, settings):
        gates.refuse(lake, "beer", "deletions_plausible: release 2017-01 would delete 400 of 900 rows of posts.")
    (found,) = failed_checks(lake, {})
    assert (found.layer, found.partition, found.tables) == ("silver", "beer", ())
    assert found.why.startswith("deletions_plausible: release 2017-01")
    with writing(lake, settings):
        gates.refuse(lake, "beer", "")
    assert failed_checks(lake, {}) == []


@pytest.mark.parametrize(("checks", "refused"), [((BAD,), True), ((GOOD, WARNING), False)])
def test_pages_are_refused_as_long_as_bronze_holds_them_so(lake, checks, refused):
    assert not pages_refused(lake, "2026-01-05|beer"), "none are held"
    PagesManifest("beer", "2026-01-05", "answers", "v", 1, 0, "2026-01-06T00:05:00+00:00", checks=checks).save(lake)
    assert pages_refused(lake, "2026-01-05|beer") is refused
