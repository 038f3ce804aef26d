"""A Spark SQL client that knows nothing of this project: pyspark as it comes, the metastore's address, Delta's jars,
and a key of the object store that reads silver alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from so_lakehouse.settings import PROJECT_ROOT
from so_lakehouse.stack.network import REGION, Network
from so_lakehouse_tests.stack.conftest import Stack

PROGRAM = """
import json, os
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[1]").enableHiveSupport()
for name, value in json.loads(os.environ["CLIENT_OPTIONS"]).items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
for sql in json.loads(os.environ["CLIENT_ASKS"]):
    print("answer", json.dumps([list(row) for row in spark.sql(sql).collect()]))
spark.stop()
"""


def ask(team: Stack, folder: Path, *statements: str) -> list[list[list[Any]]]:
    """The rows of each statement; the client runs in an empty folder."""
    jars = PROJECT_ROOT / ".jars"
    network = Network(team.settings)
    options = {
        "spark.hadoop.hive.metastore.uris": network.metastore,
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.driver.extraClassPath": f"{jars}/*",
        "spark.driver.memory": "1g",
        # Of a JVM that answers a few questions about a few rows, most of the time would go into compiling.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.codegen.wholeStage": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "1",  # as it comes it would take 50 and 200 tasks to read a few rows
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.hadoop.fs.s3a.endpoint": network.s3,
        "spark.hadoop.fs.s3a.endpoint.region": REGION,
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.access.key": "s3-warehouse",
        "spark.hadoop.fs.s3a.secret.key": team.secrets["s3_warehouse"],
    }
    told = {"CLIENT_OPTIONS": json.dumps(options), "CLIENT_ASKS": json.dumps(statements)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM],
        env=os.environ | told,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line.removeprefix("answer ") for line in done.stdout.splitlines() if line.startswith("answer ")]
    return [json.loads(line) for line in lines]
