"""Spark's Java starts from the archive of classes that set-up made, and without it where it is of no use."""

from __future__ import annotations

import os
import subprocess

import psutil

from so_lakehouse.settings import Settings
from so_lakehouse.spark.class_archive import QUIET, archive_path
from so_lakehouse.spark.java import java_program


def test_spark_has_the_archive_of_set_up_in_its_memory(spark):
    (java,) = (process for process in psutil.Process().children(recursive=True) if process.name() == "java")
    mapped = {region.path for region in java.memory_maps()}
    assert str(archive_path(Settings())) in mapped, "made for another Java or other jars? Remove it and run make setup."


def test_java_goes_on_in_silence_with_an_archive_that_is_none(tmp_path):
    damaged = tmp_path / "classes.jsa"
    damaged.write_bytes(b"no archive")
    command = [java_program(os.environ), f"-XX:SharedArchiveFile={damaged}", QUIET, "-version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "archive" not in done.stderr
