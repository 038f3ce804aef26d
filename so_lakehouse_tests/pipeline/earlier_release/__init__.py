"""A small lakehouse as an earlier form of release 0.1.0 left it (commit 046a071), before tables named their release.

`silver.json` has of each table of silver what created it in Delta's log, its last version, its rows (without nulls and
site), and the gate file; `warehouse.sql` is the database's dump. Both were written by that release's own converge and
load, of `evidence`. It never changes: the next form that is to be remembered gets a folder of its own.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from so_lakehouse.lake import paths
from so_lakehouse.lake.storage import Lake
from so_lakehouse_tests.pipeline.evidence import Row, write_dump, write_pages

FOLDER = Path(__file__).parent
SILVER: dict[str, Any] = json.loads((FOLDER / "silver.json").read_text("utf-8"))
WAREHOUSE = (FOLDER / "warehouse.sql").read_text("utf-8")
GATE = SILVER.pop("gate")
SEPTEMBER, DECEMBER, FETCHED = "2016-09-11", "2016-12-11", "2016-12-21"


def evidence(lake: Lake) -> None:
    """What bronze holds: two quarters, between which a post went and two changed, and a day of pages that changes one
    more and misses another."""
    question = {"Id": 1, "Title": "Which hops?", "Tags": "<hops><ale>", "OwnerUserId": 7}
    both = {"AnswerCount": 1, "ContentLicense": "CC BY-SA 3.0"}
    answer = {"Id": 2, "PostTypeId": 2, "ParentId": 1, "OwnerDisplayName": "user8"}
    gone, swept = {"Id": 3, "Title": "Gone by December"}, {"Id": 4, "Title": "Swept"}
    _dump(lake, SEPTEMBER, [question | both | {"Score": 1}, answer | {"Score": 4}, gone, swept], reputation=101)
    _dump(lake, DECEMBER, [question | both | {"Score": 2}, answer | {"Score": 5}, swept], reputation=121)
    returned = question | {"Score": 9, "CreationDate": datetime(2016, 1, 1, 12, tzinfo=UTC)}
    write_pages(lake, "questions", "2016-12-20", [(FETCHED, returned)], [(FETCHED, 4)])


def _dump(lake: Lake, cut: str, posts: list[Row], reputation: int) -> None:
    comments = [{"Id": 10, "PostId": 2, "Text": "Malt.", "UserId": 7}, {"Id": 11, "PostId": 4, "Text": "Along."}]
    votes = [{"Id": 20, "PostId": 1}, {"Id": 21, "PostId": 1, "VoteTypeId": 8, "UserId": 7, "BountyAmount": 50}]
    tables = {
        "posts": posts,
        "users": [{"Id": 7, "Reputation": reputation, "DisplayName": "Ada"}, {"Id": 8, "Reputation": 1}],
        "comments": comments,
        "votes": votes,
        "badges": [{"Id": 30, "UserId": 7, "Class": 3, "TagBased": False}],
        "post_links": [{"Id": 40}],
        "tags": [{"Id": 50, "TagName": "hops", "Count": 1}],
        "post_history": [{"Id": 60, "PostId": 1, "RevisionGUID": "ABCD"}, {"Id": 61, "PostId": 4}],
    }
    write_dump(lake, cut, tables)


def build_silver(lake: Lake) -> None:
    """Every table of silver, the ledger, the tombstones and the gate."""
    for name, table in SILVER.items():
        _commit(lake, name, 0, table["created"])
        for version in range(1, table["version"]):
            _commit(lake, name, version, [])
        _commit(lake, name, table["version"], [_add(lake, name, table["rows"])])
    lake.write_json(paths.silver_gate("beer"), GATE)


def _commit(lake: Lake, name: str, version: int, actions: list[dict]) -> None:
    told = {"timestamp": 1_000 * version, "operation": "WRITE", "operationParameters": {}}
    lines = [json.dumps(action) for action in [{"commitInfo": told}, *actions]]
    log = Path(lake.path(paths.silver(name))) / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    (log / f"{version:020d}.json").write_text("\n".join(lines), "utf-8")


def _add(lake: Lake, name: str, rows: list[Row]) -> dict:
    """The action that adds a file with these rows, which is written."""
    columns = pa.schema(DeltaTable(lake.uri(paths.silver(name))).schema().to_arrow())
    form = pa.schema(field for field in columns if field.name != "site")
    dates = {field.name for field in form if pa.types.is_timestamp(field.type)}
    parsed = [{key: _moment(value) if key in dates else value for key, value in row.items()} for row in rows]
    file = Path(lake.path(paths.silver(name))) / "site=beer" / "part-0.parquet"
    file.parent.mkdir()
    pq.write_table(pa.Table.from_pylist(parsed, schema=form), file)
    return {
        "add": {
            "path": "site=beer/part-0.parquet",
            "partitionValues": {"site": "beer"},
            "size": file.stat().st_size,
            "modificationTime": 0,
            "dataChange": True,
            "stats": json.dumps({"numRecords": len(rows)}),
        }
    }


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
