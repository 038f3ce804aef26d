"""Which rows of silver are worth asking for by id, in which order.

Belongs here: the choice, read from silver without a JVM. Not here: asking (`by_ids.py`). `_as_of` is when a row was
last told by a page, so the rows whose last ask is oldest come first, and those that only a dump told before them.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from so_lakehouse.api.budget import REASK, SWEEP
from so_lakehouse.lake import gates, paths
from so_lakehouse.lake.delta import log_of
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema_api import ENTITIES, Entity
from so_lakehouse.sql import literal

# Scores, views and acceptance of a post move most while it is young, and move without activity.
YOUNG = timedelta(days=90)
# Purpose → the entities that are asked for by id for it, which divide its share of the quota among them.
ASKED_FOR = {
    REASK: tuple(entity for entity in ENTITIES.values() if entity.post_type is not None),
    SWEEP: tuple(ENTITIES.values()),
}
# A daily run may begin earlier than yesterday's.
DAY_APART = timedelta(hours=20)


def young_posts(lake: Lake, site: str, entity: Entity, now: datetime, most: int, but: Collection[int]) -> list[int]:
    """Posts younger than 90 days that were not told within a day, oldest ask first; none of other entities. `but`: ids
    that are not wanted."""
    if entity not in ASKED_FOR[REASK]:
        return []
    return _longest_untold(lake, site, entity, f"CreationDate >= {_moment(now - YOUNG)}", now, most, but)


def to_sweep(lake: Lake, site: str, entity: Entity, now: datetime, most: int, but: Collection[int]) -> list[int]:
    """Rows to look for, oldest ask first: half of them at most, and first, such that pages brought after the newest
    dump, for a busy site brings enough to be never done with these. `but`: ids that are not wanted."""
    gate = gates.load(lake, site).get(entity.table)
    first: list[int] = []
    if gate and gate.cut_at:
        first = _longest_untold(lake, site, entity, f"CreationDate > {_moment(gate.cut_at)}", now, -(-most // 2), but)
    others = _longest_untold(lake, site, entity, "true", now, most - len(first), {*but, *first})
    return [*first, *others]


def _longest_untold(
    lake: Lake, site: str, entity: Entity, which: str, now: datetime, most: int, but: Collection[int]
) -> list[int]:
    order = f"ORDER BY _as_of ASC NULLS FIRST, Id LIMIT {most + len(but)}"
    found = _ids(lake, site, entity, f"{which} AND {_not_told_since(now - DAY_APART)} {order}")
    return [key for key in found if key not in but][:most]


def still_held(lake: Lake, site: str, entity: Entity, ids: Collection[int]) -> set[int]:
    """Those of these ids that silver has."""
    if not ids:
        return set()
    return set(_ids(lake, site, entity, f"Id IN ({', '.join(map(str, sorted(ids)))})"))


def _ids(lake: Lake, site: str, entity: Entity, where: str) -> list[int]:
    if not lake.exists(log_of(paths.silver(entity.table))):
        return []
    # Tag wikis and other posts, and accounts of the system (below 1), are not served.
    served = f"PostTypeId = {entity.post_type}" if entity.post_type else "Id > 0"
    query = f"SELECT Id FROM silver.{entity.table} WHERE site = {literal(site)} AND {served} AND {where}"
    return query_lake(lake, query)["Id"].to_pylist()


def _not_told_since(moment: datetime) -> str:
    return f"(_as_of IS NULL OR _as_of < {_moment(moment)})"


def _moment(moment: datetime) -> str:
    return f"CAST({literal(moment.isoformat())} AS TIMESTAMP WITH TIME ZONE)"
