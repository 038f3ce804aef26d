"""Names the evidence that bronze offers silver of a site, so that whether any of it is news can be told from names.

Belongs here: the names, from manifests and rules alone. Not here: what a converge makes of the evidence (`plan.py`). A
converge that came through leaves the names in the site's gate file (`lake/gates.py`). What no rule may read (a failed
check, half of a dump) has no name: it is no news before it is mended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from so_lakehouse.lake.api_pages import index_of
from so_lakehouse.lake.gates import Evidence
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.waiting import eligible_dumps
from so_lakehouse.schema import TABLES, table
from so_lakehouse.schema_api import entities_of
from so_lakehouse.spark.clean import rule_version


def offered(lake: Lake, site: str, keep_personal: bool, tables: Iterable[str] = tuple(TABLES)) -> dict[str, Evidence]:
    """What each of these tables may read in bronze; tables that may read nothing are left out."""
    index = index_of(lake, site)
    found = {}
    for name in tables:
        dumps, _ = eligible_dumps(lake, name, site)
        inputs = [manifest.data_version for manifest in dumps]
        for entity in entities_of(table(name)):
            inputs += [page.data_version for page in index.get(entity.name, {}).values() if page.passed]
        if inputs:
            found[name] = Evidence(rule_version(table(name), keep_personal), tuple(sorted(inputs)))
    return found


def news(bronze: Mapping[str, Evidence], taken: Mapping[str, Evidence]) -> list[str]:
    """The tables that may read something by rules by which they have not read it. What went away is no news."""
    return [name for name, evidence in bronze.items() if not evidence.is_within(taken.get(name))]
