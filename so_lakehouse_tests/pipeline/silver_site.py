"""Silver tables of one site written by hand, small and without a JVM, with the gate file that lets them be read.

For tests of what follows silver. The tables have silver's declared columns and a change feed; deletion vectors need
Spark, and tests that need them use it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from so_lakehouse import schema
from so_lakehouse.lake import gates, paths
from so_lakehouse.lake.gates import TableGate
from so_lakehouse.lake.ledger import DUMP, LedgerRow, to_arrow
from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.lake.silver_tables import accounts_gone
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import Type
from so_lakehouse.schema_forms import ARROW, silver_columns

REQUIRED = {
    Type.SMALLINT: 1,
    Type.INTEGER: 0,
    Type.BIGINT: 1,
    Type.BOOLEAN: False,
    Type.TEXT: "x",
    Type.TIMESTAMP: datetime(2016, 1, 15, 12, 30, tzinfo=UTC),
}


def day(text: str) -> datetime:
    """Noon of that day, UTC."""
    return datetime.fromisoformat(f"{text}T12:00:00+00:00")


def arrow_schema(table: str) -> pa.Schema:
    declared = schema.table(table)
    types = ARROW | {Type.TAGS: pa.list_(pa.string())}
    return pa.schema(
        [
            pa.field("site", pa.string(), nullable=False),
            *(pa.field(c.name, types[c.type], nullable=c.nullable) for c in silver_columns(declared, False)),
            *(pa.field(gone.name, pa.bool_(), nullable=False) for gone in accounts_gone(declared)),
            pa.field("_as_of", pa.timestamp("us", tz="UTC")),
        ]
    )


class SilverSite:
    """The silver tables of one site; rows are given by the columns that matter, the rest is filled in."""

    def __init__(self, lake: Lake, site: str = "beer") -> None:
        self.lake, self.site = lake, site

    def put(self, table: str, *rows: dict[str, Any]) -> None:
        """Inserts rows, or replaces those with the same Id."""
        new = self._arrow(table, rows)
        where = self.lake.uri(paths.silver(table))
        if not self._exists(table):
            options = {"delta.enableChangeDataFeed": "true"}
            write_deltalake(where, new, partition_by=["site"], configuration=options)
            return
        merge = DeltaTable(where).merge(
            new, f"t.site = '{self.site}' AND t.Id = s.Id", source_alias="s", target_alias="t"
        )
        merge.when_matched_update_all().when_not_matched_insert_all().execute()

    def delete(self, table: str, *ids: int) -> None:
        where = f"site = '{self.site}' AND \"Id\" IN ({', '.join(map(str, ids))})"
        DeltaTable(self.lake.uri(paths.silver(table))).delete(where)

    def pass_checks(
        self, refused: str = "", cut_at: datetime | None = None, posts_complete_to: datetime | None = None
    ) -> None:
        """Writes the gate for all tables as they are now; a table is at a new data version where its version is new.
        `refused` names a table whose blocking check failed; `cut_at` is the cut of the newest dump in them, and
        `posts_complete_to` how far days of the API that follow it make posts whole."""
        found = {}
        for table in schema.TABLES:
            if self._exists(table):
                version = DeltaTable(self.lake.uri(paths.silver(table))).version()
                check = CheckOutcome("keys_unique", table != refused, True, "a test")
                reaches = posts_complete_to if table == "posts" and posts_complete_to else cut_at
                found[table] = TableGate(version, f"{table}-{version}", (check,), complete_to=reaches, cut_at=cut_at)
        gates.save(self.lake, self.site, found)

    def apply_dump(self, cut_at: datetime) -> None:
        """Notes in the ledger that a dump was applied to every table, as converge does before it checks and gates."""
        now = datetime.now(UTC)
        rows = [
            LedgerRow(self.site, table, DUMP, "quarter", "v", "r", now, cut_at=cut_at, revision=1)
            for table in schema.TABLES
            if self._exists(table)
        ]
        write_deltalake(self.lake.uri(paths.silver("ledger")), to_arrow(rows), mode="append", partition_by=["site"])

    def _exists(self, table: str) -> bool:
        return self.lake.exists(f"{paths.silver(table)}/_delta_log")

    def _arrow(self, table: str, rows: tuple[dict[str, Any], ...]) -> pa.Table:
        form = arrow_schema(table)
        declared = {column.name: column for column in schema.table(table).columns}
        filled = {
            field.name: REQUIRED[declared[field.name].type] if field.name in declared else False
            for field in form
            if not field.nullable and field.name != "site"
        }
        return pa.Table.from_pylist([{"site": self.site} | filled | row for row in rows], schema=form)


def small_site(lake: Lake, site: str = "beer") -> SilverSite:
    """Two questions of January and February 2016 with an answer each, and a row or two of everything around them."""
    silver = SilverSite(lake, site)
    silver.put(
        "posts",
        {
            "Id": 1,
            "PostTypeId": 1,
            "CreationDate": day("2016-01-10"),
            "Tags": ["ale", "hops"],
            "OwnerUserId": 7,
            "Score": 5,
        },
        {
            "Id": 2,
            "PostTypeId": 2,
            "CreationDate": day("2016-03-10"),
            "ParentId": 1,
            "Score": 2,
            "OwnerIsDeleted": True,
        },
        {"Id": 3, "PostTypeId": 1, "CreationDate": day("2016-02-10"), "Tags": ["ale"], "OwnerUserId": 8},
        {"Id": 4, "PostTypeId": 2, "CreationDate": day("2016-04-10"), "ParentId": 3, "OwnerUserId": 7},
    )
    silver.put("users", {"Id": 7, "Reputation": 101}, {"Id": 8, "Reputation": 1})
    silver.put("comments", {"Id": 1, "PostId": 2, "CreationDate": day("2016-05-01")})
    silver.put(
        "votes",
        {"Id": 1, "PostId": 1, "VoteTypeId": 2, "CreationDate": day("2016-01-11")},
        {"Id": 2, "PostId": 1, "VoteTypeId": 2, "CreationDate": day("2016-01-11")},
        {"Id": 3, "PostId": 1, "VoteTypeId": 3, "CreationDate": day("2016-01-11")},
        {"Id": 4, "PostId": 3, "VoteTypeId": 8, "CreationDate": day("2016-02-12"), "UserId": 8, "BountyAmount": 50},
        {"Id": 5, "PostId": 3, "VoteTypeId": 5, "CreationDate": day("2016-02-12"), "UserId": 8},
        {"Id": 6, "PostId": 999, "VoteTypeId": 2, "CreationDate": day("2016-06-01")},
    )
    silver.put("badges", {"Id": 1, "UserId": 7, "Name": "Teacher", "Date": day("2016-03-11"), "Class": 3})
    silver.put("post_links", {"Id": 1, "PostId": 3, "RelatedPostId": 1, "LinkTypeId": 3})
    silver.put("tags", {"Id": 1, "TagName": "ale", "Count": 2}, {"Id": 2, "TagName": "hops", "Count": 1})
    silver.put(
        "post_history",
        {"Id": 1, "PostId": 1, "PostHistoryTypeId": 1, "CreationDate": day("2016-01-10")},
        {"Id": 2, "PostId": 1, "PostHistoryTypeId": 2, "CreationDate": day("2016-01-10")},
    )
    silver.pass_checks()
    return silver
