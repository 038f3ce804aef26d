"""The Dagster instance that the command line, `make dev` and tests share: SQLite files below the lakehouse's home."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

import dagster as dg
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import OperationalError

from so_lakehouse.errors import Unavailable
from so_lakehouse.settings import Settings

# How Dagster's storage tells that it cannot be used: files in its first words, a server after some tries in the second.
AWAY = (OperationalError, DagsterPostgresException)


@contextmanager
def recording(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The instance, for work that it records. Raises `Unavailable` where the record cannot be kept: a disk that is full
    or read-only, a server that is away."""
    try:
        with open_instance(settings) as instance:
            yield instance
    except AWAY as error:
        raise _unrecorded(settings, error) from error


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance in `settings.dagster_home`, made on first use. Sets DAGSTER_HOME for what this starts.

    One process at a time: two that make Dagster's files at once leave them with two versions, which Dagster never opens
    again. Raises `Unavailable` where the record cannot be kept.
    """
    home = settings.dagster_home
    try:
        home.mkdir(parents=True, exist_ok=True)
        with (home / ".opening").open("a") as opening:
            fcntl.flock(opening, fcntl.LOCK_EX)  # ends with the block, or with the process
            configuration = home / "dagster.yaml"
            if not configuration.exists():
                made = configuration.with_suffix(".made")
                made.write_text(resources.files("so_lakehouse").joinpath("dagster.yaml").read_text())
                made.replace(configuration)
            os.environ["DAGSTER_HOME"] = str(home)
            return dg.DagsterInstance.get()
    except (OSError, *AWAY) as error:
        raise _unrecorded(settings, error) from error


def _unrecorded(settings: Settings, error: Exception) -> Unavailable:
    why = error.orig if isinstance(error, OperationalError) else error.__cause__ or error
    return Unavailable(
        f"Dagster cannot keep its record of runs ({' '.join(str(why).split())}): in {settings.dagster_home}, or where "
        "its dagster.yaml says. See that this can be written and its disk has room, then give the same command again. "
        "Nothing half-done was published."
    )
