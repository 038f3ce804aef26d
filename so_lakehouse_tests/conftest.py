"""Fixtures that every tier shares: where the real dumps are, a lake in a temporary folder, an empty warehouse."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest

from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.warehouse import server
from so_lakehouse_tests import java_classes

# Where the tests are started in the background, interruptions are ignored, also by the processes that they start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

java_classes.use(java_classes.ARCHIVE)

REAL_DUMPS = PROJECT_ROOT.parent / "shared" / "data" / "stackexchange"


@pytest.fixture(scope="session")
def real_dumps() -> Path:
    """Folder of real dumps, laid out as a mirror; it is not part of the project."""
    if not REAL_DUMPS.is_dir():
        reason = f"no real dumps at {REAL_DUMPS}"
        if os.environ.get("CI", "false").lower() not in {"", "0", "false"}:
            pytest.fail(reason)
        pytest.skip(reason)  # they are not published with the project: who only has that can run the other tests
    return REAL_DUMPS


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an empty lakehouse in a temporary folder."""
    return Settings(home=tmp_path)


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake(settings.lake_uri)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Settings]:
    """Settings whose embedded Postgres all tests of this process share."""
    with postgres_home() as home:
        yield Settings(home=home)


@contextmanager
def postgres_home() -> Iterator[Path]:
    """A folder for an embedded Postgres, which is stopped at the end. Not one of pytest's: as root the server runs as
    another account, and every pytest that starts on the machine closes pytest's folders to all others."""
    with TemporaryDirectory(prefix="so_lakehouse_") as folder:
        yield Path(folder)
        server.stop(Settings(home=Path(folder)))


@pytest.fixture
def warehouse(settings: Settings, postgres: Settings) -> Iterator[Settings]:
    """`settings` with an empty database of its own."""
    name = f"test_{uuid4().hex}"
    admin = server.connect(postgres)
    admin.autocommit = True
    with admin.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        yield replace(settings, postgres=server.uri(postgres).replace("/lakehouse?", f"/{name}?"))
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    admin.close()
