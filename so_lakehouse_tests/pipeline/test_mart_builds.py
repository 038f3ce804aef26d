"""Builds of the marts: one at a time, and none where nothing changed."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import dbt_files
from so_lakehouse.warehouse.builds import building
from so_lakehouse.warehouse.load import load_site
from so_lakehouse.warehouse.publish import publish
from so_lakehouse_tests.pipeline.silver_site import small_site
from so_lakehouse_tests.pipeline.warehouse_catalogue import run

GREEN = "CREATE TABLE IF NOT EXISTS marts_build.activity AS SELECT 'beer'::text AS site"


def build(settings: Settings, build_id: str, project: str = "project") -> str | None:
    """A green build, or the one that makes it needless."""
    with building(settings, build_id, project) as begun:
        if begun.same_as:
            return begun.same_as
        begun.begin()
        run(settings, GREEN)
        begun.finish(["activity"])
    return None


def test_a_second_build_waits_for_the_first_and_says_for_whom(warehouse: Settings) -> None:
    heard: list[str] = []
    waits = threading.Event()

    def listen(what: str, done: int, total: int | None = None) -> None:
        heard.append(what)
        waits.set()

    def second() -> None:
        with building(warehouse, "second", "project", listen) as begun:
            begun.begin()

    with building(warehouse, "first", "project") as begun:
        begun.begin()
        other = threading.Thread(target=second)
        other.start()
        assert waits.wait(30)
        assert run(warehouse, "SELECT build_id FROM lake.mart_build") == [("first",)]
        begun.finish(["activity"])
    other.join()
    assert heard[0].startswith("waiting for build first of the marts, begun ")
    assert run(warehouse, "SELECT build_id FROM lake.mart_build ORDER BY number") == [("first",), ("second",)]


def test_publishing_waits_for_a_build_and_publishes_that_one(warehouse: Settings) -> None:
    build(warehouse, "first")
    waits = threading.Event()
    published: list[str] = []
    publisher = threading.Thread(
        target=lambda: published.append(publish(warehouse, lambda *told: waits.set()).build_id)
    )
    with building(warehouse, "second", "another project") as begun:
        begun.begin()
        publisher.start()
        assert waits.wait(30)
        begun.finish(["activity"])
    publisher.join()
    assert published == ["second"]


def test_a_build_that_lost_its_place_cannot_finish(warehouse: Settings) -> None:
    with building(warehouse, "lost", "project") as begun:
        begun.begin()
        run(
            warehouse,
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
            " WHERE l.locktype = 'advisory' AND d.datname = current_database()",
        )
        assert build(warehouse, "other") is None
        with pytest.raises(Unavailable, match=r"build lost.*Build again"):
            begun.finish(["activity"])


def test_finishing_what_was_not_begun_is_refused(warehouse: Settings) -> None:
    with building(warehouse, "never", "project") as begun, pytest.raises(BadInput, match="no build 'never'"):
        begun.finish([])


def test_where_nothing_changed_no_build_is_needed_and_the_last_one_is_named(warehouse: Settings, lake: Lake) -> None:
    silver = small_site(lake)
    load_site(lake, warehouse, "beer")
    assert build(warehouse, "first") is None
    assert build(warehouse, "second") == "first"

    silver.put("users", {"Id": 9, "Reputation": 1})
    silver.pass_checks()
    load_site(lake, warehouse, "beer")
    assert build(warehouse, "third") is None, "a site was loaded"
    assert build(warehouse, "fourth", "another project") is None, "a model changed"
    run(warehouse, "DROP TABLE marts_build.activity")
    assert build(warehouse, "fifth", "another project") is None, "its table is gone"
    assert build(warehouse, "sixth", "another project") == "fifth"
    moments = "'2016-12-11', '2016-09-11', now()"
    run(
        warehouse,
        f"INSERT INTO lake.reconciliation VALUES ('beer', '2016-10-01', 'posts', '2016-12', {moments},"
        " 91, 0, 1, 1, 0, 0, 0, 0, now(), 'v1')",
    )
    assert build(warehouse, "seventh", "another project") is None, "a dump was reconciled"
    assert build(warehouse, "eighth", "another project") == "seventh"


def test_a_build_that_failed_is_no_reason_to_leave_one_out(warehouse: Settings) -> None:
    build(warehouse, "green")
    with building(warehouse, "red", "changed") as begun:
        begun.begin()
    assert build(warehouse, "again", "project") is None, "the failed build may have left its traces"


def test_a_manifest_is_current_until_a_model_changes(tmp_path: Path) -> None:
    model, manifest = tmp_path / "models/a.sql", tmp_path / "target/manifest.json"
    for path in (model, manifest):
        path.parent.mkdir()
    model.write_text("select 1")
    assert not dbt_files.is_current(manifest, tmp_path)
    manifest.write_text("{}")
    assert dbt_files.is_current(manifest, tmp_path)
    os.utime(model, (time.time() + 60, time.time() + 60))
    assert not dbt_files.is_current(manifest, tmp_path)


def test_the_fingerprint_of_the_project_moves_with_every_file_but_those_that_dbt_writes(tmp_path: Path) -> None:
    for name in ("models/a.sql", "macros/m.sql", "dbt_project.yml", "target/run.sql"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    seen = {dbt_files.fingerprint(tmp_path)}
    (tmp_path / "target/run.sql").write_text("2")
    assert {dbt_files.fingerprint(tmp_path)} == seen
    for name in ("models/a.sql", "macros/m.sql", "dbt_project.yml"):
        (tmp_path / name).write_text("2")
        seen.add(dbt_files.fingerprint(tmp_path))
    (tmp_path / "macros/m.sql").rename(tmp_path / "macros/n.sql")
    seen.add(dbt_files.fingerprint(tmp_path))
    assert len(seen) == 5


def called(settings: Settings, build_id: str, is_whole: bool = True, fails: bool = False) -> Path:
    """One call of something that compiles as dbt does; returns the folder that it compiled into."""
    with building(settings, build_id, "project", is_whole=is_whole) as begun, begun.by_dbt(settings) as (_, folder):
        assert os.environ["SO_LAKEHOUSE_PG_DBNAME"]
        parsed = folder / "partial_parse.msgpack"
        before = parsed.read_text() if parsed.exists() else ""
        parsed.write_text(f"{before} {build_id}")
        node = {"name": "activity", "resource_type": "model", "fqn": ["so_lakehouse", "marts", "activity"]}
        (folder / "manifest.json").write_text(json.dumps({"nodes": {"activity": node}}))
        run(settings, GREEN)
        if fails:
            raise ZeroDivisionError
    return folder


def test_a_build_by_dbt_is_finished_only_where_it_is_whole_and_came_through(warehouse: Settings) -> None:
    with pytest.raises(ZeroDivisionError):
        called(warehouse, "red", fails=True)
    assert (warehouse.dbt_folder / "red" / "manifest.json").exists(), "stays, to be looked at"
    assert not called(warehouse, "some models", is_whole=False).exists()
    assert not called(warehouse, "green").exists()
    builds = run(warehouse, "SELECT build_id, marts FROM lake.mart_build WHERE finished_at IS NOT NULL")
    assert builds == [("green", ["activity"])]
    with building(warehouse, "again", "project", is_whole=False) as begun:
        assert begun.same_as is None
    assert "SO_LAKEHOUSE_PG_DBNAME" not in os.environ


def test_a_build_begins_with_what_dbt_parsed_for_the_last_that_came_through(warehouse: Settings) -> None:
    for build_id, fails in (("first", False), ("red", True), ("second", False)):
        with suppress(ZeroDivisionError):
            called(warehouse, build_id, fails=fails)
    assert (warehouse.dbt_folder / "partial_parse.msgpack").read_text().split() == ["first", "second"]
