"""Where the dbt project lies, the dbt that reads it, and its manifest, which is all that Dagster knows of dbt."""

import sys
from functools import cached_property
from pathlib import Path

from packaging.version import Version

from so_lakehouse.defs.dbt_library import DBT_CORE, DbtCliResource, DbtProject
from so_lakehouse.settings import PROJECT_ROOT
from so_lakehouse.warehouse.dbt_files import is_current

DBT_PROJECT = DbtProject(project_dir=PROJECT_ROOT / "dbt_project")


class Dbt(DbtCliResource):
    """dbt of this environment, whose version its package tells: `dbt --version` takes two seconds of every run."""

    @cached_property
    def _cli_version(self) -> Version:
        return DBT_CORE


# The program beside this Python: whoever starts that by its path need not have its folder on PATH.
DBT = Dbt(project_dir=str(DBT_PROJECT.project_dir), dbt_executable=str(Path(sys.executable).with_name("dbt")))

# Set-up makes it. A checkout without set-up makes it here, once, and so does one whose models have changed since, also
# under `dagster dev`, which loads this anew.
if not is_current(DBT_PROJECT.manifest_path, DBT_PROJECT.project_dir):
    DBT.cli(["parse", "--quiet"], target_path=DBT_PROJECT.target_path).wait()
