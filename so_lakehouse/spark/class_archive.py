"""An archive of the Java classes that Spark loads, which every start of Spark after set-up maps into memory.

`python -m so_lakehouse.spark.class_archive` takes a small simulated site to silver and lets Java write down which
classes that needed (class data sharing). Java itself refuses an archive of another Java or other jars, and goes on
without.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from so_lakehouse.errors import LakehouseError
from so_lakehouse.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SITE = "simulated-brewing"
QUARTER = "2025-07-01"
PEOPLE = 20
SECONDS = 300

# What Java would say is which classes it leaves out, or that it goes on without the archive.
QUIET = "-Xlog:cds*=off"


def archive_path(settings: Settings) -> Path:
    """Where set-up puts the archive: beside the jars whose classes are in it."""
    return settings.jars_folder / "classes.jsa"


def reading_options(settings: Settings) -> str:
    """Options of Java that use the archive; empty where there is none."""
    path = archive_path(settings)
    return shlex.join([f"-XX:SharedArchiveFile={path}", QUIET]) if path.is_file() else ""


def write_archive(settings: Settings) -> int | None:
    """Makes the archive anew; returns its size in bytes. None: this Java writes none (it lacks its own archive)."""
    path = archive_path(settings)
    path.unlink(missing_ok=True)
    with TemporaryDirectory(dir=settings.jars_folder, prefix="archiving-") as folder:
        made = Path(folder, path.name)
        writing = shlex.join([f"-XX:ArchiveClassesAtExit={made}", QUIET])
        java = f"{settings.spark_java} {writing}"
        _converge_something(
            replace(settings, home=Path(folder, "home"), lake="", spark_master="local[*]", spark_java=java)
        )
        if not made.is_file():
            return None
        made.replace(path)
    return path.stat().st_size


def _converge_something(settings: Settings) -> None:
    from so_lakehouse.dumps.bronze import read_dump
    from so_lakehouse.dumps.land import land_dump, resolve
    from so_lakehouse.dumps.mirrors import open_mirror
    from so_lakehouse.lake.storage import Lake
    from so_lakehouse.schema import TABLES
    from so_lakehouse.simulate.dumps import write_mirror
    from so_lakehouse.spark.converge import converge
    from so_lakehouse.spark.session import open_session

    folder = settings.home / "mirror"
    write_mirror(folder, [SITE], [QUARTER], people=PEOPLE)
    mirror = open_mirror(str(folder), settings)
    lake = Lake(settings.lake_uri)
    read_dump(lake, land_dump(lake, mirror, resolve(mirror, SITE, QUARTER), settings), list(TABLES), settings)
    spark = open_session(settings)
    converge(spark, lake, SITE, list(TABLES), settings)
    end_java(spark)


def end_java(spark: SparkSession) -> None:
    """Stops Spark and waits until its Java has ended, which writes its archive only then."""
    gateway = spark.sparkContext._gateway
    assert gateway is not None, "a session of this process has started its Java"
    process = gateway.proc
    spark.stop()
    process.stdin.close()
    process.wait(SECONDS)


def main() -> int:
    """Writes the archive and says what came of it."""
    settings = Settings.from_environment()
    try:
        size = write_archive(settings)
    except LakehouseError as error:
        print(error, file=sys.stderr)
        return 1
    if size is None:
        print("This Java cannot archive classes: Spark works all the same, and starts some seconds slower.")
    else:
        print(f"Java's classes are archived in {archive_path(settings)} ({size / 1e6:.0f} MB)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
