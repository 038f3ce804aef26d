"""What silver lets the warehouse read of one site: the versions whose checks passed, and how far their data reach.

Belongs here: the decision. Not here: the gate's form (`lake/gates.py`); the gate lies in the data, so that no
orchestrator's memory can open it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from so_lakehouse.errors import CheckFailed
from so_lakehouse.lake import gates
from so_lakehouse.lake.storage import Lake


@dataclass(frozen=True)
class Passed:
    """One silver table of a site as it may be read, and how far its rows and its counters are whole."""

    table: str
    version: int
    data_version: str
    complete_to: datetime | None
    counters_complete_to: datetime | None


def passed_tables(lake: Lake, site: str) -> dict[str, Passed]:
    """The silver tables of a site that may be read, by name; empty where silver has not finished this site yet.

    Raises `CheckFailed` where a blocking check refused one: a site is loaded whole or not at all.
    """
    found = gates.load(lake, site)
    refused = [
        f"{table}: {check.name}: {check.detail}"
        for table, gate in found.items()
        for check in gate.checks
        if check.blocking and not check.passed
    ]
    if refused:
        raise CheckFailed(
            f"Silver of {site} did not pass, and the warehouse keeps what it has: {'; '.join(refused)} "
            f"Do what is said there, then run again: so-lakehouse run --site {site}"
        )
    return {
        table: Passed(table, gate.version, gate.data_version, gate.complete_to, counters_complete_to=gate.cut_at)
        for table, gate in found.items()
    }
