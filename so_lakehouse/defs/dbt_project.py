"""Where the dbt project lies, and its manifest, which everything that Dagster knows of dbt comes from."""

from dagster_dbt import DbtProject

from so_lakehouse.settings import PROJECT_ROOT

DBT_PROJECT = DbtProject(project_dir=PROJECT_ROOT / "dbt_project")
DBT_PROJECT.prepare_if_dev()  # under `dagster dev`: models may have changed since the last parse

if not DBT_PROJECT.manifest_path.exists():  # set-up makes it; a checkout without set-up makes it here, once
    DBT_PROJECT.preparer.prepare(DBT_PROJECT)
