"""Real servers, each started once for all tests of this folder, on free ports, stopped at the end.

`make test-stack` runs two processes, each with servers of its own; which tests keep together is said here.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from so_lakehouse.errors import Unavailable
from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.stack import native, postgres, programs
from so_lakehouse.stack import object_store as servers
from so_lakehouse.stack.process import Service, Supervised
from so_lakehouse.stack.secrets import kept
from so_lakehouse_tests.stack.object_store import Server

IN_CI = os.environ.get("CI", "false").lower() not in {"", "0", "false"}
# What a team's lakehouse runs on, but for Dagster's services.
TEAM = ("postgres", "s3", "metastore", "spark-master", "spark-worker-1")
# What takes longest begins first: whoever is done takes the next.
LONGEST = ("test_writers_in_s3", "test_beer_in_s3", "test_faults", "test_catalog_in_metastore", "test_hands_off")
SHARE_THE_TEAMS_STACK = ("test_beer_in_s3", "test_catalog_in_metastore", "test_faults")


class ByWhatTheyStart(LoadScopeScheduling):
    """Tests that share what they start stay in one process: those of a file, of each object store by themselves, and
    of the files that use the team's stack. (`loadgroup` does the same by marks, but not with pytest 9.2: xdist 3.8
    writes them where it does not read names any more.)"""

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.partition("::")[0]).stem
        if file in SHARE_THE_TEAMS_STACK:
            return "team"
        store = next((name for name in (servers.MINIO, servers.VERSITYGW) if f"[{name}" in nodeid), "")
        return f"{file} {store}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByWhatTheyStart:
    return ByWhatTheyStart(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))
    with_team = {item.path.stem for item in items if "team" in getattr(item, "fixturenames", ())}
    assert with_team <= set(SHARE_THE_TEAMS_STACK), "they would start another one"


@dataclass(frozen=True)
class Stack:
    """Settings and secrets of a stack of its own; what the tests share of it is running."""

    settings: Settings
    secrets: Mapping[str, str]

    def address(self, role: str) -> str:
        return postgres.address(self.settings, self.secrets, role)


def need_program(name: str) -> Path:
    """The program, built where Go is; a test without it is skipped, and in CI fails."""
    try:
        return programs.require(name, PROJECT_ROOT / ".stack" / "bin")
    except Unavailable as error:
        if IN_CI:
            pytest.fail(str(error))
        pytest.skip(str(error))


def on_free_ports(settings: Settings) -> Settings:
    """The settings with every port of the stack moved to one that nobody listens on."""
    names = [entry.name for entry in fields(Settings) if entry.name.endswith("_port")]
    sockets = [socket.socket() for _ in names]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = {name: one.getsockname()[1] for name, one in zip(names, sockets, strict=True)}
    for one in sockets:
        one.close()
    return replace(settings, **ports)


@contextmanager
def new_stack() -> Iterator[Stack]:
    """A stack of which nothing runs yet; whatever runs of it at the end is stopped.

    Not below pytest's folder: as root, Postgres runs as another account, which cannot enter it.
    """
    with TemporaryDirectory(prefix="so_lakehouse_stack_") as folder:
        settings = on_free_ports(Settings(home=Path(folder)))
        stack = Stack(settings, kept(settings.stack_folder))
        try:
            yield stack
        finally:
            native.down(settings, lambda service, what: None)


@contextmanager
def running(stack: Stack, service: Service, folder: str = "run") -> Iterator[Supervised]:
    """The service, started and made ready, until the block ends."""
    supervised = Supervised(service, stack.settings.stack_folder / folder)
    supervised.start()
    try:
        service.started()
        yield supervised
    finally:
        supervised.stop()


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A stack whose Postgres runs, with its databases and roles."""
    with new_stack() as made:
        service = postgres.service(made.settings, lambda: postgres.set_up(made.settings, made.secrets))
        with running(made, service):
            yield made


@pytest.fixture(scope="session", params=[servers.MINIO, servers.VERSITYGW])
def s3(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack whose object store runs, with its buckets and keys: each of the two servers in turn."""
    program = need_program(request.param)
    with new_stack() as made:
        settings = replace(made.settings, stack_s3=request.param, stack_programs=program.parent)
        used = replace(made, settings=settings)
        service = servers.service(settings, made.secrets, lambda: servers.set_up(settings, made.secrets))
        with running(used, service):
            yield used


@pytest.fixture(scope="session")
def object_store(s3: Stack) -> Server:
    """The same server, for a lake in it."""
    return Server(s3)


@pytest.fixture
def bucket(object_store: Server) -> str:
    """An empty bucket."""
    return object_store.new_bucket()


@pytest.fixture
def s3_settings(object_store: Server, bucket: str, settings: Settings) -> Settings:
    """Settings of an empty lake in the bucket."""
    return object_store.settings(settings, bucket)


@pytest.fixture(scope="session")
def team() -> Iterator[Stack]:
    """A stack on which a team's lakehouse can run, started as `so-lakehouse stack up` does."""
    program = need_program(servers.MINIO)
    with new_stack() as made:
        settings = replace(made.settings, stack_programs=program.parent, stack_worker_memory="1g")
        used = replace(made, settings=settings)
        native.up(settings, lambda service, what: None, TEAM)
        yield used
