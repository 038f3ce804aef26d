"""The order of the whole way, with assets that do nothing: what is reconciled when, and what a failure stops."""

import sys
from contextlib import nullcontext

import dagster as dg
import pytest

from so_lakehouse.end_to_end import Day, Dump, dumps_and_days_to_marts, raw_to_marts
from so_lakehouse.lake.storage import Lake
from so_lakehouse.partitions import SITE_DAY, SITE_QUARTER, SITES
from so_lakehouse.runner import Runner
from so_lakehouse.settings import Settings
from so_lakehouse_tests.pipeline.evidence import quarter_of, write_dump, write_pages

BEFORE, NEXT = "2016-09-28", "2016-10-03"


class DumpConfig(dg.Config):
    mirror: str
    release: str


class SilverConfig(dg.Config):
    accept_shrink: bool = False


class DaysConfig(dg.Config):
    again: bool


@dg.asset(key=["raw", "dump"], partitions_def=SITE_QUARTER)
def dump(config: DumpConfig) -> None:
    """Lands nothing."""


@dg.asset(key=["bronze", "dump", "posts"], partitions_def=SITE_QUARTER)
def bronze() -> None:
    """Reads nothing."""


@dg.multi_asset(name="raw_api", specs=[dg.AssetSpec(["raw", "api", "questions"], partitions_def=SITE_DAY)])
def raw_api(config: DaysConfig):
    yield dg.MaterializeResult(asset_key=["raw", "api", "questions"])


@dg.asset(key=["bronze", "api", "questions"], partitions_def=SITE_DAY)
def bronze_api() -> None:
    """Reads nothing."""


@dg.asset(key=["reconciliation", "dumps"], partitions_def=SITES)
def reconciliation() -> None:
    """Fails with a defect of ours."""
    raise ZeroDivisionError("by nought")


@dg.multi_asset(name="silver", specs=[dg.AssetSpec(["silver", "posts"], partitions_def=SITES)])
def silver(config: SilverConfig):
    yield dg.MaterializeResult(asset_key=["silver", "posts"])


@dg.asset(key=["warehouse", "posts"], partitions_def=SITES)
def warehouse() -> None:
    """Loads nothing."""


@dg.asset(key=["marts", "load_status"])
def marts() -> None:
    """Builds nothing."""


@pytest.fixture
def layers(settings: Settings, monkeypatch):
    """Runs the next dump of beer and returns every layer that ran, and whether it succeeded."""
    monkeypatch.setenv("LAKEHOUSE_HOME", str(settings.home))
    definitions = dg.Definitions(assets=[dump, bronze, raw_api, bronze_api, reconciliation, silver, warehouse, marts])

    def run() -> list[tuple[str, bool]]:
        with dg.DagsterInstance.ephemeral() as instance:
            runner = Runner(definitions, instance, sys.stdout)
            asked = [Dump("beer", quarter_of(NEXT))]
            done = raw_to_marts(runner, asked, "", False, lambda title: nullcontext(), lambda run: None)
            return [(run.layer, run.succeeded) for run in done]

    return run


def test_a_dump_is_reconciled_right_after_bronze_and_a_failure_of_that_stops_nothing(lake: Lake, layers):
    for cut in (BEFORE, NEXT):
        write_dump(lake, cut, {"posts": [{"Id": 1}]})
    write_pages(lake, "questions", "2016-09-30", [("2016-10-01", {"Id": 1})])
    assert layers() == [
        ("raw", True),
        ("bronze", True),
        ("reconciliation", False),
        ("silver", True),
        ("warehouse", True),
        ("marts", True),
    ]


def test_where_nothing_is_to_be_reconciled_no_run_is_made_for_it(lake: Lake, layers):
    write_dump(lake, NEXT, {"posts": [{"Id": 1}]})
    assert [layer for layer, _ in layers()] == ["raw", "bronze", "silver", "warehouse", "marts"]


def test_dumps_and_then_days_in_their_turn_lead_to_one_load_per_site_and_one_build(settings: Settings, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_HOME", str(settings.home))
    definitions = dg.Definitions(assets=[dump, bronze, raw_api, bronze_api, reconciliation, silver, warehouse, marts])
    ran: list[str] = []
    taken_after: list[int] = []

    def days():
        for site in ("ai", "beer"):
            taken_after.append(len(ran))  # time passes here, before the day is asked for
            yield Day(site, "2026-01-05")

    with dg.DagsterInstance.ephemeral() as instance:
        runner = Runner(definitions, instance, sys.stdout)
        asked = [Dump("beer", quarter_of(NEXT))]
        heard = (lambda title: nullcontext(), lambda run: ran.append(run.layer))
        done = dumps_and_days_to_marts(runner, ["ai", "beer"], asked, "", days(), *heard)
    assert [run.succeeded for run in done] == [True] * len(done)
    assert ran == [
        *("raw", "bronze", "silver"),
        *("raw api", "bronze api"),
        *("raw api", "bronze api"),
        *("silver", "silver", "warehouse", "warehouse", "marts"),
    ]
    assert taken_after == [3, 5]
