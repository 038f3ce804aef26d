"""What tests in process share: one Spark session for all of them, and a server that speaks the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from so_lakehouse.settings import Settings
from so_lakehouse.spark.session import open_session
from so_lakehouse_tests.pipeline.api_world import World, world

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The session of this pytest process; starting one costs more than most tests."""
    session = open_session(Settings(home=tmp_path_factory.mktemp("spark"), spark_master="local[2]"))
    yield session
    session.stop()


@pytest.fixture
def api(settings: Settings) -> Iterator[World]:
    """The API with an empty site beer, for the lakehouse of `settings`; at the end no rule of the API is broken."""
    with world(settings.home) as made:
        yield made
        assert made.server.violations == []
