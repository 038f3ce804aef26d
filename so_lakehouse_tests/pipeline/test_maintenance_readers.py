"""Who reads silver after maintenance finds what it needs: converges the ledger, the warehouse a version or a reason."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from so_lakehouse import failpoints
from so_lakehouse.lake import gates, ledger, paths
from so_lakehouse.settings import Settings
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.maintenance import maintain
from so_lakehouse.warehouse.load import load_site
from so_lakehouse.warehouse.verify import compare_site
from so_lakehouse_tests.pipeline.three_quarters import (
    DECEMBER,
    EXPIRED,
    MARCH,
    PURGED,
    SEPTEMBER,
    TABLES,
    Site,
    dump,
    rows_of,
)


def test_a_converge_after_maintenance_knows_what_was_applied(spark, after):
    site = after(EXPIRED)
    again = converge(spark, site.lake, "beer", TABLES, site.settings)
    assert [row for result in again.values() for row in result.applied] == []
    assert all(check.passed for result in again.values() for check in result.checks if check.blocking)


def test_what_a_crash_left_out_of_the_ledger_is_recorded_before_its_commit_expires(spark, after):
    site = after(SEPTEMBER)
    dump(site.lake, DECEMBER)
    crash_before_the_ledger(spark, site, ["users"])
    applied = inputs(site)["users"]
    assert applied == ["2016-07-01", "2016-10-01"]
    site.let_log_age(days=40)
    maintain(spark, site.lake, "beer", site.settings)
    assert inputs(site)["users"] == applied


def test_a_converge_records_what_a_crash_left_out_before_its_own_commit_lets_the_log_expire(spark, after):
    site = after(SEPTEMBER)
    dump(site.lake, DECEMBER)
    crash_before_the_ledger(spark, site, ["users"])
    users = f"delta.`{site.lake.uri(paths.silver('users'))}`"
    spark.sql(f"ALTER TABLE {users} SET TBLPROPERTIES ('delta.checkpointInterval' = '1')")
    site.let_log_age(days=40)
    dump(site.lake, MARCH)
    result = converge(spark, site.lake, "beer", ["users"], site.settings)["users"]
    assert inputs(site)["users"] == ["2016-07-01", "2016-10-01", "2017-01-01"]
    assert all(check.passed for check in result.checks if check.blocking)


def inputs(site: Site) -> dict[str, list[str]]:
    """The quarters that the ledger says were applied, by table."""
    known = ledger.load(site.lake, "beer", TABLES)
    return {table: [row.partition for row in known.of(table)] for table in TABLES}


class Crash(BaseException):
    """Ends a run at a fail point, as a kill would, without a new process for each."""


def crash_before_the_ledger(spark, site: Site, tables: Sequence[str]) -> None:
    """A converge that ends when the tables are written and the ledger is not."""

    def reach(name: str) -> None:
        if name == "silver.before_ledger":
            raise Crash(name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failpoints, "reach", reach)
        with pytest.raises(Crash):
            converge(spark, site.lake, "beer", tables, site.settings)


def test_readers_are_sent_to_versions_that_are_still_there(after):
    """Also those of other sites, whose own last change is long past."""
    site = after(EXPIRED)
    for key, rows in (("ai", 1), ("beer", 39)):
        version = gates.load(site.lake, key)["users"].version
        found = rows_of(site.table("users", version), f"SELECT * FROM old WHERE site = '{key}'")
        assert len(found) == rows


def load(site: Site, warehouse: Settings) -> dict[str, str]:
    """Loads beer; the warehouse then equals silver. Returns how each table was loaded."""
    done = load_site(site.lake, warehouse, "beer")
    assert [found.detail for found in compare_site(site.lake, warehouse, "beer").values() if not found.passed] == []
    return {name: table.how for name, table in done.items() if table.how != "absent"}


def test_a_warehouse_that_was_away_for_longer_than_the_retention_is_reloaded(after, warehouse):
    assert set(load(after(SEPTEMBER), warehouse).values()) == {"first"}
    assert set(load(after(EXPIRED), warehouse).values()) == {"reload"}


def test_a_warehouse_whose_feed_is_vacuumed_but_not_its_log_is_reloaded(spark, after, warehouse):
    load(after(SEPTEMBER), warehouse)
    site = after(PURGED)
    maintain(spark, site.lake, "beer", site.settings, retention_hours=0)
    assert set(load(site, warehouse).values()) == {"reload"}


def test_a_warehouse_that_is_current_stays_so(after, warehouse):
    load(after(MARCH), warehouse)
    assert set(load(after(EXPIRED), warehouse).values()) == {"unchanged"}
