"""Names what bronze offers silver of a site, so that whether anything is news can be told from two small texts.

Belongs here: the names, from manifests and rules alone. Not here: what a converge makes of it (`plan.py`). A converge
that came through leaves the names in the site's gate file (`lake/gates.py`); while they are the same, another one would
find nothing to do. What no rule may read (a failed check, half of a dump) is in no name: it is no news before it is
mended.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from so_lakehouse.lake.api_pages import index_of
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.waiting import eligible_dumps
from so_lakehouse.schema import TABLES, table
from so_lakehouse.schema_api import entities_of
from so_lakehouse.spark.clean import rule_version


def versions(lake: Lake, site: str, keep_personal: bool, tables: Iterable[str] = tuple(TABLES)) -> dict[str, str]:
    """A name for the evidence that each of these tables has in bronze, and the rules it is read by; tables that have
    none are left out."""
    index = index_of(lake, site)
    found = {}
    for name in tables:
        dumps, _ = eligible_dumps(lake, name, site)
        told = [[manifest.cut_date, manifest.revision, manifest.data_version] for manifest in dumps]
        told += [
            [entity.name, day, page.data_version]
            for entity in entities_of(table(name))
            for day, page in sorted(index.get(entity.name, {}).items())
            if page.passed
        ]
        if told:
            text = json.dumps([rule_version(table(name), keep_personal), told])
            found[name] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return found
