"""Every setting: its default, its environment variable and its meaning.

Whatever is ours to set is here; others' variables (JAVA_HOME, DAGSTER_HOME, dbt's) are read where their programs are
started. A setting is one field of a group; `docs/settings.md` is generated from the same list. What cannot be
meant is refused when the settings are read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from pathlib import Path

from so_lakehouse.settings import reading
from so_lakehouse.settings.automation import AutomationSettings
from so_lakehouse.settings.engines import EngineSettings
from so_lakehouse.settings.entry import PROJECT_ROOT
from so_lakehouse.settings.lake import LakeSettings
from so_lakehouse.settings.sources import SourceSettings
from so_lakehouse.settings.stack import StackSettings

__all__ = ["PROJECT_ROOT", "Settings", "as_markdown"]

GROUPS = (LakeSettings, SourceSettings, AutomationSettings, EngineSettings, StackSettings)


@dataclass(frozen=True)
class Settings(StackSettings, EngineSettings, AutomationSettings, SourceSettings, LakeSettings):
    """All settings of one process. Empty strings mean "derive from `home`"; see the properties."""

    @property
    def landing_folder(self) -> Path:
        """Where archives are brought to on this machine before they go to a lake in an object store."""
        return self.home / "landing"

    @property
    def api_budget(self) -> Path:
        """What all runs have asked of the API, and what it answered about asking."""
        return Path(self.api_budget_file) if self.api_budget_file else self.home / "api.sqlite"

    @property
    def alerts_file(self) -> Path:
        """What has been told of incidents, and what is still to be told."""
        return self.home / "alerts.json"

    @property
    def postgres_folder(self) -> Path:
        return self.home / "postgres"

    @property
    def dagster_home(self) -> Path:
        return Path(self.dagster) if self.dagster else self.home / "dagster"

    @property
    def dbt_folder(self) -> Path:
        """A folder for each build by dbt: what it compiled and its log, until the build is done."""
        return self.home / "dbt"

    @property
    def run_log(self) -> Path:
        """What dbt and others print while the command line runs them."""
        return self.home / "logs" / "runs.log"

    @property
    def stack_folder(self) -> Path:
        """What the stack's services keep: data, logs, process ids, secrets."""
        return self.home / "stack"

    @classmethod
    def from_environment(cls, environment: dict[str, str] | None = None) -> Settings:
        """The settings of this process; a value that cannot be read raises `BadInput` naming its variable."""
        environment = dict(os.environ) if environment is None else environment
        values: dict[str, object] = {}
        for entry in fields(cls):
            text = environment.get(entry.metadata["variable"], "")
            if text:
                values[entry.name] = reading.read(entry.metadata["variable"], text, entry.default)
        for name in ("lake", "mirror", "dagster", "api_budget_file"):
            values[name] = reading.everywhere(str(values.get(name, "")))
        settings = cls(**values)  # type: ignore[arg-type]
        if settings.asks_the_public_api and not settings.api_budget_file:
            # One quota for all lakehouses of this machine; what tests and demonstrations ask is of their own.
            settings = replace(settings, api_budget_file=reading.state_file(environment, "api.sqlite"))
        reading.check(settings)
        return settings


def as_markdown() -> str:
    """The page docs/settings.md: every setting with its variable, default and meaning, by group."""
    lines = [
        "# Settings",
        "",
        "Every setting is an environment variable. JAVA_HOME keeps its meaning; DAGSTER_HOME is set by us to what "
        "LAKEHOUSE_DAGSTER names.",
    ]
    for group in GROUPS:
        lines += ["", f"## {str(group.__doc__).rstrip('.')}", "", "| variable | default | meaning |", "|---|---|---|"]
        for entry in fields(group):
            default = entry.default
            shown = default.relative_to(PROJECT_ROOT).as_posix() if isinstance(default, Path) else default
            cells = (f"`{entry.metadata['variable']}`", f"`{shown}`" if shown != "" else "", entry.metadata["meaning"])
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
