"""The jars that the stack's Java services need beside pyspark's and Spark's: `python -m so_lakehouse.stack.jars`.

They lie with Spark's, and come by the same way: resolved once, verified, never at run time.
"""

from __future__ import annotations

from importlib.resources import files

from so_lakehouse.settings import Settings
from so_lakehouse.spark.jars import Jar, resolve_jars


def locked_jars() -> tuple[Jar, ...]:
    """The jars of `jars.lock.txt`, in its order."""
    lines = files("so_lakehouse.stack").joinpath("jars.lock.txt").read_text().splitlines()
    return tuple(Jar(*line.split()) for line in lines if line and not line.startswith("#"))


def resolve(settings: Settings) -> None:
    """Brings what is missing. Raises as `spark.jars.resolve_jars` does."""
    resolve_jars(settings, locked_jars())


if __name__ == "__main__":
    resolve(Settings.from_environment())
