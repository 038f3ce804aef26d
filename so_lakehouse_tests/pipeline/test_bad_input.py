"""Bad input on the command line: refused with a clear message, and nothing is published."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from so_lakehouse.settings import Settings
from so_lakehouse.simulate.dumps import write_mirror
from so_lakehouse.warehouse import server
from so_lakehouse.warehouse.query import query_warehouse
from so_lakehouse_tests.pipeline.command_line import COMMAND, QUARTER, SITE, call, run, said


@pytest.fixture(scope="module")
def mirror(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("mirror")
    write_mirror(folder, [SITE], [QUARTER], people=60)
    return folder


@pytest.fixture
def broken(mirror, tmp_path) -> Path:
    """A copy of the mirror whose one archive a test may spoil."""
    folder = tmp_path / "mirror"
    subprocess.run(["cp", "-r", str(mirror), str(folder)], check=True)
    return folder


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def archive_of(folder: Path) -> Path:
    return next(folder.glob("*/*.7z"))


def published(home: Path) -> list[str]:
    """The layers of the lake of which something can be read, by manifests and folders."""
    named = ("raw/**/manifest.json", "bronze/**/manifest.json", "silver")
    return [pattern.partition("/")[0] for pattern in named if list((home / "lake").glob(pattern))]


def tables_of_database(home: Path) -> list[dict[str, str]]:
    """What of the warehouse and the marts somebody can read."""
    settings = Settings(home=home)
    try:
        tables = "select schemaname, tablename from pg_tables where schemaname in ('lake', 'core', 'marts')"
        return query_warehouse(settings, tables).to_pylist()
    finally:
        server.stop(settings)


def test_a_truncated_archive(broken, home):
    archive = archive_of(broken)
    (archive.parent / "SHA256SUMS").unlink()
    archive.write_bytes(archive.read_bytes()[:-1_000])
    done = run(home, broken)
    assert done.returncode == 1
    assert SITE in said(done)
    assert "cut short" in said(done)
    assert "Traceback" not in said(done)
    assert published(home) == tables_of_database(home) == []


def test_a_wrong_checksum(broken, home):
    archive = archive_of(broken)
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    done = run(home, broken)
    assert done.returncode == 1
    assert "damaged on its way" in said(done)
    assert published(home) == []


def test_something_that_is_no_7z(broken, home):
    archive = archive_of(broken)
    (archive.parent / "SHA256SUMS").unlink()
    archive.write_text("<html>please log in</html>")
    done = run(home, broken)
    assert done.returncode == 1
    assert "is not a 7z archive" in said(done)
    assert published(home) == []


def test_an_unknown_site_is_answered_with_what_exists(mirror, home):
    done = call(home, "run", "--site", "simulated-brewery", "--mirror", str(mirror))
    assert done.returncode == 1
    assert SITE in said(done)
    assert not home.exists()


@pytest.mark.parametrize("quarter", ["2020Q1", "2019-12", "yesterday"])
def test_an_unknown_quarter_or_release_is_answered_with_what_exists(mirror, home, quarter):
    done = run(home, mirror, "--quarter", quarter)
    assert done.returncode == 1
    assert "2025-12-31" in said(done)
    assert not home.exists()


def test_a_mirror_that_is_not_there(tmp_path, home):
    done = run(home, tmp_path / "nowhere")
    assert done.returncode == 1
    assert "nowhere" in said(done)


def test_a_full_disk(mirror, home):
    done = run(home, mirror, LAKEHOUSE_DISK_RESERVE=str(10**18))
    assert done.returncode == 1
    assert "LAKEHOUSE_DISK_RESERVE" in said(done)
    assert published(home) == []


def test_no_java(mirror, home, tmp_path):
    done = run(home, mirror, PATH=str(COMMAND.parent), JAVA_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "Java 17 or 21" in said(done)
    assert "Traceback" not in said(done)
    assert published(home) == []
    assert not (home / "lake" / "raw").exists()  # said before anything is fetched


def test_a_damaged_archive_is_landed_anew_once_the_mirror_has_a_whole_one(mirror, broken, home):
    spoiled = archive_of(broken)
    (spoiled.parent / "SHA256SUMS").unlink()
    content = bytearray(spoiled.read_bytes())
    content[100] ^= 1  # in the packed bytes: only unpacking them shows it
    spoiled.write_bytes(content)
    done = run(home, broken)
    assert done.returncode == 1
    assert "run again to land it anew" in said(done)
    assert published(home) == ["raw"]  # its bytes, set aside: whoever reads is told so
    assert tables_of_database(home) == []
    assert "damaged in the same way" in said(run(home, broken)), "landed anew, for nothing"
    again = run(home, mirror, LAKEHOUSE_FAIL_AT="silver.table_created")  # far enough
    assert "done    bronze" in again.stdout
    call(home, "status")  # stops the server that the killed run left behind, as any next command does
