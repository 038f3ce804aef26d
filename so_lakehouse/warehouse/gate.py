"""What silver lets the warehouse read of one site: the versions whose checks passed.

Belongs here: reading silver's gate file. Silver writes it (`lake/paths.silver_gate`) after each converge; the gate lies
in the data, so that no orchestrator's memory can open it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from so_lakehouse.errors import CheckFailed
from so_lakehouse.lake import paths
from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.lake.storage import Lake


@dataclass(frozen=True)
class Passed:
    """One silver table of a site as it may be read: Delta version, version of this site's data, how far it reaches."""

    table: str
    version: int
    data_version: str
    complete_to: datetime | None


def passed_tables(lake: Lake, site: str) -> dict[str, Passed]:
    """The silver tables of a site that may be read, by name; empty where silver has not finished this site yet.

    Raises `CheckFailed` where a blocking check refused one: a site is loaded whole or not at all.
    """
    try:
        content = lake.read_json(paths.silver_gate(site))
    except FileNotFoundError:
        return {}
    found: dict[str, Passed] = {}
    refused: list[str] = []
    for table, entry in content["tables"].items():
        checks = [CheckOutcome(**check) for check in entry["checks"]]
        refused.extend(
            f"{table}: {check.name}: {check.detail}" for check in checks if check.blocking and not check.passed
        )
        complete_to = entry.get("complete_to")
        moment = datetime.fromisoformat(complete_to) if complete_to else None
        found[table] = Passed(table, entry["version"], entry["data_version"], moment)
    if refused:
        raise CheckFailed(
            f"Silver of {site} did not pass, and the warehouse keeps what it has: {'; '.join(refused)} "
            f"Correct or accept it, then run silver of {site} again."
        )
    return found
