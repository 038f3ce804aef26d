"""The Hive Metastore as Spark's catalog: whether it is there, and silver's tables by name in it, `silver.<table>`.

Belongs here: SQL text alone, so that it runs on a Spark Connect server too. Not here: what is to be registered and
dropped (`lake/catalog.py`).

A Spark that has the metastore as its catalog asks it at every statement, also about tables that are named by address.
So a session is bound to it only where it answers (`session.open_session`), and data never wait for it.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from so_lakehouse.errors import LakehouseError, Unavailable
from so_lakehouse.lake import catalog, paths
from so_lakehouse.lake.catalog import DATABASE, Entry
from so_lakehouse.lake.silver_tables import spark_literal
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOG = logging.getLogger(__name__)

ADDRESS = "spark.hadoop.hive.metastore.uris"
CONNECT_SECONDS = 5
MOST_LETTERS = 300  # of what Spark says of an error

# By these words Spark's errors tell that the metastore was asked.
CLIENT = ("org.apache.hadoop.hive", "HiveException", "MetaException", "HIVE_METASTORE")


def options(settings: Settings) -> dict[str, str]:
    """The configuration by which a session has the metastore as its catalog; nothing where the settings name none."""
    return {"spark.sql.catalogImplementation": "hive", ADDRESS: settings.metastore} if settings.metastore else {}


def answers(settings: Settings) -> bool:
    """Whether somebody takes connections at the metastore's address."""
    where = urlsplit(settings.metastore)
    try:
        socket.create_connection((where.hostname or "", where.port or 0), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def follow(spark: SparkSession, lake: Lake, settings: Settings) -> str:
    """Makes the metastore name exactly the tables of silver that lie in the lake, at their addresses.

    The caller holds the ledger's lock, as every writer of silver does: so no two follow at once. Returns what stood in
    the way, with what to do; empty where all is right now, and where the settings name no metastore. It never raises
    for the metastore's sake: the data are written, and whoever follows later brings the same about.
    """
    if not settings.metastore:
        return ""
    told = f"The tables of silver are written; what the metastore at {settings.metastore} calls them may be old"
    if not _is_bound(spark, settings):
        return (
            f"{told}: it did not answer when this Spark was started, or the Spark Connect server does not use it. See "
            "that it runs, then so-lakehouse catalog, or run again (any site)."
        )
    try:
        return _followed(spark, lake)
    except Exception as error:
        if not _is_cause(error):
            raise
        return f"{told}: {_said(error)}. See that it runs, then so-lakehouse catalog, or run again (any site)."


def names(spark: SparkSession) -> list[str]:
    """What the metastore's database has, sorted, by its full name; also what is somebody else's."""
    found = spark.sql(f"SHOW TABLES IN {DATABASE}").collect() if _has_database(spark) else []
    return sorted(f"{DATABASE}.{row['tableName']}" for row in found if not row["isTemporary"])


@contextmanager
def answering(settings: Settings) -> Iterator[None]:
    """Turns what Spark says where its metastore went away in the block into `Unavailable`."""
    try:
        yield
    except LakehouseError:
        raise
    except Exception as error:
        if not settings.metastore or not _is_cause(error):
            raise
        raise Unavailable(
            f"The metastore at {settings.metastore} went away while Spark worked: {_said(error)}. What was committed "
            "stays. Run again: a Spark that starts while it is away works without it."
        ) from error


def _followed(spark: SparkSession, lake: Lake) -> str:
    there = _has_database(spark)
    entries = _entries(spark) if there else []
    found = catalog.changes(catalog.in_the_lake(lake), entries, lake.uri(paths.silver()))
    if not there and found.register:
        spark.sql(f"CREATE DATABASE IF NOT EXISTS {DATABASE} COMMENT 'Stack Exchange: one current row per key'")
    for name in found.drop:
        spark.sql(f"DROP TABLE IF EXISTS {DATABASE}.`{name}`")
    for name in found.register:
        address = spark_literal(lake.uri(paths.silver(name)))
        spark.sql(f"CREATE TABLE IF NOT EXISTS {DATABASE}.`{name}` USING delta LOCATION {address}")
    return " ".join(
        f"{DATABASE}.{entry.name} in the metastore is no table of this lake, and may hold data of its own"
        f"{f' at {entry.place}' if entry.place else ''}: rename it (ALTER TABLE … RENAME TO …), and run again."
        for entry in found.taken
    )


def _has_database(spark: SparkSession) -> bool:
    return bool(spark.sql(f"SHOW DATABASES LIKE '{DATABASE}'").collect())


def _entries(spark: SparkSession) -> list[Entry]:
    """All tables and views of the database. One question, which opens none of them: a ghost's files are gone."""
    rows = spark.sql(f"SHOW TABLE EXTENDED IN {DATABASE} LIKE '*'").collect()
    told = {row["tableName"]: row["information"] for row in rows if not row["isTemporary"]}
    return [
        Entry(name, _line(text, "Location"), is_external=_line(text, "Type") == "EXTERNAL")
        for name, text in told.items()
    ]


def _line(information: str, name: str) -> str:
    """What Spark's description of a table says under this name; empty where it says nothing."""
    found = (line.removeprefix(f"{name}: ") for line in information.splitlines() if line.startswith(f"{name}: "))
    return next(found, "").strip()


def _is_bound(spark: SparkSession, settings: Settings) -> bool:
    asked = (spark.conf.get("spark.sql.catalogImplementation", "in-memory"), spark.conf.get(ADDRESS, ""))
    return asked == ("hive", settings.metastore)


def _is_cause(error: Exception) -> bool:
    return any(word in str(error) for word in CLIENT)


def _said(error: Exception) -> str:
    return " ".join(str(error).partition("\n\tat ")[0].split())[:MOST_LETTERS]
