"""Real servers, each started once for all tests of this folder, on free ports, stopped at the end.

`make test-stack` runs two processes, each with servers of its own; which tests keep together is said here.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
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
from so_lakehouse.stack.network import Network
from so_lakehouse.stack.process import Service, Supervised
from so_lakehouse.stack.secrets import kept
from so_lakehouse_tests import java_classes
from so_lakehouse_tests.stack.object_store import Server
from so_lakehouse_tests.stack.store_proxy import StoreProxy, store_proxy
from so_lakehouse_tests.stack.whole_stack import Running, so_lakehouse

java_classes.use(java_classes.ARCHIVE_S3)

IN_CI = os.environ.get("CI", "false").lower() not in {"", "0", "false"}
# What a team's lakehouse runs on, but for Dagster's services.
TEAM = ("postgres", "s3", "metastore", "spark-master", "spark-worker-1")
# What takes longest begins first: whoever is done takes the next.
LONGEST = ("test_writers_in_s3", "test_beer_in_s3", "test_faults", "test_catalog_in_metastore", "test_hands_off")
# Files that share what they start, by the fixture that starts it.
SHARED = {
    "team": ("test_beer_in_s3", "test_catalog_in_metastore", "test_faults", "test_faults_of_loads"),
    "whole_stack": ("test_native_stack", "test_runs_at_once", "test_stack_backup", "test_stack_down"),  # in this order
}


class ByWhatTheyStart(LoadScopeScheduling):
    """Tests that share what they start stay in one process: those of a file, of each object store by themselves, and
    of the files that use the team's stack or the whole one. (`loadgroup` does the same by marks, but not with pytest
    9.2: xdist 3.8 writes them where it does not read names any more.)"""

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.partition("::")[0]).stem
        if shared := next((what for what, files in SHARED.items() if file in files), ""):
            return shared
        store = next((name for name in (servers.MINIO, servers.VERSITYGW) if f"[{name}" in nodeid), "")
        return f"{file} {store}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByWhatTheyStart:
    return ByWhatTheyStart(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))
    for what, files in SHARED.items():
        users = {item.path.stem for item in items if what in getattr(item, "fixturenames", ())}
        assert users <= set(files), "they would start another one"


@dataclass(frozen=True)
class Stack:
    """Settings and secrets of a stack of its own; what the tests share of it is running."""

    settings: Settings
    secrets: Mapping[str, str]

    def address(self, role: str) -> str:
        return postgres.address(self.settings, self.secrets, role)

    def up(self, *services: str) -> None:
        native.up(self.settings, lambda service, what: None, services)

    def down(self, *services: str) -> None:
        native.down(self.settings, lambda service, what: None, services)


def need_program(name: str) -> Path:
    """The program, built where Go is; a test without it is skipped, and in CI fails."""
    try:
        return programs.require(name, PROJECT_ROOT / ".stack" / "bin")
    except Unavailable as error:
        if IN_CI:
            pytest.fail(str(error))
        pytest.skip(str(error))


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, each with the next one. Lower than those that the system gives to whoever connects:
    he could have one before a service does."""
    with ExitStack() as held:
        found: list[int] = []
        while len(found) < count:
            port = random.SystemRandom().randrange(20_000, 32_000, 2)
            try:
                for one in (port, port + 1):
                    held.enter_context(socket.create_server(("127.0.0.1", one)))
            except OSError:
                continue
            found.append(port)
    return found


def on_free_ports(settings: Settings) -> Settings:
    """The settings with every port of the stack moved to one that nobody listens on."""
    names = [entry.name for entry in fields(Settings) if entry.name.endswith("_port")]
    return replace(settings, **dict(zip(names, free_ports(len(names)), strict=True)))


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
        used.up(*TEAM)
        yield used


@pytest.fixture(scope="session")
def proxy(team: Stack) -> Iterator[StoreProxy]:
    """A door in front of the team's object store."""
    with store_proxy(Network(team.settings).s3) as between:
        yield between


@pytest.fixture(scope="session")
def whole_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Every service, started by the command; the mirror of its Dagster is a folder that tests fill."""
    programs = need_program(servers.MINIO).parent
    with new_stack() as stack:
        settings = replace(stack.settings, stack_programs=programs, stack_worker_memory="1g")
        given = {
            entry.metadata["variable"]: str(getattr(settings, entry.name))
            for entry in fields(Settings)
            if entry.name.startswith("stack_") or entry.name == "home"
        }
        mirror = tmp_path_factory.mktemp("mirror")
        (mirror / "releases.csv").write_text("release,cut_date,quarter,revision,note\n")
        given |= {"LAKEHOUSE_MIRROR": str(mirror), "PYTHONPATH": str(PROJECT_ROOT)}
        # Its sensors look once, when there is nothing yet: runs are started by tests.
        given |= dict.fromkeys(
            ("LAKEHOUSE_LOOK_SECONDS", "LAKEHOUSE_LOOK_AT_DAYS_SECONDS", "LAKEHOUSE_RELEASES_SECONDS"), "86400"
        )
        environment = os.environ | given | {"COLUMNS": "200"}
        started = so_lakehouse(environment, "stack", "up")
        assert started.returncode == 0, started.stdout + started.stderr
        yield Running(replace(stack, settings=settings), environment, started.stdout)
