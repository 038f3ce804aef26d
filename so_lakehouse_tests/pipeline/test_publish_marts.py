"""Publishing: a build's marts appear together and only when it was green; readers never wait and never see a mix."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Collection
from typing import Any

import pytest

from so_lakehouse.errors import BadInput, CheckFailed
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import server
from so_lakehouse.warehouse.builds import building
from so_lakehouse.warehouse.publish import publish


def run(settings: Settings, *statements: str) -> list[tuple[Any, ...]]:
    """Runs statements in one transaction; the rows of the last one, if it has any."""
    connection = server.connect(settings)
    try:
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def build(
    settings: Settings, build_id: str, *statements: str, marts: Collection[str] | None = None, green: bool = True
) -> None:
    """A build: what dbt would do in `marts_build`. Its `marts` are all tables there, where they are not named."""
    with building(settings, build_id, "project") as begun:
        begun.begin()
        run(settings, *statements)
        if green:
            tables = run(settings, "SELECT tablename FROM pg_tables WHERE schemaname = 'marts_build'")
            begun.finish([name for (name,) in tables] if marts is None else marts)


ACTIVITY = (
    "CREATE TABLE marts_build.activity (site text NOT NULL, month date NOT NULL, questions bigint, share numeric)"
)
FILLED = "INSERT INTO marts_build.activity VALUES ('beer', '2016-01-01', 3, 0.5), ('beer', '2016-02-01', 4, NULL)"
TAGS = "CREATE TABLE marts_build.top_tags AS SELECT 'ale'::text AS tag, 2 AS questions"


def test_the_first_publishing_creates_the_marts_with_columns_and_descriptions(warehouse: Settings) -> None:
    described = "COMMENT ON COLUMN marts_build.activity.questions IS 'Questions asked that month.'"
    build(warehouse, "first", ACTIVITY, FILLED, TAGS, described)
    done = publish(warehouse)
    assert (done.build_id, done.rows, set(done.marts)) == ("first", 3, {"activity", "top_tags"})
    assert run(warehouse, "SELECT * FROM marts.activity ORDER BY month")[0][2:] == (
        3,
        run(warehouse, "SELECT 0.5")[0][0],
    )
    assert run(warehouse, "SELECT col_description('marts.activity'::regclass, 3)") == [("Questions asked that month.",)]
    assert run(warehouse, "SELECT build_id, marts FROM marts.build") == [("first", ["activity", "top_tags"])]


def test_only_rows_that_differ_are_written(warehouse: Settings) -> None:
    build(warehouse, "first", ACTIVITY, FILLED, TAGS)
    publish(warehouse)
    build(warehouse, "second", "UPDATE marts_build.activity SET questions = 5 WHERE month = '2016-02-01'")
    done = publish(warehouse)
    assert (done.marts["activity"].inserted, done.marts["activity"].deleted, done.marts["activity"].rows) == (1, 1, 2)
    assert (done.marts["top_tags"].inserted, done.marts["top_tags"].deleted) == (0, 0)
    assert done.note == "changed: activity"
    assert run(warehouse, "SELECT questions FROM marts.activity ORDER BY month") == [(3,), (5,)]


def test_publishing_the_same_build_again_changes_nothing(warehouse: Settings) -> None:
    build(warehouse, "first", ACTIVITY, FILLED)
    publish(warehouse)
    before = run(warehouse, "SELECT xmin::text, * FROM marts.activity ORDER BY month")
    assert publish(warehouse).note == "no mart differs from what readers had"
    assert run(warehouse, "SELECT xmin::text, * FROM marts.activity ORDER BY month") == before
    assert run(warehouse, "SELECT count(*) FROM marts.build") == [(1,)]


def test_a_mart_that_somebody_dropped_comes_back_without_a_new_build(warehouse: Settings) -> None:
    build(warehouse, "first", ACTIVITY, FILLED, TAGS)
    publish(warehouse)
    run(warehouse, "DROP TABLE marts.activity")
    assert publish(warehouse).marts["activity"].inserted == 2
    assert run(warehouse, "SELECT build_id FROM marts.build") == [("first",)]


def test_a_table_of_the_build_that_somebody_dropped_is_named(warehouse: Settings) -> None:
    build(warehouse, "first", ACTIVITY, FILLED, TAGS)
    run(warehouse, "DROP TABLE marts_build.activity")
    with pytest.raises(BadInput, match=r"marts_build\.activity.*Build them again"):
        publish(warehouse)


def test_equal_rows_are_kept_as_often_as_the_build_has_them(warehouse: Settings) -> None:
    twice = "INSERT INTO marts_build.top_tags VALUES ('ale', 2), ('ale', 2), ('hops', NULL), ('hops', NULL)"
    build(warehouse, "first", TAGS, twice)
    publish(warehouse)
    remove = "DELETE FROM marts_build.top_tags WHERE ctid = (SELECT min(ctid) FROM marts_build.top_tags)"
    build(warehouse, "second", remove)
    publish(warehouse)
    assert run(warehouse, "SELECT tag, count(*) FROM marts.top_tags GROUP BY 1 ORDER BY 1") == [("ale", 2), ("hops", 2)]


def test_changed_columns_are_followed_and_grants_stay(warehouse: Settings) -> None:
    build(warehouse, "first", ACTIVITY, FILLED)
    publish(warehouse)
    role = f"reader_{warehouse.postgres.rpartition('test_')[2][:12]}"
    run(warehouse, f"CREATE ROLE {role}", f"GRANT SELECT ON marts.activity TO {role}")
    build(
        warehouse,
        "second",
        "ALTER TABLE marts_build.activity DROP COLUMN share, ADD COLUMN answers bigint DEFAULT 7",
        "ALTER TABLE marts_build.activity ALTER COLUMN questions TYPE text, ALTER COLUMN site DROP NOT NULL",
        "INSERT INTO marts_build.activity VALUES (NULL, '2016-03-01', 'none', 8)",
    )
    publish(warehouse)
    rows = run(warehouse, "SELECT site, questions, answers FROM marts.activity ORDER BY month")
    assert rows == [("beer", "3", 7), ("beer", "4", 7), (None, "none", 8)]
    assert run(warehouse, f"SELECT has_table_privilege('{role}', 'marts.activity', 'SELECT')") == [(True,)]
    run(warehouse, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_column_that_somebodys_view_needs_is_named_and_nothing_is_published(warehouse: Settings) -> None:
    build(warehouse, "first", ACTIVITY, FILLED)
    publish(warehouse)
    run(warehouse, "CREATE VIEW public.report AS SELECT share FROM marts.activity")
    build(warehouse, "second", "ALTER TABLE marts_build.activity DROP COLUMN share")
    with pytest.raises(BadInput, match="view report depends on column share"):
        publish(warehouse)
    assert run(warehouse, "SELECT build_id FROM marts.build") == [("first",)]


def test_a_mart_whose_model_is_no_more_goes_though_dbt_leaves_its_table_and_what_others_keep_there_stays(
    warehouse: Settings,
) -> None:
    build(warehouse, "first", ACTIVITY, FILLED, TAGS)
    publish(warehouse)
    run(warehouse, "CREATE TABLE marts.of_somebody (n int)")
    build(warehouse, "second", marts=["activity"])
    assert set(publish(warehouse).marts) == {"activity"}
    assert run(warehouse, "SELECT to_regclass('marts.top_tags'), to_regclass('marts.of_somebody')::text") == [
        (None, "marts.of_somebody")
    ]


def test_a_build_that_did_not_finish_is_not_published(warehouse: Settings) -> None:
    build(warehouse, "green", ACTIVITY, FILLED)
    publish(warehouse)
    build(warehouse, "red", "UPDATE marts_build.activity SET questions = -1", green=False)
    with pytest.raises(CheckFailed, match=r"red.*did not finish"):
        publish(warehouse)
    assert run(warehouse, "SELECT min(questions) FROM marts.activity") == [(3,)]


def test_a_retried_build_begins_afresh(warehouse: Settings) -> None:
    build(warehouse, "same", ACTIVITY, FILLED)
    build(warehouse, "same", green=False)
    with pytest.raises(CheckFailed, match="same"):
        publish(warehouse)


def test_a_build_of_an_earlier_release_is_built_again_before_it_is_published(warehouse: Settings) -> None:
    build(warehouse, "earlier", ACTIVITY, FILLED)
    run(warehouse, "UPDATE lake.mart_build SET marts = NULL, made_of = NULL")
    with pytest.raises(BadInput, match=r"earlier.*Build again"):
        publish(warehouse)


def test_without_a_build_there_is_nothing_to_publish_and_it_says_what_to_run(warehouse: Settings) -> None:
    with pytest.raises(BadInput, match="no build of the marts"):
        publish(warehouse)


def test_a_killed_publishing_leaves_the_build_before(warehouse: Settings) -> None:
    build(warehouse, "first", ACTIVITY, FILLED)
    publish(warehouse)
    build(warehouse, "second", "UPDATE marts_build.activity SET questions = 9")
    killed = subprocess.run(
        [sys.executable, "-c", _PUBLISH, warehouse.postgres],
        env=os.environ | {"LAKEHOUSE_FAIL_AT": "publish.before_commit"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert run(warehouse, "SELECT questions FROM marts.activity ORDER BY month") == [(3,), (4,)]
    publish(warehouse)
    assert run(warehouse, "SELECT DISTINCT questions FROM marts.activity") == [(9,)]


def test_a_build_that_was_killed_before_its_end_is_not_published_and_is_built_again(warehouse: Settings) -> None:
    build(warehouse, "first", ACTIVITY, FILLED)
    publish(warehouse)
    killed = subprocess.run(
        [sys.executable, "-c", _BUILD, warehouse.postgres, "UPDATE marts_build.activity SET questions = 9"],
        env=os.environ | {"LAKEHOUSE_FAIL_AT": "marts.before_finish"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(CheckFailed, match="second"):
        publish(warehouse)
    assert run(warehouse, "SELECT questions FROM marts.activity ORDER BY month") == [(3,), (4,)]
    build(warehouse, "second", "UPDATE marts_build.activity SET questions = 9")
    publish(warehouse)
    assert run(warehouse, "SELECT DISTINCT questions FROM marts.activity") == [(9,)]


_BUILD = """
import sys
from so_lakehouse.settings import Settings
from so_lakehouse_tests.pipeline.test_publish_marts import build
build(Settings(postgres=sys.argv[1]), "second", sys.argv[2])
"""

_PUBLISH = """
import sys
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse.publish import publish
publish(Settings(postgres=sys.argv[1]))
"""


def test_readers_never_see_a_mix_of_builds_and_never_wait(warehouse: Settings) -> None:
    """Each build writes its number into every row of two marts; a reader compares them in one transaction."""
    two = [f"CREATE TABLE marts_build.{name} AS SELECT n, 0 AS build FROM generate_series(1, 5000) n" for name in "ab"]
    build(warehouse, "0", *two)
    publish(warehouse)
    seen: list[tuple[Any, ...]] = []
    stop = threading.Event()

    def read() -> None:
        connection = server.connect(warehouse, read_only=True)
        while not stop.is_set():
            with connection, connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '1s'")  # a reader that has to wait for a lock fails
                cursor.execute("SELECT min(build), max(build), count(*) FROM marts.a")
                first = cursor.fetchone() or ()
                cursor.execute("SELECT min(build), max(build), count(*) FROM marts.b")
                seen.append((*first, *(cursor.fetchone() or ()), _published(cursor)))
        connection.close()

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 6):
        build(warehouse, str(number), *(f"UPDATE marts_build.{name} SET build = {number}" for name in "ab"))
        publish(warehouse)
    stop.set()
    reader.join()
    assert {row for row in seen if len({row[0], row[1], row[3], row[4], row[6]}) != 1} == set()
    assert {row[2] for row in seen} == {row[5] for row in seen} == {5000}
    assert len({row[0] for row in seen}) > 1, "the reader was there while builds changed"


def _published(cursor: Any) -> int:
    cursor.execute("SELECT build_id::int FROM marts.build ORDER BY published_at DESC LIMIT 1")
    return cursor.fetchone()[0]
