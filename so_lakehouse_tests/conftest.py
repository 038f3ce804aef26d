"""Fixtures that every tier shares: where the real dumps are, and a lake in a temporary folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import PROJECT_ROOT, Settings

REAL_DUMPS = PROJECT_ROOT.parent / "shared" / "data" / "stackexchange"


@pytest.fixture(scope="session")
def real_dumps() -> Path:
    """Folder of real dumps, laid out as a mirror; it is not part of the project."""
    if not REAL_DUMPS.is_dir():
        reason = f"no real dumps at {REAL_DUMPS}"
        if os.environ.get("CI", "false").lower() not in {"", "0", "false"}:
            pytest.fail(reason)
        pytest.skip(reason)
    return REAL_DUMPS


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an empty lakehouse in a temporary folder."""
    return Settings(home=tmp_path)


@pytest.fixture
def lake(settings: Settings) -> Lake:
    return Lake(settings.lake_uri)
