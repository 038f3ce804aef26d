"""Where the dbt project lies, and its manifest, which everything that Dagster knows of dbt comes from."""

from dagster_dbt import DbtProject

from so_lakehouse.settings import PROJECT_ROOT
from so_lakehouse.warehouse.dbt_files import is_current

DBT_PROJECT = DbtProject(project_dir=PROJECT_ROOT / "dbt_project")
DBT_PROJECT.prepare_if_dev()  # under `dagster dev`: models may have changed since the last parse

# Set-up makes it. A checkout without set-up makes it here, once, and so does one whose models have changed since.
if not is_current(DBT_PROJECT.manifest_path, DBT_PROJECT.project_dir):
    DBT_PROJECT.preparer.prepare(DBT_PROJECT)
