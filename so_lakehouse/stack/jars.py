"""The jars that the stack needs beside pyspark's and those of every Spark: `python -m so_lakehouse.stack.jars`.

They are the metastore's own, and what Spark needs for a lake in an object store. They lie with Spark's, and come by the
same way: resolved once, verified, never at run time.
"""

from __future__ import annotations

from so_lakehouse.settings import Settings
from so_lakehouse.spark import jars
from so_lakehouse.spark.jars import Jar, bring, resolve_jars, s3_jars


def locked_jars() -> tuple[Jar, ...]:
    """The metastore's jars in `jars.lock.txt`, in its order, then those of a lake in an object store."""
    return (*jars.locked_jars("jars.lock.txt", "so_lakehouse.stack"), *s3_jars())


def resolve(settings: Settings) -> None:
    """Brings what is missing. Raises as `spark.jars.resolve_jars` does."""
    resolve_jars(settings, locked_jars())


if __name__ == "__main__":
    raise SystemExit(bring(Settings.from_environment(), locked_jars()))
