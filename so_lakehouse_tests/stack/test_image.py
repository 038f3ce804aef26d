"""docker/Dockerfile: what the image has, of which versions, and what a change of the code does not build anew."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from so_lakehouse.settings import PROJECT_ROOT
from so_lakehouse.stack.programs import PROGRAMS

DOCKER = PROJECT_ROOT / "docker"
INSTALL_THE_PROJECT = "--no-cache-dir --no-deps --no-build-isolation --editable . \\"


def test_the_image_builds_the_pinned_programs() -> None:
    installed = re.findall(r"go install (\S+)", (DOCKER / "Dockerfile").read_text())
    assert installed == [PROGRAMS["minio"].pinned, PROGRAMS["versitygw"].pinned]


def test_the_layer_of_jars_has_every_module_that_it_runs(tmp_path: Path) -> None:
    """They are copied before the rest of the code, so that a change of code does not bring the jars anew."""
    before_jars = (DOCKER / "Dockerfile").read_text().split("RUN python -m so_lakehouse.spark.jars")[0]
    for *sources, target in map(str.split, re.findall(r"^COPY (so_lakehouse/.*)", before_jars, re.MULTILINE)):
        for source in map(PROJECT_ROOT.joinpath, sources):
            if source.is_dir():  # its content goes into the target
                shutil.copytree(source, tmp_path / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                (tmp_path / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(source, tmp_path / target)
    program = (
        "from so_lakehouse.spark.jars import locked_jars as a; from so_lakehouse.stack.jars import locked_jars as b;"
        "assert a() and b();"  # the installed project would lend what is missing
        "print({m.__file__ for n, m in sys.modules.items() if n.startswith('so_lakehouse')})"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, '.'); {program}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {Path(file).is_relative_to(tmp_path) for file in ast.literal_eval(done.stdout)} == {True}


def test_the_image_has_the_packages_of_the_one_lock_file_and_no_others() -> None:
    told = (DOCKER / "Dockerfile").read_text()
    installed = re.findall(r"pip install (.*)", told)
    assert installed == ["--no-cache-dir --require-hashes --requirement runtime.lock", INSTALL_THE_PROJECT]
    assert "runtime_packages.py < /project/requirements.lock > /runtime.lock" in told


def test_of_these_it_has_what_the_package_needs_and_nothing_of_development() -> None:
    lock = (PROJECT_ROOT / "requirements.lock").read_text()
    command = [sys.executable, DOCKER / "runtime_packages.py"]
    runtime = subprocess.run(command, input=lock, capture_output=True, text=True, check=True).stdout
    entries = re.split(r"^(?=\w)", runtime, flags=re.MULTILINE)[1:]
    assert all(entry in lock for entry in entries), "with their versions and hashes"
    held = [Requirement(entry.splitlines()[0].rstrip("\\ ")) for entry in entries]
    names = {canonicalize_name(one.name) for one in held}
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    development = {canonicalize_name(Requirement(one).name) for one in project["optional-dependencies"]["dev"]}
    assert not names & development
    wanted = [Requirement(one) for one in project["dependencies"]]
    for one in held:
        if one.marker is None or one.marker.evaluate():
            of_extras = [{"extra": extra} for extra in ("", *one.extras)]
            needs = map(Requirement, metadata.requires(one.name) or ())
            wanted += [n for n in needs if not n.marker or any(map(n.marker.evaluate, of_extras))]
    assert {canonicalize_name(one.name) for one in wanted} <= names
