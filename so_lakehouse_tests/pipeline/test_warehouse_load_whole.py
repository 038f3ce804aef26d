"""A load is whole or it is not: sites apart, gates, readers, kills, two at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import pytest

from so_lakehouse import failpoints
from so_lakehouse.errors import CheckFailed, Unavailable
from so_lakehouse.lake import paths
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import server
from so_lakehouse.warehouse.load import load_site
from so_lakehouse_tests.pipeline.silver_site import SilverSite, day, small_site
from so_lakehouse_tests.pipeline.warehouse_catalogue import assert_equals_silver, rows
from so_lakehouse_tests.pipeline.warehouse_catalogue import run as ask

QUESTION_3 = {"Id": 3, "PostTypeId": 1, "CreationDate": day("2016-02-10"), "Tags": ["ale"], "OwnerUserId": 8}
ANSWER_4 = {"Id": 4, "PostTypeId": 2, "CreationDate": day("2016-04-10"), "ParentId": 3, "OwnerUserId": 7}


def test_two_sites_live_side_by_side_and_change_apart(warehouse: Settings, lake: Lake) -> None:
    beer, tiny = small_site(lake, "beer"), small_site(lake, "ru.stackoverflow")
    load_site(lake, warehouse, "beer")
    load_site(lake, warehouse, "ru.stackoverflow")
    tiny.delete("posts", 1, 2)
    tiny.delete("tags", 1)
    tiny.pass_checks()
    beer.pass_checks()
    load_site(lake, warehouse, "ru.stackoverflow")
    assert ask(warehouse, "SELECT site, count(*) FROM lake.posts GROUP BY 1 ORDER BY 1") == [
        ("beer", 4),
        ("ru.stackoverflow", 2),
    ]
    assert ask(warehouse, "SELECT site, count(*) FROM lake.tags GROUP BY 1 ORDER BY 1") == [
        ("beer", 2),
        ("ru.stackoverflow", 1),
    ]
    assert_equals_silver(lake, warehouse, "ru.stackoverflow")
    assert load_site(lake, warehouse, "beer")["posts"].updated == 0
    assert_equals_silver(lake, warehouse, "beer")


def test_a_table_that_silver_lacks_is_absent_and_the_others_load(warehouse: Settings, lake: Lake) -> None:
    silver = SilverSite(lake)
    silver.put("posts", QUESTION_3)
    silver.pass_checks()
    loaded = load_site(lake, warehouse, "beer")
    assert {name for name, done in loaded.items() if done.how == "first"} == {"posts", "post_tags"}
    assert loaded["votes"].how == "absent"
    assert "nothing to load: silver/votes of beer" in loaded["votes"].reason


def test_a_failed_check_of_one_table_stops_the_whole_site_and_keeps_what_is_there(
    warehouse: Settings, lake: Lake
) -> None:
    silver = small_site(lake)
    load_site(lake, warehouse, "beer")
    silver.delete("posts", 1)
    silver.put("users", {"Id": 9, "Reputation": 1})
    silver.pass_checks(refused="users")
    with pytest.raises(CheckFailed, match="users: keys_unique"):
        load_site(lake, warehouse, "beer")
    assert ask(warehouse, "SELECT count(*) FROM lake.posts") == [(4,)]


def test_a_version_that_cannot_be_read_any_more_says_what_to_do(warehouse: Settings, lake: Lake) -> None:
    small_site(lake)
    gate = lake.read_json(paths.silver_gate("beer"))
    gate["tables"]["posts"]["version"] = 40
    lake.write_json(paths.silver_gate("beer"), gate)
    with pytest.raises(Unavailable, match=r"silver/posts cannot be read at version 40.*Run silver"):
        load_site(lake, warehouse, "beer")


def test_readers_see_a_load_whole_or_not_at_all(warehouse: Settings, lake: Lake) -> None:
    """Each load gives all posts and users one score; a reader never sees two of them."""
    silver = small_site(lake)
    load_site(lake, warehouse, "beer")
    posts = [QUESTION_3, ANSWER_4, {"Id": 1, "PostTypeId": 1, "CreationDate": day("2016-01-10")}]
    seen: set[tuple[Any, ...]] = set()
    stop = threading.Event()

    def read() -> None:
        connection = server.connect(warehouse)
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not stop.is_set():
                cursor.execute(
                    "SELECT (SELECT array_agg(DISTINCT score) FROM lake.posts WHERE id <> 2),"
                    " array_agg(DISTINCT reputation) FROM lake.users"
                )
                score, reputation = cursor.fetchone() or ([], [])
                seen.add((tuple(score), tuple(reputation)))
        connection.close()

    for number in (10, 11):
        silver.put("posts", *(post | {"Score": number} for post in posts))
        silver.put("users", {"Id": 7, "Reputation": number}, {"Id": 8, "Reputation": number})
        silver.pass_checks()
        if number == 11:
            reader = threading.Thread(target=read)
            reader.start()
        load_site(lake, warehouse, "beer")
    stop.set()
    reader.join()
    assert seen <= {((10,), (10,)), ((11,), (11,))}
    assert ((10,), (10,)) in seen


def test_a_load_killed_before_its_commit_leaves_nothing_and_the_next_one_brings_all(
    warehouse: Settings, lake: Lake
) -> None:
    silver = small_site(lake)
    load_site(lake, warehouse, "beer")
    silver.delete("posts", 4)
    silver.put("votes", {"Id": 7, "PostId": 1, "VoteTypeId": 2, "CreationDate": day("2016-05-11")})
    silver.pass_checks()
    killed = subprocess.run(
        [sys.executable, "-c", _LOAD, str(warehouse.home), warehouse.postgres],
        env=os.environ | {"LAKEHOUSE_FAIL_AT": "warehouse.before_commit"},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert ask(warehouse, "SELECT (SELECT count(*) FROM lake.posts), max(load_id) FROM lake.load_status") == [(4, 1)]
    loaded = load_site(lake, warehouse, "beer")
    assert (loaded["posts"].how, loaded["posts"].deleted) == ("changes", 1)
    assert_equals_silver(lake, warehouse)


_LOAD = """
import sys
from pathlib import Path
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse.load import load_site
settings = Settings(home=Path(sys.argv[1]), postgres=sys.argv[2])
load_site(Lake(settings.lake_uri), settings, "beer")
"""


def test_two_loads_of_one_site_at_once_do_the_work_once(warehouse: Settings, lake: Lake) -> None:
    small_site(lake)
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda: results.append(load_site(lake, warehouse, "beer")["posts"].how))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["first", "unchanged"]
    assert_equals_silver(lake, warehouse)


def test_postgres_that_goes_away_in_the_middle_says_so_and_readers_keep_what_they_had(
    lake: Lake, warehouse: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    silver = small_site(lake)
    load_site(lake, warehouse, "beer")
    before = rows(warehouse)
    silver.put("posts", QUESTION_3 | {"Score": 77})
    silver.pass_checks()
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ended: list[str] = []

    def end_sessions(place: str) -> None:
        ended.append(place)
        assert ask(warehouse, f"SELECT bool_and(pg_terminate_backend(pid)) {others}") == [(True,)]

    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "reach", end_sessions)
        with pytest.raises(Unavailable, match=r"Postgres stopped the load of beer: .*then load again"):
            load_site(lake, warehouse, "beer")
    assert ended == ["warehouse.before_commit"]
    assert rows(warehouse) == before
    load_site(lake, warehouse, "beer")
    assert_equals_silver(lake, warehouse)


def test_postgres_that_is_gone_says_so(lake: Lake, settings: Settings) -> None:
    small_site(lake)
    with pytest.raises(Unavailable, match="Postgres does not answer"):
        load_site(lake, replace(settings, postgres="postgresql://127.0.0.1:1/warehouse"), "beer")
