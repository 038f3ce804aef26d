"""The Spark that runs start for themselves."""

from __future__ import annotations

import os


def test_spark_on_this_machine_alone_does_not_ask_for_the_address_of_its_name(spark):
    """Without this variable Java ends at once where nobody knows the host's name, as in many containers."""
    assert spark.sparkContext.master.startswith("local")
    assert spark.sparkContext._jvm.System.getenv("SPARK_LOCAL_IP") == "127.0.0.1"
    assert "SPARK_LOCAL_IP" not in os.environ, "what else this process starts may ask"
