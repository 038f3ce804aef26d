"""A database that an earlier release made becomes today's, with the rows of a new one, or stays as it is."""

from __future__ import annotations

import pytest

from so_lakehouse import release
from so_lakehouse.errors import BadInput
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse.load import load_site
from so_lakehouse.warehouse.migrations import MIGRATIONS
from so_lakehouse_tests.pipeline.silver_site import small_site
from so_lakehouse_tests.pipeline.warehouse_catalogue import compare_site, form, prepare, rows, run

# As a release before lake.release existed had left it: columns less, more, and of another type; a key of more columns;
# dbt's views on all of it; and the fingerprint of its own projection.
EARLIER = """
ALTER TABLE lake.badges DROP COLUMN tag_based;
ALTER TABLE lake.badges ADD COLUMN retired text;
UPDATE lake.badges SET retired = name;
ALTER TABLE lake.badges ALTER COLUMN class TYPE integer;
ALTER TABLE lake.badges ALTER COLUMN name DROP NOT NULL;
COMMENT ON COLUMN lake.badges.date IS 'Once.';
DROP INDEX lake.badges_date_idx;
ALTER TABLE lake.users DROP COLUMN creation_date;
ALTER TABLE lake.tags DROP CONSTRAINT tags_pkey, ADD PRIMARY KEY (site, id, tag_name);
UPDATE lake.load_status SET projection = 'earlier' WHERE table_name IN ('badges', 'users', 'tags');
DROP TABLE lake.release, lake.refused, lake.writer, lake.reconciliation, lake.reconciliation_column;
ALTER TABLE lake.mart_build DROP COLUMN made_of, DROP COLUMN marts;
ALTER TABLE lake.load_status DROP COLUMN counters_complete_to;
DELETE FROM lake.migration WHERE number >= 3;
CREATE SCHEMA staging;
CREATE SCHEMA intermediate;
CREATE VIEW staging.stg_badges AS SELECT * FROM lake.badges;
CREATE VIEW intermediate.int_badges AS SELECT site, retired, class FROM staging.stg_badges;
CREATE SCHEMA core;
CREATE VIEW staging.stg_users AS SELECT site, id AS user_id FROM lake.users;
CREATE VIEW core.dim_user AS SELECT * FROM staging.stg_users;
"""


@pytest.fixture
def earlier(warehouse: Settings, lake: Lake) -> Settings:
    """A warehouse of the earlier release that holds one small site."""
    small_site(lake)
    load_site(lake, warehouse, "beer")
    run(warehouse, EARLIER)
    return warehouse


def test_it_gets_the_form_and_the_rows_of_a_new_one(warehouse: Settings, lake: Lake) -> None:
    small_site(lake)
    load_site(lake, warehouse, "beer")
    new_form, new_rows = form(warehouse), rows(warehouse)
    run(warehouse, EARLIER)
    assert form(warehouse) != new_form

    loaded = load_site(lake, warehouse, "beer")
    assert {name: done.how for name, done in loaded.items() if done.how != "unchanged"} == {
        "badges": "reload",
        "users": "reload",
        "tags": "first",  # made anew, because its key changed
    }
    assert rows(warehouse) == new_rows
    assert [outcome.detail for outcome in compare_site(lake, warehouse, "beer").values() if not outcome.passed] == []
    prepare(warehouse)  # a new column can be required once every site has its values
    assert form(warehouse) == new_form
    assert prepare(warehouse) == []


def test_only_what_changed_is_named_to_the_models_that_follow(earlier: Settings, lake: Lake) -> None:
    load_site(lake, earlier, "beer")
    changed = run(earlier, "SELECT DISTINCT table_name FROM lake.changed WHERE load_id = 2 ORDER BY 1")
    assert changed == [("tags",), ("users",)], "users got a column back, tags were made anew, badges kept their values"


