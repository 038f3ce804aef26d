"""The gate between silver and what follows: what the checks said of each table's version of a site.

Belongs here: the file's form. Not here: the checks (`quality/silver.py`). A reader takes the version that it names,
and only where no blocking check failed; a later version, without a gate of its own, does not exist for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from deltalake import DeltaTable

from so_lakehouse import failpoints
from so_lakehouse.lake import ledger, lock, paths
from so_lakehouse.lake.delta import has_commits_before
from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.lake.silver_tables import LEDGER, RETENTION_DAYS
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.strangers import strange_commits
from so_lakehouse.schema import TABLES


@dataclass(frozen=True)
class TableGate:
    """What was checked of one table: the Delta version that was read, and what each check said.

    Both moments are of that version; the ledger may know of later ones by now. `cut_at`: the cut of the newest dump,
    which is how far counters are whole. `complete_to`: how far rows are (`complete.py`); never before the cut.
    """

    version: int
    data_version: str
    checks: tuple[CheckOutcome, ...]
    complete_to: datetime | None = None
    cut_at: datetime | None = None
    written_at: str = ""  # ISO, UTC

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks if check.blocking)


def sites(lake: Lake) -> list[str]:
    """The sites that silver has gates of."""
    files = [file for file in lake.list(paths.SILVER_GATES) if file.endswith(".json")]
    return [file.rpartition("site=")[2].removesuffix(".json") for file in files]


def load(lake: Lake, site: str) -> dict[str, TableGate]:
    """The gates of a site by table; empty where silver has none of it."""
    return {table: _gate(entry) for table, entry in _content(lake, site)["tables"].items()}


def save(lake: Lake, site: str, gates: Mapping[str, TableGate]) -> None:
    """Puts these tables' gates in the site's file; those of other tables stay. One writer at a time: hold the locks."""
    now = datetime.now(UTC).isoformat()
    merged = load(lake, site) | dict(gates)
    tables = {table: _entry(gate) | {"written_at": gate.written_at or now} for table, gate in merged.items()}
    failpoints.reach("silver.before_gate")
    _put(lake, site, tables=tables)


def refusal(lake: Lake, site: str) -> str:
    """Why the last converge of the site was stopped by a check before it wrote anything; empty where it was not."""
    return _content(lake, site).get("refused", "")


def refuse(lake: Lake, site: str, why: str) -> None:
    """Notes what `refusal` tells; empty once a converge has come through. The caller holds the locks."""
    if refusal(lake, site) != why:
        failpoints.reach("silver.before_note")
        _put(lake, site, refused=why)


def settled(lake: Lake, site: str) -> str:
    """What the last converge that came through has noted (`spark/settled.py`); empty where none has."""
    return _content(lake, site).get("settled", "")


def settle(lake: Lake, site: str, noted: str) -> None:
    """Notes what `settled` tells. The caller holds the locks."""
    if settled(lake, site) != noted:
        failpoints.reach("silver.before_note")
        _put(lake, site, settled=noted)


@dataclass(frozen=True)
class Evidence:
    """What a converge of a table may read of bronze (`spark/evidence.py`): data versions, and the rules it reads by."""

    rules: str
    inputs: tuple[str, ...]

    def is_within(self, other: Evidence | None) -> bool:
        return other is not None and self.rules == other.rules and set(self.inputs) <= set(other.inputs)


def taken_in(lake: Lake, site: str) -> dict[str, Evidence]:
    """What lay in bronze for the last converge of each table that came through, by table."""
    content = _content(lake, site).get("taken_in", {})
    return {table: Evidence(entry["rules"], tuple(entry["inputs"])) for table, entry in content.items()}


def take_in(lake: Lake, site: str, evidence: Mapping[str, Evidence]) -> None:
    """Notes what `taken_in` tells of these tables. The caller holds the locks."""
    known = taken_in(lake, site)
    if (noted := known | dict(evidence)) != known:
        failpoints.reach("silver.before_note")
        _put(lake, site, taken_in={table: asdict(entry) for table, entry in noted.items()})


def _put(lake: Lake, site: str, **entries: Any) -> None:
    lock.require(lake, f"silver.{LEDGER.name}")  # whoever writes gates has it beside the tables'
    lake.write_json(paths.silver_gate(site), _content(lake, site) | entries)


def _content(lake: Lake, site: str) -> dict[str, Any]:
    try:
        return lake.read_json(paths.silver_gate(site))
    except FileNotFoundError:
        return {"site": site, "tables": {}}


def data_version(table: str, last_change: int | None) -> str:
    """The version of a site's rows, from that of the last commit that changed them (None: there was none).

    It moves exactly when rows of the site do: compaction and other sites' commits leave it.
    """
    return f"{table}@{'none' if last_change is None else last_change}"


def follow_before_expiry(lake: Lake, tables: Iterable[str]) -> None:
    """As `follow`, for those of these tables whose log has commits that Delta lets go of at its next checkpoint.

    Whoever commits may make it: a site that rests meanwhile would find no word in the log of who touched its rows.
    """
    until = datetime.now(UTC) - timedelta(days=RETENTION_DAYS - 1)
    expiring = [table for table in tables if has_commits_before(lake, paths.silver(table), until)]
    if expiring:
        follow(lake, expiring)


def follow(lake: Lake, tables: Iterable[str] = tuple(TABLES)) -> None:
    """Names the newest version of each of these tables in every site's gates, where the site's rows are still those
    that were checked; so that what the log or maintenance lets go of is no version that a reader was sent to.

    The caller holds the locks of these tables and of the ledger, and has recorded every commit in it.
    """
    changes, wanted = _last_changes(lake), set(tables)
    opened: dict[str, DeltaTable | None] = {}
    for site in sites(lake):
        moved = {}
        for table, gate in load(lake, site).items():
            if table not in wanted:
                continue
            if table not in opened:
                opened[table] = ledger.open_delta(lake, table)
            delta, rows = opened[table], data_version(table, changes.get((site, table)))
            if delta is None or delta.version() == gate.version or rows != gate.data_version:
                continue
            if not strange_commits(lake, table, delta, site, gate.version):
                moved[table] = replace(gate, version=delta.version())
        if moved:
            save(lake, site, moved)


def _last_changes(lake: Lake) -> dict[tuple[str, str], int]:
    """Version of the last commit that changed rows, by site and table, as the ledger has recorded it."""
    delta = ledger.open_delta(lake, LEDGER.name)
    if delta is None:
        return {}
    rows = delta.to_pyarrow_table(columns=["site", "table_name", "delta_version"])
    newest = rows.group_by(["site", "table_name"]).aggregate([("delta_version", "max")]).to_pylist()
    found = {(row["site"], row["table_name"]): row["delta_version_max"] for row in newest}
    return {key: version for key, version in found.items() if version is not None}


def _entry(gate: TableGate) -> dict[str, Any]:
    moments = {"complete_to": gate.complete_to, "cut_at": gate.cut_at}
    return asdict(gate) | {name: moment and moment.isoformat() for name, moment in moments.items()}


def _gate(entry: dict[str, Any]) -> TableGate:
    complete_to = entry.get("complete_to")
    cut_at = entry.get("cut_at", complete_to)  # a gate of an earlier release has one moment, the cut
    read = {
        "checks": tuple(CheckOutcome(**check) for check in entry["checks"]),
        "complete_to": complete_to and datetime.fromisoformat(complete_to),
        "cut_at": cut_at and datetime.fromisoformat(cut_at),
    }
    return TableGate(**entry | read)
