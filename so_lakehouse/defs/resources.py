"""What assets are given: the lakehouse (settings and files) and Spark. No connection is made before an asset asks."""

import sys
from pathlib import Path

import dagster as dg
from dagster_dbt import DbtCliResource
from dagster_pyspark import LazyPySparkResource

from so_lakehouse.defs.dbt_project import DBT_PROJECT
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.spark.session import spark_config


class Lakehouse(dg.ConfigurableResource):
    """Settings of this process and the lake they name."""

    @property
    def settings(self) -> Settings:
        return Settings.from_environment()

    @property
    def lake(self) -> Lake:
        return Lake(self.settings.lake_uri)


RESOURCES = {
    "lakehouse": Lakehouse(),
    "pyspark": LazyPySparkResource(spark_config=spark_config(Settings.from_environment())),
    "dbt": DbtCliResource(project_dir=DBT_PROJECT, dbt_executable=str(Path(sys.executable).with_name("dbt"))),
}
