"""Programs built by Go: only the pinned version counts, wherever it lies; without Go the error says what to do."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from so_lakehouse.errors import Unavailable
from so_lakehouse.stack import programs
from so_lakehouse_tests.stack.conftest import need_program


def test_without_go_the_error_is_one_line_and_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("GOBIN", str(tmp_path))
    with pytest.raises(
        Unavailable, match=r"minio is not here, and to build it takes Go .* \(https://go.dev/dl\)"
    ) as told:
        programs.require("minio", tmp_path)
    assert "\n" not in str(told.value)


def test_another_program_of_the_name_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link of another Go program, and a script: neither was built from the pinned module."""
    versitygw = need_program("versitygw")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "minio").symlink_to(versitygw)
    (elsewhere / "compose-go").write_text("#!/bin/sh\n")
    (elsewhere / "compose-go").chmod(0o755)
    monkeypatch.setenv("GOBIN", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", f"{elsewhere}{os.pathsep}{os.environ['PATH']}")
    assert programs.find("minio", tmp_path) is None
    assert programs.find("compose-go", tmp_path) is None


def test_the_pinned_version_is_found_on_the_path_and_preferred_in_our_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versitygw = need_program("versitygw")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "versitygw").symlink_to(versitygw)
    monkeypatch.setenv("PATH", f"{elsewhere}{os.pathsep}{os.environ['PATH']}")
    assert programs.find("versitygw", tmp_path) == elsewhere / "versitygw"
    own = tmp_path / programs.PROGRAMS["versitygw"].file
    shutil.copy(versitygw, own)
    assert programs.find("versitygw", tmp_path) == own
