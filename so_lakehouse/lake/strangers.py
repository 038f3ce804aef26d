"""Commits to silver that are none of ours: whoever changes a table by hand leaves no ledger in his commit.

Belongs here: finding them in Delta's log. Not here: what is done about them (`spark/repair.py`, `spark/gate.py`).
"""

from __future__ import annotations

import json

from deltalake import DeltaTable

from so_lakehouse.lake import ledger, paths
from so_lakehouse.lake.delta import log_of
from so_lakehouse.lake.storage import Lake

# Operations of Delta that change no row; whatever else a commit says it did may have.
HARMLESS = (
    "OPTIMIZE",
    "REORG",
    "VACUUM",
    "SET TBLPROPERTIES",
    "UNSET TBLPROPERTIES",
    "ADD COLUMNS",
    "CHANGE COLUMN",
    "UPGRADE PROTOCOL",
    "ADD FEATURE",
)


def strange_commits(lake: Lake, table: str, delta: DeltaTable, site: str, after_version: int) -> list[int]:
    """Versions after this one in which somebody else may have changed rows of a site: their commits carry no ledger and
    touch files of the site, or Delta's log tells nothing of them any more."""
    harmless = {
        commit["version"]
        for commit in ledger.commits(lake, table, delta, after_version)
        if ledger.told(commit.get("userMetadata")) is not None
        or commit.get("operation", "").upper().startswith(HARMLESS)
    }
    others = set(range(after_version + 1, delta.version() + 1)) - harmless
    return sorted(version for version in others if _touches(lake, table, site, version))


def _touches(lake: Lake, table: str, site: str, version: int) -> bool:
    """Whether a commit adds or removes files of the site; also where its entry in the log has expired."""
    try:
        entry = lake.read_bytes(f"{log_of(paths.silver(table))}/{version:020d}.json")
    except FileNotFoundError:
        return True
    actions = [action for line in entry.splitlines() for action in json.loads(line).items()]
    files = [content for kind, content in actions if kind in ("add", "remove", "cdc")]
    return any(file.get("partitionValues", {}).get("site", site) == site for file in files)
