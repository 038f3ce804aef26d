"""The names of folders and manifests in the lake, one function each. Nothing else spells a lake path."""

from __future__ import annotations

RAW_DUMP = "raw/dump"


def raw_dump(quarter: str, site: str, release: str = "", revision: int = 0) -> str:
    """Folder of one release's archives and manifest; without a release, the folder of all of that partition's."""
    folder = f"{RAW_DUMP}/quarter={quarter}/site={site}"
    return f"{folder}/release={release}/revision={revision}" if release else folder


def raw_dump_manifest(quarter: str, site: str, release: str = "", revision: int = 0) -> str:
    """The manifest of one release; without a release, the one that names the release which represents this quarter."""
    return f"{raw_dump(quarter, site, release, revision)}/manifest.json"


RAW_API = "raw/api"


def set_aside(archive: str) -> str:
    """Where an archive of raw lies once a reader has found it damaged."""
    return f"{archive}.damaged"


def raw_api(entity: str, day: str = "", site: str = "", fetched: str = "") -> str:
    """Folder of one fetch's pages and manifest; with less said, of all fetches of a day, or of the entity."""
    folder = f"{RAW_API}/{entity}"
    folder = f"{folder}/day={day}/site={site}" if day else folder
    return f"{folder}/fetched={fetched}" if fetched else folder


def raw_api_manifest(entity: str, day: str, site: str, fetched: str) -> str:
    return f"{raw_api(entity, day, site, fetched)}/manifest.json"


def raw_api_grid() -> str:
    """What the grid of days was first used with."""
    return f"{RAW_API}/grid.json"


def api_missed(entity: str, site: str) -> str:
    """The ids that were asked for once and not returned, and since when."""
    return f"{RAW_API}/missed/{entity}/site={site}.json"


def bronze_dump(table: str, quarter: str = "", site: str = "") -> str:
    """Folder of one table's attempts; without a partition, the folder of all of that table's."""
    folder = f"bronze/dump/{table}"
    return f"{folder}/quarter={quarter}/site={site}" if quarter else folder


def bronze_dump_manifest(table: str, quarter: str, site: str) -> str:
    return f"{bronze_dump(table, quarter, site)}/manifest.json"


def bronze_api(entity: str, day: str = "", site: str = "") -> str:
    """Folder of one entity's pages; without a partition, the folder of all of that entity's."""
    folder = f"bronze/api/{entity}"
    return f"{folder}/day={day}/site={site}" if day else folder


def bronze_api_manifest(entity: str, day: str, site: str) -> str:
    return f"{bronze_api(entity, day, site)}/manifest.json"


BRONZE_API_INDEX = "bronze/api_index"


def bronze_api_index(site: str) -> str:
    """Which days of a site's pages bronze holds, of all entities."""
    return f"{BRONZE_API_INDEX}/site={site}.json"


def silver(table: str = "") -> str:
    """Delta table (all sites); also `tombstones` and `ledger`. Without a name, the folder of all."""
    return f"silver/{table}" if table else "silver"


SILVER_GATES = "silver_gates"


def silver_gate(site: str) -> str:
    """What the checks said of the newest version of each silver table of a site."""
    return f"{SILVER_GATES}/site={site}.json"


def silver_quarantine(table: str, site: str, source: str = "", partition: str = "") -> str:
    """Folder of the rows that cleaning refused of one input, with its manifest; without one, of all the site's."""
    folder = f"quarantine/silver/{table}/site={site}"
    return f"{folder}/source={source}/partition={partition}" if source else folder


def staging(site: str, attempt: str = "") -> str:
    """Folder of rows on their way into silver; nothing in it outlives its run but a killed run's, which is swept."""
    folder = f"staging/silver/site={site}"
    return f"{folder}/attempt={attempt}" if attempt else folder


RECONCILIATION = "reconciliation"


def reconciliation(quarter: str, site: str) -> str:
    """Folder of what the next dump, that of this quarter, made of what was predicted for it."""
    return f"{RECONCILIATION}/quarter={quarter}/site={site}"


def reconciliation_manifest(quarter: str, site: str) -> str:
    return f"{reconciliation(quarter, site)}/manifest.json"


# A Delta table without rows: deltalake's engine reaches the files of a bucket only once it knows a table in it.
REACH = "bronze/reach"


def locks() -> str:
    return "locks"
