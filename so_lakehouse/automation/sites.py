"""Sites: evidence in bronze that silver has not taken in, and silver that the warehouse does not hold.

One run carries a site from bronze to the warehouse, however many of its tables have news.
"""

from __future__ import annotations

from collections.abc import Sequence

from so_lakehouse.automation.answer import FOLLOWING, MAINTENANCE, READING, Answer, Request, Runs, version_of
from so_lakehouse.errors import CheckFailed
from so_lakehouse.lake import gates, paths
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.settings import Settings
from so_lakehouse.spark import evidence
from so_lakehouse.warehouse.gate import passed_tables
from so_lakehouse.warehouse.projection import PROJECTIONS
from so_lakehouse.warehouse.standing import Standing, expected

# What a look at sites reads of the lake.
FOLDERS = (paths.BRONZE_API_INDEX, paths.SILVER_GATES, *(paths.bronze_dump(table) for table in TABLES))


def due(lake: Lake, standing: Standing | None, sites: Sequence[str], settings: Settings, runs: Runs) -> Answer:
    """A request for each site with news. `standing`: the warehouse's, None where there is none yet.

    A site that a check has stopped stays out until what it read has changed; the others go on.
    """
    requests, notes = [], []
    for site in sites:
        if runs.of_site(site, READING | FOLLOWING | {MAINTENANCE}):
            notes.append(f"{site}: waits for a run of it that goes on or is queued.")
        elif request := _converge(lake, site, settings):
            requests.append(request)
            if why := gates.refusal(lake, site):
                notes.append(f"{site}: silver was stopped: {why}")
        else:
            try:
                requests += _load(lake, standing, site)
            except CheckFailed as error:
                notes.append(str(error))
    return runs.answer(requests, notes)


def _converge(lake: Lake, site: str, settings: Settings) -> Request | None:
    offered = evidence.offered(lake, site, settings.keep_personal)
    news = evidence.news(offered, gates.taken_in(lake, site))
    if not news:
        return None
    version = version_of([(table, offered[table].rules, offered[table].inputs) for table in news])
    # A dump is compared with what was predicted for it in the run that takes it in; without one that takes no time.
    return Request(
        ("reconciliation", "silver", "warehouse"), (site,), version, f"bronze has news of {', '.join(news)}."
    )


def _load(lake: Lake, standing: Standing | None, site: str) -> list[Request]:
    """The load of a site whose silver passed; raises `CheckFailed` where it did not."""
    passed = passed_tables(lake, site)
    offered = {
        name: expected(p, passed[p.source].data_version) for name, p in PROJECTIONS.items() if p.source in passed
    }
    held = standing.loads.get(site, {}) if standing else {}
    news = [name for name, version in offered.items() if version != held.get(name)]
    if not news:
        return []
    reason = f"silver has news of {', '.join(news)} for the warehouse."
    return [Request(("warehouse",), (site,), version_of(offered), reason)]
