"""Faults of the real services in the middle of landing and of loading the warehouse: the run waits, or ends in words; a
re-run ends in the same tables. Those of merges are in test_faults.py."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
from pyarrow.fs import LocalFileSystem, copy_files

from so_lakehouse.dumps.land import land_dump, resolve
from so_lakehouse.dumps.mirrors import open_mirror
from so_lakehouse.errors import Unavailable
from so_lakehouse.lake.object_store import PART
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.stack import postgres
from so_lakehouse.stack.process import Supervised
from so_lakehouse.warehouse import roles
from so_lakehouse.warehouse.load import load_site
from so_lakehouse_tests.pipeline.silver_site import day, small_site
from so_lakehouse_tests.pipeline.warehouse_catalogue import assert_equals_silver
from so_lakehouse_tests.small_archives import small_7z
from so_lakehouse_tests.stack.conftest import Stack
from so_lakehouse_tests.stack.object_store import Server
from so_lakehouse_tests.stack.store_proxy import StoreProxy

AWAY_SECONDS = 5
MOST_SECONDS = 120  # for one thing, on a machine that does much else


@pytest.fixture
def settings(team: Stack, proxy: StoreProxy, tmp_path: Path) -> Settings:
    """Of a process of the team that reaches its object store through the door, with a lake of its own."""
    server, given = Server(team), Settings(home=tmp_path, postgres=team.address(roles.LOADER))
    return replace(server.settings(given, server.new_bucket()), s3_endpoint=proxy.address)


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake.of(settings)


@contextmanager
def away_in_the_middle(team: Stack, proxy: StoreProxy, method: str, pattern: str) -> Iterator[Callable[[], None]]:
    """What is called in the block takes the store away as soon as such a request is on its way, and brings it back."""

    def leave() -> None:
        assert here.wait(MOST_SECONDS), f"no {method} of {pattern}"
        team.down("s3")

    with proxy.held(method, pattern) as here:
        yield leave
    time.sleep(AWAY_SECONDS)
    team.up("s3")


def test_a_store_that_is_away_while_a_dump_lands_is_waited_for(
    team: Stack, proxy: StoreProxy, settings: Settings, lake: Lake, tmp_path: Path
) -> None:
    archive = tmp_path / "mirror" / "2016-12" / "beer.stackexchange.com.7z"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(small_7z(2 * PART + 1_000_000))  # three parts
    (tmp_path / "mirror" / "releases.csv").write_text(
        "release,cut_date,quarter,revision,note\n2016-12,2016-12-11,2016-10-01,1,\n"
    )
    mirror = open_mirror(str(tmp_path / "mirror"), settings)
    with ThreadPoolExecutor(1) as pool:
        with away_in_the_middle(team, proxy, "PUT", r"/raw/.*partNumber=2") as leave:
            landing = pool.submit(land_dump, lake, mirror, resolve(mirror, "beer", "2016-10-01"), settings)
            leave()
        (landed,) = landing.result(MOST_SECONDS).archives
    assert lake.read_bytes(landed.path) == archive.read_bytes()
    assert not list(settings.landing_folder.rglob("*.7z*")), "nothing is left on this machine"


def test_a_store_that_is_away_while_the_warehouse_loads_is_waited_for(
    team: Stack, proxy: StoreProxy, settings: Settings, lake: Lake, tmp_path: Path
) -> None:
    made = Lake.of(Settings(home=tmp_path))
    small_site(made, "thirsty").pass_checks(cut_at=day("2016-09-30"))
    copy_files(made.root, lake.root, LocalFileSystem(), lake.fs)
    with ThreadPoolExecutor(1) as pool:
        with away_in_the_middle(team, proxy, "GET", r"/silver/posts/.*\.parquet") as leave:
            load = pool.submit(load_site, lake, settings, "thirsty")
            leave()
        assert {table.how for table in load.result(MOST_SECONDS).values()} == {"first"}
    assert_equals_silver(lake, settings, "thirsty")


def test_a_load_during_which_postgres_is_restarted_says_so_and_a_rerun_equals_silver(
    stack: Stack, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, postgres=stack.address(roles.LOADER))
    lake = Lake.of(settings)
    silver = small_site(lake, "restarted")
    silver.pass_checks(cut_at=day("2016-09-30"))
    load_site(lake, settings, "restarted")
    silver.put("posts", {"Id": 1, "PostTypeId": 1, "CreationDate": day("2016-01-10"), "Score": 77})
    silver.pass_checks(cut_at=day("2016-12-30"))
    admin = postgres.admin_address(stack.settings, stack.secrets, postgres.WAREHOUSE)
    service = postgres.service(stack.settings, lambda: None)
    server = Supervised(service, stack.settings.stack_folder / "run")
    with ThreadPoolExecutor(1) as pool, closing(psycopg2.connect(admin)) as held:
        with held.cursor() as cursor:
            cursor.execute("LOCK TABLE lake.posts IN SHARE MODE")  # nobody writes; who has begun waits in the middle
            load = pool.submit(load_site, lake, settings, "restarted")
            wait_until_somebody_waits(admin)
        server.stop()
        server.start()
        with pytest.raises(Unavailable, match=r"Postgres stopped the load of restarted: .*then load again"):
            load.result(60)
    done = load_site(lake, settings, "restarted")
    assert {table.how for table in done.values()} == {"changes", "unchanged"}
    assert_equals_silver(lake, settings, "restarted")


def wait_until_somebody_waits(admin: str) -> None:
    until = time.monotonic() + 60
    with closing(psycopg2.connect(admin)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        while True:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'lake.posts'::regclass")
            if cursor.fetchall() != [(0,)]:
                return
            assert time.monotonic() < until, "nobody waits"
            time.sleep(0.1)
