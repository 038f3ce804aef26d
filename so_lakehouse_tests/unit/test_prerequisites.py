"""What a machine lacks is said before anything is installed: one line each, with how to install it."""

from __future__ import annotations

import re
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


def add_program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!{BASH}\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def complete(programs: Path) -> Path:
    """A machine's programs that say what they should."""
    add_program(programs, "java", "echo 'openjdk version \"17.0.15\"' >&2")
    add_program(programs, "make", "echo 'GNU Make 4.3'")
    add_program(programs, "df", "printf 'Filesystem 1024-blocks Used Available\\n/dev/x 9 9 9000000 1%% /\\n'")
    return programs


def test_a_machine_without_anything_is_told_how_to_install_python_java_and_make(programs):
    python, java, make = missing(programs)
    for line, names in (
        (python, ("Python 3.11", "apt-get install python3")),
        (java, ("Java 17 or 21", "openjdk-17")),
        (make, ("GNU make", "apt-get install make")),
    ):
        for name in names:
            assert name in line


def test_a_machine_that_has_everything_lacks_nothing(complete):
    done = subprocess.run(
        [str(BASH), str(PROJECT_ROOT / "scripts" / "prerequisites.sh")],
        env={"PATH": str(complete), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, [line for line in done.stderr.splitlines() if "Missing" in line]) == (
        0,
        "",
        [],
    )


@pytest.mark.parametrize("banner", ["GNU Make 3.80", "bmake 20240808", ""])
def test_another_make_or_an_older_one_is_told_how_to_get_one_that_fits(complete, banner):
    add_program(complete, "make", f"echo '{banner}'")
    (line,) = missing(complete, PYTHON=sys.executable)
    assert "GNU make 3.81 or newer" in line


def test_the_make_that_calls_counts_and_not_the_one_on_the_path(complete):
    (line,) = missing(complete, PYTHON=sys.executable, MAKE_VERSION="3.80")
    assert "GNU make" in line


def test_a_full_disk_is_told_with_what_is_free_and_what_is_needed(complete):
    add_program(complete, "df", "printf 'Filesystem 1024-blocks Used Available\\n/dev/x 9 9 900000 1%% /\\n'")
    (line,) = missing(complete, PYTHON=sys.executable)
    assert "900 MB are free" in line
    assert re.search(r"[14]000 MB are needed", line)


@pytest.mark.parametrize(
    ("banner", "found"), [('openjdk version "11.0.25" 2024-10-15', "11"), ('java version "1.8.0_402"', "8")]
)
def test_another_java_is_named_with_its_version_and_how_to_install_one_that_fits(complete, banner, found):
    add_program(complete, "java", f"echo '{banner}' >&2")
    (line,) = missing(complete, PYTHON=sys.executable)
    for words in (f"found {found}", "Java 17 or 21", "apt-get install openjdk-17"):
        assert words in line
