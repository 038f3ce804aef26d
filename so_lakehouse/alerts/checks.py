"""Blocking checks that failed, from where their outcomes lie: bronze's manifests and silver's gates.

A gate is shut as long as its file says so, whatever Dagster remembers; so it is the file that is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from so_lakehouse.alerts.incident import Incident, Kind
from so_lakehouse.alerts.places import next_step
from so_lakehouse.lake import gates, paths
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.manifests import BronzeManifest, CheckOutcome
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.schema_api import ENTITIES

PAGES = "bronze/api"


def failed_checks(lake: Lake, runs: Mapping[tuple[str, str], str]) -> list[Incident]:
    """Every dump in bronze and every site in silver that a blocking check holds up.

    `runs`: page of the run by layer and partition, where it is known.
    """
    found = []
    for layer, partition, site, outcomes in [*_bronze(lake), *_silver(lake)]:
        refused = {table: sentence for table, sentence in outcomes.items() if sentence}
        if refused:
            run = runs.get((layer, partition), "")
            why = " ".join(refused.values())
            then = f"Do what is said above, then: {next_step(layer, partition, run)}"
            tables = tuple(filter(None, refused))
            found.append(Incident(Kind.CHECK_FAILED, layer, partition, why, then, site, tables, run))
    return found


def pages_refused(lake: Lake, partition: str) -> bool:
    """Whether any of the pages of a day and site that bronze still holds were refused; overtaken ones go in time."""
    day, _, site = partition.partition("|")
    held = [PagesManifest.load(lake, entity, day, site) for entity in ENTITIES]
    return any(manifest is not None and not manifest.passed for manifest in held)


def _bronze(lake: Lake) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """All that bronze holds of dumps: layer, partition, site, and by table what blocking checks refused."""
    dumps = {
        (quarter_folder.rpartition("quarter=")[2], site_folder.rpartition("site=")[2])
        for table in TABLES
        for quarter_folder in lake.list(paths.bronze_dump(table))
        for site_folder in lake.list(quarter_folder)
    }
    for quarter, site in sorted(dumps):
        read = {table: BronzeManifest.load(lake, table, quarter, site) for table in TABLES}
        outcomes = {table: _sentence(manifest.checks) for table, manifest in read.items() if manifest is not None}
        yield "bronze/dump", f"{quarter}|{site}", site, outcomes


def _silver(lake: Lake) -> Iterator[tuple[str, str, str, dict[str, str]]]:
    for site in gates.sites(lake):
        outcomes = {table: _sentence(gate.checks) for table, gate in gates.load(lake, site).items()}
        # What stopped a converge before it wrote anything is of no table's version.
        yield "silver", site, site, outcomes | {"": gates.refusal(lake, site)}


def _sentence(checks: Iterable[CheckOutcome]) -> str:
    return " ".join(f"{check.name}: {check.detail}" for check in checks if check.blocking and not check.passed)
