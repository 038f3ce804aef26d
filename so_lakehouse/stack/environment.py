"""The variables by which a process of the lakehouse uses the stack: addresses, keys, and what Dagster and Spark read.

Belongs here: one declaration, which native services, containers and a person's shell share. No value is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shlex import quote

from so_lakehouse.settings import Settings
from so_lakehouse.stack import postgres, spark_cluster
from so_lakehouse.stack.keys import WRITERS
from so_lakehouse.stack.network import LAKE, REGION, Network
from so_lakehouse.stack.secrets import write_private
from so_lakehouse.warehouse import roles


def variables(settings: Settings, secrets: Mapping[str, str]) -> dict[str, str]:
    """Every variable with its value, for who runs all layers in one process: the command line and Dagster's runs."""
    network = Network(settings)
    keys = {writer.secret: writer.access_key for writer in WRITERS}
    dagster = settings.stack_folder / "dagster"
    return {
        "LAKEHOUSE_HOME": str(settings.home),
        "LAKEHOUSE_LAKE": LAKE,
        "LAKEHOUSE_S3_ENDPOINT": network.s3,
        "LAKEHOUSE_S3_REGION": REGION,
        "LAKEHOUSE_S3_ACCESS_KEY": keys["s3_lake"],
        "LAKEHOUSE_S3_SECRET_KEY": secrets["s3_lake"],
        **{
            f"LAKEHOUSE_S3_{layer.upper()}_KEY": f"{keys[f's3_{layer}']}:{secrets[f's3_{layer}']}"
            for layer in ("raw", "bronze", "silver", "warehouse")
        },
        "LAKEHOUSE_POSTGRES": postgres.address(settings, secrets, roles.LOADER),
        "LAKEHOUSE_POSTGRES_DBT": postgres.address(settings, secrets, roles.DBT),
        "LAKEHOUSE_POSTGRES_READER": postgres.address(settings, secrets, roles.READER),
        "LAKEHOUSE_SPARK_MASTER": network.spark,
        "LAKEHOUSE_SPARK_WORKERS_HAVE_JARS": "1",  # of the same checkout, or of the same image
        "LAKEHOUSE_METASTORE": network.metastore,
        "SPARK_CONF_DIR": str(spark_cluster.configuration_folder(settings)),
        "LAKEHOUSE_DAGSTER": str(dagster),
        "DAGSTER_HOME": str(dagster),
        "LAKEHOUSE_DAGSTER_DATABASE": postgres.address(settings, secrets, "so_lakehouse_dagster"),
        "LAKEHOUSE_DAGSTER_CODE_HOST": network.host("dagster-code"),
        "LAKEHOUSE_DAGSTER_CODE_PORT": str(settings.stack_code_port),
        # Dagster's store of logs takes its key from here alone; the lake's clients are given theirs by name.
        "AWS_ACCESS_KEY_ID": keys["s3_dagster"],
        "AWS_SECRET_ACCESS_KEY": secrets["s3_dagster"],
    }


def write(settings: Settings, secrets: Mapping[str, str]) -> Path:
    """The file to source in a shell (mode 600)."""
    file = settings.stack_folder / "environment"
    lines = [
        "# source this, then so-lakehouse run … uses the stack. A dashboard connects as:",
        f"#   {postgres.address(settings, secrets, roles.DASHBOARD)}",
        *(f"export {name}={quote(value)}" for name, value in variables(settings, secrets).items()),
    ]
    write_private(file, "\n".join(lines) + "\n")
    return file
