"""What Spark is started with: what is secret in a file of its own, and the machine's configuration beside it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from so_lakehouse.settings import Settings
from so_lakehouse.spark.session import SECRETS, _handed_over, spark_config


def test_secrets_are_handed_over_in_a_file_beside_the_configuration_of_the_cluster(monkeypatch):
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--verbose pyspark-shell")
    with _handed_over(dict.fromkeys(SECRETS, "s3cret")):
        words = shlex.split(os.environ["PYSPARK_SUBMIT_ARGS"])
        assert words[:2] == ["--load-spark-defaults", "--properties-file"]
        file = Path(words[2])
        assert file.read_text().splitlines() == [f"{name} s3cret" for name in SECRETS]
        assert file.stat().st_mode & 0o077 == 0
        assert words[3:] == ["--verbose", "pyspark-shell"]
    assert not file.exists()
    assert os.environ["PYSPARK_SUBMIT_ARGS"] == "--verbose pyspark-shell"


@pytest.mark.parametrize("secrets", [{}, {SECRETS[0]: "s3cret"}])
def test_nothing_is_left_in_the_environment(monkeypatch, secrets):
    monkeypatch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
    with _handed_over(secrets):
        assert ("PYSPARK_SUBMIT_ARGS" in os.environ) == bool(secrets)
    assert "PYSPARK_SUBMIT_ARGS" not in os.environ


@pytest.mark.parametrize(
    ("settings", "sent", "on_class_path"),
    [
        (Settings(), set(), {"delta"}),
        (Settings(lake="s3://bucket/lake"), set(), {"delta", "hadoop"}),
        (Settings(lake="s3://bucket/lake", spark_master="spark://host:7077"), {"delta", "hadoop"}, set()),
        (
            Settings(lake="s3://bucket/lake", spark_master="spark://host:7077", spark_workers_have_jars=True),
            set(),
            {"delta", "hadoop"},
        ),
    ],
    ids=["folder", "store", "cluster", "cluster that has them"],
)
def test_jars_are_sent_only_to_workers_that_have_none(settings, sent, on_class_path):
    config = spark_config(settings)

    def kinds(name: str, separator: str) -> set[str]:
        return {Path(jar).name.partition("-")[0] for jar in config.get(name, "").split(separator)} & {"delta", "hadoop"}

    assert kinds("spark.jars", ",") == sent
    assert kinds("spark.driver.extraClassPath", os.pathsep) == on_class_path
    assert kinds("spark.executor.extraClassPath", os.pathsep) == on_class_path
