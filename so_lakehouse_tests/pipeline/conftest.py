"""What tests in process share: one Spark session for all of them, and one site's history for those of maintenance."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from so_lakehouse.settings import Settings
from so_lakehouse.spark.session import open_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from so_lakehouse_tests.pipeline.three_quarters import Site


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The session of this pytest process; starting one costs more than most tests."""
    session = open_session(Settings(home=tmp_path_factory.mktemp("spark"), spark_master="local[2]"))
    yield session
    session.stop()


@pytest.fixture(scope="session")
def history(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A lakehouse in the states of `three_quarters.history`."""
    from so_lakehouse_tests.pipeline import three_quarters  # pyspark: only tests that use it pay for it

    return three_quarters.history(spark, tmp_path_factory.mktemp("history"))


@pytest.fixture
def after(history: dict[str, Path], tmp_path: Path) -> Callable[[str], Site]:
    """A copy of the lakehouse in that state."""
    from so_lakehouse_tests.pipeline.three_quarters import Site

    return lambda state: Site(Path(shutil.copytree(history[state], tmp_path / state)))
