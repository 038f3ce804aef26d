"""What a machine lacks is said before anything is installed: one line each, with how to install it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from so_lakehouse.settings import PROJECT_ROOT

BASH = shutil.which("bash")


def missing(path: Path, **variables: str) -> list[str]:
    """What the script says is missing where only the programs of this folder are found, and that it fails."""
    done = subprocess.run(
        [str(BASH), str(PROJECT_ROOT / "scripts" / "prerequisites.sh")],
        env={"PATH": str(path), **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert [line for line in lines if not line.startswith(("Missing: ", "Careful: "))] == []
    return [line for line in lines if line.startswith("Missing: ")]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    folder = tmp_path / "programs"
    folder.mkdir()
    return folder


def test_a_machine_without_anything_is_told_how_to_install_python_and_java(programs):
    python, java = missing(programs)
    for line, names in ((python, ("Python 3.11", "apt-get install python3")), (java, ("Java 17 or 21", "openjdk-17"))):
        for name in names:
            assert name in line


@pytest.mark.parametrize(
    ("banner", "found"), [('openjdk version "11.0.25" 2024-10-15', "11"), ('java version "1.8.0_402"', "8")]
)
def test_another_java_is_named_with_its_version_and_how_to_install_one_that_fits(programs, banner, found):
    java = programs / "java"
    java.write_text(f"#!{BASH}\necho '{banner}' >&2\n")
    java.chmod(0o755)
    (line,) = missing(programs, PYTHON=sys.executable)
    for words in (f"found {found}", "Java 17 or 21", "apt-get install openjdk-17"):
        assert words in line
