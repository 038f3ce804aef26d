"""The Dagster instance that the command line, `make dev` and tests share: SQLite files below the lakehouse's home."""

from __future__ import annotations

import os
from importlib import resources

import dagster as dg

from so_lakehouse.settings import Settings


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance in `settings.dagster_home`, made on first use. Sets DAGSTER_HOME for what this starts."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    configuration = home / "dagster.yaml"
    if not configuration.exists():
        configuration.write_text(resources.files("so_lakehouse").joinpath("dagster.yaml").read_text())
    os.environ["DAGSTER_HOME"] = str(home)
    return dg.DagsterInstance.get()
