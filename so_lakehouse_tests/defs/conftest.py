"""What the tests of automation share: a lakehouse with two releases, of which nothing has been landed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from so_lakehouse.settings import Settings
from so_lakehouse_tests.defs.automation_world import World, world


@pytest.fixture
def lakehouse(warehouse: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Two releases are out; no day has closed yet, and nothing has started."""
    with world(warehouse, monkeypatch) as made:
        made.publish_release("2025-09-30", "2025-09-30", "ai", "beer")
        made.publish_release("2025-12-31", "2025-12-31", "ai", "beer")
        yield made
