"""What `status` says of a site: every layer that holds it, what was refused there, and how many checks only warn."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from so_lakehouse.lake import gates, paths
from so_lakehouse.lake.manifests import Archive, BronzeManifest, CheckOutcome, RawManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.settings import Settings
from so_lakehouse.status import LayerStatus, status
from so_lakehouse.warehouse import diff
from so_lakehouse.warehouse.builds import building
from so_lakehouse.warehouse.load import load_site
from so_lakehouse.warehouse.publish import publish
from so_lakehouse_tests.pipeline.silver_site import SilverSite, small_site
from so_lakehouse_tests.pipeline.warehouse_catalogue import prepare, run

ACTIVITY = "CREATE TABLE IF NOT EXISTS marts_build.activity AS SELECT 'beer'::text AS site, generate_series(1, 3) AS n"
CUT = datetime(2016, 9, 30, 23, 59, 59, tzinfo=UTC)
YESTERDAY = datetime(2016, 10, 4, 23, 59, 59, tzinfo=UTC)


@pytest.fixture
def silver(lake: Lake) -> SilverSite:
    made = small_site(lake)
    made.apply_dump(CUT)
    made.pass_checks(cut_at=CUT)
    return made


def layers(settings: Settings) -> dict[str, LayerStatus]:
    return {found.layer: found for found in status(settings) if found.site == "beer"}


def build(settings: Settings, build_id: str, *, green: bool) -> None:
    with building(settings, build_id, build_id) as begun:
        begun.begin()
        run(settings, ACTIVITY)
        if green:
            begun.finish(["activity"])


def test_the_marts_have_their_build_rows_and_age(silver: SilverSite, warehouse: Settings, lake: Lake) -> None:
    load_site(lake, warehouse, "beer")
    assert "marts" not in layers(warehouse)
    build(warehouse, "0123456789", green=True)
    publish(warehouse)
    marts = layers(warehouse)["marts"]
    assert (marts.newest, marts.rows, marts.failed_checks) == ("build 01234567", 3, ())
    assert marts.age_hours == pytest.approx(0, abs=1)


def test_a_build_that_did_not_finish_is_shown_where_its_marts_are_missing_and_names_what_failed(
    silver: SilverSite, warehouse: Settings, lake: Lake
) -> None:
    load_site(lake, warehouse, "beer")
    build(warehouse, "red", green=False)
    marts = layers(warehouse)["marts"]
    assert (marts.newest, marts.rows) == ("", None)
    assert "has not finished: it was killed" in marts.failed_checks[0]

    said = {
        "model.so_lakehouse.tag_month": "error",
        "test.so_lakehouse.activity_equals_warehouse.0ab1": "fail",
        "test.so_lakehouse.rarely_dangling.1": "warn",
        "model.so_lakehouse.top_tags": "skipped",
        "model.so_lakehouse.dim_tag": "success",
    }
    (warehouse.dbt_folder / "red").mkdir(parents=True)
    results = [{"unique_id": node, "status": state} for node, state in said.items()]
    (warehouse.dbt_folder / "red" / "run_results.json").write_text(json.dumps({"results": results}))
    assert layers(warehouse)["marts"].failed_checks[0].endswith("UTC failed: activity_equals_warehouse, tag_month")


def test_a_build_that_is_running_is_no_failure(silver: SilverSite, warehouse: Settings, lake: Lake) -> None:
    load_site(lake, warehouse, "beer")
    with building(warehouse, "0123456789", "a project") as begun:
        begun.begin()
        marts = layers(warehouse)["marts"]
    assert marts.failed_checks == ()
    assert marts.newest.startswith("one begun ")
    assert marts.newest.endswith(" UTC is running")
    assert layers(warehouse)["marts"].failed_checks, "nobody works at it any more"


def test_a_load_that_was_refused_is_shown_until_one_passes(
    silver: SilverSite, warehouse: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_site(lake, warehouse, "beer")
    silver.delete("votes", 1)
    silver.pass_checks(cut_at=CUT, posts_complete_to=YESTERDAY)
    with monkeypatch.context() as broken:
        insert = diff.insert
        broken.setattr(diff, "insert", lambda projection: insert(projection) + " LIMIT 0")
        load_site(lake, warehouse, "beer")
    found = layers(warehouse)["warehouse"]
    assert (found.newest, found.failed_checks) == ("complete to 2016-09-30", ("votes: equals_silver",))
    load_site(lake, warehouse, "beer")
    found = layers(warehouse)["warehouse"]
    assert (found.newest, found.failed_checks) == ("complete to 2016-10-04, counters to 2016-09-30", ())


def test_checks_that_only_warn_are_counted(silver: SilverSite, warehouse: Settings, lake: Lake) -> None:
    late = CheckOutcome("not_late", False, False, "the newest vote is 90 days older than the cut")
    known = gates.load(lake, "beer")
    gates.save(
        lake, "beer", {name: replace(known[name], checks=(*known[name].checks, late)) for name in ("posts", "votes")}
    )
    found = layers(warehouse)["silver"]
    assert (found.failed_checks, found.warnings) == ((), 2)
    silver.pass_checks(refused="posts")
    assert layers(warehouse)["silver"].failed_checks == ("posts: keys_unique",)


def test_a_database_that_was_only_prepared_or_is_of_an_earlier_release_has_nothing_to_show(warehouse: Settings) -> None:
    assert status(warehouse) == []
    prepare(warehouse)
    assert status(warehouse) == []
    run(warehouse, "DROP TABLE lake.refused, marts.build")
    assert status(warehouse) == []


def test_an_archive_that_was_set_aside_is_shown(lake: Lake, settings: Settings) -> None:
    archive = Archive("beer.7z", f"{paths.raw_dump('2016-07-01', 'beer')}/beer.7z", 1, "ab", "")
    RawManifest("beer", "2016-07-01", "2016-09", 1, "2016-09-11", (archive,), "", "", "2026-01-01T00:00:00+00:00").save(
        lake
    )
    assert layers(settings)["raw"].failed_checks == ("beer.7z is set aside",)
    lake.write_bytes(archive.path, b"7")
    assert layers(settings)["raw"].failed_checks == ()


def test_a_dump_that_has_not_been_read_is_shown(silver: SilverSite, lake: Lake, settings: Settings) -> None:
    def landed(quarter: str, release: str) -> str:
        archive = Archive("beer.7z", f"{paths.raw_dump(quarter, 'beer')}/beer.7z", 1, release, "")
        lake.write_bytes(archive.path, b"7")
        cut, moment = f"{release}-11", "2026-01-01T00:00:00+00:00"
        manifest = RawManifest("beer", quarter, release, 1, cut, (archive,), "", "", moment)
        manifest.save(lake)
        return manifest.data_version

    version = landed("2016-07-01", "2016-09")
    assert layers(settings)["bronze"].failed_checks == ("2016-07-01 (2016-09) has not been read",)
    for table in TABLES:
        names = ("beer", "2016-07-01", table, "2016-09", 1, "2016-09-11")
        BronzeManifest(*names, version, "1", True, written_at="2026-01-01T00:00:00+00:00").save(lake)
        if table == "posts":
            (told,) = layers(settings)["bronze"].failed_checks
            assert told.startswith("2016-07-01 (2016-09) has not been read: ")
            assert "votes" in told
    assert layers(settings)["bronze"].failed_checks == ()
    landed("2016-10-01", "2016-12")
    found = layers(settings)["bronze"]
    assert (found.newest, found.failed_checks) == ("2016-07-01 (2016-09)", ("2016-10-01 (2016-12) has not been read",))