def test_the_one_moment_to_which_all_columns_were_whole_becomes_that_of_counters(earlier: Settings) -> None:
    run(earlier, "UPDATE lake.load_status SET complete_to = '2016-09-30 23:59:59+00' WHERE table_name <> 'votes'")
    prepare(earlier)
    moments = "SELECT DISTINCT complete_to = counters_complete_to, table_name = 'votes' FROM lake.load_status"
    assert set(run(earlier, moments)) == {(True, False), (None, True)}


def test_views_of_dbt_do_not_stand_in_the_way_and_those_that_need_not_go_stay(earlier: Settings) -> None:
    readable = run(earlier, "SELECT * FROM core.dim_user")
    assert readable
    applied = prepare(earlier)
    assert [made for made in applied if made.startswith("DROP VIEW")] == [
        "DROP VIEW intermediate.int_badges, staging.stg_badges"
    ]
    assert run(earlier, "SELECT to_regclass('staging.stg_badges'), to_regclass('intermediate.int_badges')") == [
        (None, None)
    ]
    assert run(earlier, "SELECT * FROM core.dim_user") == readable, "users got a column: nothing of theirs goes"
    assert run(earlier, "SELECT release FROM lake.release") == [(release.THIS,)]


@pytest.mark.parametrize(("read", "needs"), [("lake.badges", "column retired"), ("staging.stg_badges", "view staging")])
def test_a_view_of_somebody_else_stops_it_and_is_named(earlier: Settings, read: str, needs: str) -> None:
    run(earlier, f"CREATE VIEW public.mine AS SELECT retired FROM {read}")
    before = form(earlier)
    with pytest.raises(BadInput, match=rf"view mine depends on {needs}"):
        prepare(earlier)
    assert form(earlier) == before
    assert run(earlier, "SELECT to_regclass('staging.stg_badges') IS NOT NULL") == [(True,)]


def test_values_that_a_new_type_cannot_hold_stop_it_and_the_way_out_works(warehouse: Settings, lake: Lake) -> None:
    small_site(lake)
    load_site(lake, warehouse, "beer")
    run(warehouse, "ALTER TABLE lake.badges ALTER COLUMN class TYPE text; UPDATE lake.badges SET class = 'gold'")
    with pytest.raises(BadInput, match=r"DROP TABLE lake\."):
        load_site(lake, warehouse, "beer")
    run(warehouse, "DROP TABLE lake.badges CASCADE")
    assert load_site(lake, warehouse, "beer")["badges"].how == "first"
    assert [outcome.detail for outcome in compare_site(lake, warehouse, "beer").values() if not outcome.passed] == []


def test_a_database_with_a_migration_from_the_future_is_left_alone(earlier: Settings, lake: Lake) -> None:
    run(earlier, "INSERT INTO lake.migration (number, reason) VALUES (99, 'the future')")
    before = form(earlier)
    with pytest.raises(
        BadInput, match=rf"migration 99, and this release of so_lakehouse knows {MIGRATIONS[-1].number}"
    ):
        load_site(lake, earlier, "beer")
    assert form(earlier) == before


def test_a_form_that_a_newer_release_made_is_left_alone_and_the_same_form_is_not_refused(warehouse: Settings) -> None:
    prepare(warehouse)
    run(warehouse, "INSERT INTO lake.release (release) VALUES ('99.0.0')")
    assert prepare(warehouse) == []
    run(warehouse, "ALTER TABLE lake.badges ADD COLUMN of_the_future text")
    with pytest.raises(BadInput, match=r"form of so_lakehouse 99\.0\.0"):
        prepare(warehouse)
    assert run(warehouse, "SELECT of_the_future FROM lake.badges") == []


@pytest.mark.parametrize(
    ("release_", "than", "newer"),
    [("0.2.0", "0.1.9", True), ("0.10.0", "0.9.0", True), ("0.1.0", "0.1.0", False), ("0.1.0rc1", "0.2.0", False)],
)
def test_releases_are_compared_by_number(release_: str, than: str, newer: bool) -> None:
    assert release.is_newer(release_, than) is newer
