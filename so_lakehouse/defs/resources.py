"""What assets are given: the lakehouse (settings and files) and Spark. No connection is made before an asset asks."""

from typing import Any

import dagster as dg
from dagster_pyspark import LazyPySparkResource

from so_lakehouse.defs.dbt_project import DBT
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings


class Lakehouse(dg.ConfigurableResource):
    """Settings of this process and the lake they name."""

    @property
    def settings(self) -> Settings:
        return Settings.from_environment()

    @property
    def lake(self) -> Lake:
        return Lake.of(self.settings)

    def lake_of(self, layer: str) -> Lake:
        """The lake as who makes this layer reaches it: in an object store with a key that may do that and no more."""
        return Lake.of(self.settings.of_writer(layer))


class Spark(LazyPySparkResource):
    """Spark as the settings say: started in this process, on a cluster, or a Spark Connect server. Its configuration
    holds keys, so it is no configuration of the resource, which Dagster shows and stores."""

    spark_config: dict[str, Any] = {}

    def _init_session(self) -> None:
        from so_lakehouse.spark.session import open_session

        settings = Settings.from_environment().of_writer("silver")
        self._spark_session = self._spark_session or open_session(settings)  # type: ignore[assignment]


RESOURCES = {"lakehouse": Lakehouse(), "pyspark": Spark(), "dbt": DBT}
