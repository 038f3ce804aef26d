"""The Dagster instance that the command line, `make dev` and tests share: SQLite files below the lakehouse's home."""

from __future__ import annotations

import fcntl
import os
from importlib import resources

import dagster as dg

from so_lakehouse.settings import Settings


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance in `settings.dagster_home`, made on first use. Sets DAGSTER_HOME for what this starts.

    One process at a time: two that make Dagster's files at once leave them with two versions, which Dagster never opens
    again.
    """
    home = settings.dagster_home
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
