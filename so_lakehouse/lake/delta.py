"""How a Delta table of the lake is opened without a JVM, wherever the lake lies; nothing else opens one.

Belongs here: opening and creating, and what the log says of its commits. Not here: which tables there are
(`silver_tables.py`) and what is written to them.

Whether there is a table, and its history, we read in the log by ourselves: deltalake (1.6.6) keeps every thread of
Python waiting for the answers to these two, also the one that renews our locks. Its other calls do not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from deltalake import DeltaTable, Field, Schema
from deltalake.schema import PrimitiveType

from so_lakehouse.lake import paths
from so_lakehouse.lake.storage import Lake

MAKES_A_TABLE = re.compile(r"\d{20}\.(json|checkpoint\..*)")  # a commit, or a checkpoint that stands for earlier ones

CHECKSUM = re.compile(r"(\d{20})\.crc")


def is_table(lake: Lake, path: str) -> bool:
    """Whether a Delta table lies there. A folder is no sign of one: whoever is killed while he makes it leaves a log
    without a commit."""
    return any(MAKES_A_TABLE.fullmatch(name.rpartition("/")[2]) for name in lake.list(log_of(path)))


def commits(lake: Lake, path: str, versions: range) -> list[dict[str, Any]]:
    """What the commits of these versions say of themselves (`commitInfo`, and their `version`), in that order; the log
    has let go of those that are missing. No versions: no question."""
    if not versions:
        return []
    there = set(lake.list(log_of(path)))
    files = {version: f"{log_of(path)}/{version:020d}.json" for version in versions}
    return [
        action["commitInfo"] | {"version": version}
        for version, file in files.items()
        if file in there
        for line in lake.read_bytes(file).splitlines()
        if "commitInfo" in (action := json.loads(line))
    ]


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


def has_commits_before(lake: Lake, path: str, moment: datetime) -> bool:
    """Whether the log still has commits that were made before then."""
    return any(file.path.endswith(".json") and file.modified_at < moment for file in lake.files(log_of(path)))


def drop_checksums(lake: Lake, path: str) -> None:
    """Removes what Spark wrote beside commits that the log has let go of since: statistics, keys of rows among them.
    Spark removes both at once, deltalake the commit alone. The caller holds the table's lock."""
    names = {name.rpartition("/")[2] for name in lake.list(log_of(path))}
    for name in names:
        if (version := CHECKSUM.fullmatch(name)) and f"{version[1]}.json" not in names:
            lake.delete(f"{log_of(path)}/{name}")


def log_of(path: str) -> str:
    """The folder of a table's log."""
    return f"{path}/_delta_log"


def reaching(lake: Lake) -> DeltaTable | None:
    """The table by which deltalake's engine reaches the files of the lake; None where it reaches them by itself."""
    return open_table(lake, paths.REACH) if lake.options else None


def make_reachable(lake: Lake) -> None:
    """Makes the table `paths.REACH`, where it is needed and is not there yet; several may do so at once."""
    if lake.options and not is_table(lake, paths.REACH):
        form = Schema([Field("nothing", PrimitiveType("long"))])
        DeltaTable.create(lake.uri(paths.REACH), form, mode="ignore", storage_options=lake.options)
