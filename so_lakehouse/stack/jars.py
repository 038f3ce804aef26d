"""The jars that the stack needs beside pyspark's and those of every Spark: `python -m so_lakehouse.stack.jars`.

They are the metastore's own, and what Spark needs for a lake in an object store. They lie with Spark's, and come by the
same way: resolved once, verified, never at run time.
"""

from __future__ import annotations

from importlib.resources import files

from so_lakehouse.settings import Settings
from so_lakehouse.spark.jars import Jar, bring, resolve_jars, s3_jars


def locked_jars() -> tuple[Jar, ...]:
    """The metastore's jars in `jars.lock.txt`, in its order, then those of a lake in an object store."""
    lines = files("so_lakehouse.stack").joinpath("jars.lock.txt").read_text().splitlines()
    return (*(Jar(*line.split()) for line in lines if line and not line.startswith("#")), *s3_jars())


def resolve(settings: Settings) -> None:
    """Brings what is missing. Raises as `spark.jars.resolve_jars` does."""
    resolve_jars(settings, locked_jars())


if __name__ == "__main__":
    raise SystemExit(bring(Settings.from_environment(), locked_jars()))
