"""How a Delta table of the lake is opened without a JVM, wherever the lake lies; nothing else opens one.

Belongs here: opening and creating. Not here: which tables there are (`silver_tables.py`) and what is written to them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from deltalake import DeltaTable, Field, Schema
from deltalake.schema import PrimitiveType

from so_lakehouse.lake import paths
from so_lakehouse.lake.storage import Lake

MAKES_A_TABLE = re.compile(r"\d{20}\.(json|checkpoint\..*)")  # a commit, or a checkpoint that stands for earlier ones


def is_table(lake: Lake, path: str) -> bool:
    """Whether a Delta table lies there. A folder is no sign of one: whoever is killed while he makes it leaves a log
    without a commit.

    By our own listing: deltalake's question (1.6.6) keeps every thread of Python waiting for a store that is silent,
    also the one that renews our locks. Its other calls do not.
    """
    log = lake.list(f"{path}/_delta_log")
    return any(MAKES_A_TABLE.fullmatch(name.rpartition("/")[2]) for name in log)


def open_table(lake: Lake, path: str, version: int | None = None) -> DeltaTable:
    """The table at its newest version or at this one; deltalake's own errors where it is not there."""
    return DeltaTable(lake.uri(path), version, lake.options)


def create_table(
    lake: Lake, path: str, schema: Schema, description: str, partition_by: str, configuration: Mapping[str, str]
) -> DeltaTable:
    """Makes a table without rows; raises where there is one."""
    return DeltaTable.create(
        lake.uri(path),
        schema,
        partition_by=[partition_by],
        description=description,
        configuration=dict(configuration),
        storage_options=lake.options,
        raise_if_key_not_exists=False,  # a property of ours is none that deltalake knows
    )


def make_reachable(lake: Lake) -> None:
    """Makes the table `paths.REACH` of a lake in an object store, where there is none; several may do so at once."""
    if not lake.is_local and not is_table(lake, paths.REACH):
        form = Schema([Field("nothing", PrimitiveType("long"))])
        DeltaTable.create(lake.uri(paths.REACH), form, mode="ignore", storage_options=lake.options)
