"""Where the compiled kernel is kept: for a checkout, an installed package, and where almost nothing may be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from so_lakehouse.settings import PROJECT_ROOT

KERNEL = Path("so_lakehouse/dumps/kernel")
ASK = "from so_lakehouse.dumps.kernel.compiled import cache_folder; print(cache_folder())"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A fresh copy of the package, as an installation would make it."""
    shutil.copytree(
        PROJECT_ROOT / "so_lakehouse", tmp_path / "so_lakehouse", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path


def cache_of(installed: Path, home: Path, temporary: Path, **variables: str) -> Path:
    """The folder that a new process of this installation chooses."""
    environment = os.environ | {"HOME": str(home), "TMPDIR": str(temporary), "PYTHONPATH": str(installed)} | variables
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, cwd=installed, env=environment, check=True, capture_output=True, text=True)
    return Path(done.stdout.strip())


def test_it_lies_beside_the_package_or_where_the_user_may_write(installed: Path, tmp_path: Path) -> None:
    home, temporary, nowhere = tmp_path / "home", tmp_path / "temporary", tmp_path / "file"
    home.mkdir()
    temporary.mkdir()
    nowhere.touch()
    assert cache_of(installed, home, temporary).parent == installed / KERNEL / "__pycache__"
    shutil.rmtree(installed / KERNEL / "__pycache__")
    (installed / KERNEL / "__pycache__").touch()  # nothing can be written there, not even by root
    assert cache_of(installed, home, temporary).parent == home / ".cache" / "so_lakehouse"
    assert cache_of(installed, nowhere, temporary).parent == temporary / f"so_lakehouse-{os.getuid()}"
    assert cache_of(installed, nowhere, temporary).stat().st_mode & 0o077 == 0


def test_other_sources_or_checks_are_another_folder(installed: Path, tmp_path: Path) -> None:
    plain = cache_of(installed, tmp_path, tmp_path)
    assert cache_of(installed, tmp_path, tmp_path, NUMBA_BOUNDSCHECK="1") != plain
    with (installed / KERNEL / "bytes.py").open("a") as source:
        source.write("# changed\n")
    assert cache_of(installed, tmp_path, tmp_path) != plain
