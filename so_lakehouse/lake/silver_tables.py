"""The Delta tables of silver as declarations: columns, partitions, properties; and the SQL that creates them.

Belongs here: what a table looks like. Not here: its rows (`spark/`), its publisher's columns (`schema.py`), or how a
table of an earlier release is brought up (`spark/migrate.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from so_lakehouse import release, schema
from so_lakehouse.lake import paths
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import Table
from so_lakehouse.schema_forms import SPARK, silver_columns

# Delta's names for the types that silver's declarations use.
DELTA_TYPES = {
    "SMALLINT": "short",
    "INT": "integer",
    "BIGINT": "long",
    "BOOLEAN": "boolean",
    "STRING": "string",
    "TIMESTAMP": "timestamp",
    "ARRAY<STRING>": "array<string>",
}

# Arrow's.
ARROW = {
    "SMALLINT": pa.int16(),
    "INT": pa.int32(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "STRING": pa.string(),
    "TIMESTAMP": pa.timestamp("us", tz="UTC"),
    "ARRAY<STRING>": pa.list_(pa.string()),
}


@dataclass(frozen=True)
class DeltaColumn:
    """One column as Delta declares it."""

    name: str
    type: str
    description: str
    nullable: bool = True


@dataclass(frozen=True)
class DeltaTable:
    """One table, all sites, partitioned by `site`. `name` is its folder below silver/."""

    name: str
    description: str
    columns: tuple[DeltaColumn, ...]
    properties: Mapping[str, str]

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True)
class AccountGone:
    """A derived boolean: an account is known to be deleted where only its name is left."""

    name: str
    user_id: str
    display_name: str
    description: str


# The dump drops the id of a deleted account and keeps a name like `user123`; an event without a person has neither.
ACCOUNTS_GONE: dict[str, tuple[AccountGone, ...]] = {
    "posts": (
        AccountGone("OwnerIsDeleted", "OwnerUserId", "OwnerDisplayName", "Whether the author's account was deleted."),
        AccountGone(
            "LastEditorIsDeleted",
            "LastEditorUserId",
            "LastEditorDisplayName",
            "Whether the last editor's account was deleted.",
        ),
    ),
    "comments": (
        AccountGone("UserIsDeleted", "UserId", "UserDisplayName", "Whether the author's account was deleted."),
    ),
    "post_history": (AccountGone("UserIsDeleted", "UserId", "UserDisplayName", "Whether that account was deleted."),),
}

SITE = DeltaColumn("site", "STRING", "Site key, e.g. beer or beer.meta.", nullable=False)

BOOKKEEPING = (
    DeltaColumn(
        "_as_of",
        "TIMESTAMP",
        "When this row's newest evidence speaks of, UTC. Null: the cut of the newest dump applied to this site and "
        "table (silver.ledger), so that a dump need not rewrite every row to say that it is still there.",
    ),
    DeltaColumn(
        "_kept",
        "STRING",
        "Why the row stays although the newest dump does not tell its values: 'quarantined' (the dump holds it in a "
        "form that cannot be read), 'deletions suspended' (the dump has rows whose key cannot be read). Else null.",
    ),
    DeltaColumn(
        "_dump_dates",
        "STRING",
        "JSON of the newest dump's exact dates where a page, which tells whole seconds, has replaced them.",
    ),
)

# How long earlier versions can be read at most; maintenance may end them sooner (LAKEHOUSE_RETENTION_HOURS).
RETENTION_DAYS = 30
RETENTION = {
    "delta.deletedFileRetentionDuration": f"interval {RETENTION_DAYS} days",
    "delta.logRetentionDuration": f"interval {RETENTION_DAYS} days",
}
# Commits between two checkpoints of the log. Engines differ in what they take for granted.
CHECKPOINTS = {"delta.checkpointInterval": "10"}
# Deletion vectors: an update does not rewrite its file. Change data feed: the warehouse follows without a scan.
FACTS = {"delta.enableDeletionVectors": "true", "delta.enableChangeDataFeed": "true", **CHECKPOINTS, **RETENTION}
# Files are pruned by keys and dates: statistics on texts would cost more than they save, Delta keeps none of the rest.
WITHOUT_STATISTICS = {schema.Type.TEXT, schema.Type.TAGS, schema.Type.BOOLEAN}
# Small and read by every engine as plain Parquet: no deletion vectors.
PLAIN = {"delta.enableDeletionVectors": "false", **CHECKPOINTS, **RETENTION}
# The property that names the release which gave a table its form.
RELEASE = "so_lakehouse.release"


def silver_table(table: Table, keep_personal: bool) -> DeltaTable:
    """The Delta table of one table of the schema: site, the publisher's columns, derived booleans, bookkeeping."""
    own = silver_columns(table, keep_personal)
    columns = (
        SITE,
        *(DeltaColumn(c.name, SPARK[c.type], c.description, nullable=c.nullable) for c in own),
        *(DeltaColumn(gone.name, "BOOLEAN", gone.description, nullable=False) for gone in accounts_gone(table)),
        *BOOKKEEPING,
    )
    pruned = [c.name for c in own if c.type not in WITHOUT_STATISTICS]
    properties = FACTS | {"delta.dataSkippingStatsColumns": ",".join([*pruned, "_as_of"])}
    return DeltaTable(table.name, table.description, columns, properties)


def accounts_gone(table: Table) -> tuple[AccountGone, ...]:
    return ACCOUNTS_GONE.get(table.name, ())


LEDGER = DeltaTable(
    "ledger",
    "One row per input applied to a silver table; rows_in is the sum of the seven counts after it.",
    (
        SITE,
        DeltaColumn("table_name", "STRING", "Silver table.", nullable=False),
        DeltaColumn(
            "source",
            "STRING",
            "dump; api/<entity>; kept (rows of older dumps where the newest is silent); posts (deleted posts take "
            "theirs along); found (rows that somebody else lost or doubled).",
            nullable=False,
        ),
        DeltaColumn("partition", "STRING", "Partition of the source: quarter or day.", nullable=False),
        DeltaColumn("data_version", "STRING", "Version of the input.", nullable=False),
        DeltaColumn("rule_version", "STRING", "Version of the cleaning rules and columns.", nullable=False),
        DeltaColumn("applied_at", "TIMESTAMP", "When it was applied, UTC.", nullable=False),
        DeltaColumn("rows_in", "BIGINT", "Rows of the input.", nullable=False),
        DeltaColumn("rows_inserted", "BIGINT", "Rows that silver did not hold.", nullable=False),
        DeltaColumn("rows_updated", "BIGINT", "Rows whose values changed.", nullable=False),
        DeltaColumn("rows_unchanged", "BIGINT", "Rows whose values were there already.", nullable=False),
        DeltaColumn("rows_superseded", "BIGINT", "Rows that newer evidence had overtaken.", nullable=False),
        DeltaColumn("rows_suppressed", "BIGINT", "Rows that a newer tombstone keeps dead.", nullable=False),
        DeltaColumn("rows_quarantined", "BIGINT", "Rows that cleaning refused.", nullable=False),
        DeltaColumn("rows_deduplicated", "BIGINT", "Copies of a row of the same input.", nullable=False),
        DeltaColumn("rows_deleted", "BIGINT", "Rows of silver that this input deleted.", nullable=False),
        DeltaColumn(
            "cut_at", "TIMESTAMP", "The newest moment that the input speaks of, UTC: a dump's cut, a page's fetch."
        ),
        DeltaColumn("revision", "INT", "Revision of a dump's release; null for other sources."),
        DeltaColumn("rests_on", "STRING", "Versions of older dumps that told keys this one holds in quarantine."),
        DeltaColumn("delta_version", "BIGINT", "Version of the Delta table that holds it; null where nothing changed."),
    ),
    PLAIN,
)

TOMBSTONES = DeltaTable(
    "tombstones",
    "Keys of rows that were here and were deleted upstream, and keys that the API no longer knows.",
    (
        SITE,
        DeltaColumn("table_name", "STRING", "Silver table.", nullable=False),
        DeltaColumn("id", "BIGINT", "Key of the deleted row.", nullable=False),
        DeltaColumn("as_of", "TIMESTAMP", "What the evidence of absence speaks of, UTC.", nullable=False),
        DeltaColumn("reason", "STRING", "absent from dump, not returned by API, or post deleted.", nullable=False),
        DeltaColumn("post_id", "BIGINT", "The deleted post that took this row along."),
    ),
    PLAIN,
)

# Every table of silver by its name.
ALL_TABLES = (*schema.TABLES, LEDGER.name, TOMBSTONES.name)


def uri(lake: Lake, name: str) -> str:
    """Address of the Delta table for Spark and deltalake."""
    return lake.uri(paths.silver(name))


def create_statement(table: DeltaTable, address: str) -> str:
    """SQL that creates the table where there is none."""
    columns = ",\n  ".join(column_sql(column, required=not column.nullable) for column in table.columns)
    told = ", ".join(f"{spark_literal(name)} = {spark_literal(value)}" for name, value in properties(table).items())
    return (
        f"CREATE TABLE IF NOT EXISTS {quoted_path(address)} (\n  {columns}\n) USING DELTA PARTITIONED BY (site)\n"
        f"COMMENT {spark_literal(table.description)} TBLPROPERTIES ({told})"
    )


def properties(table: DeltaTable) -> dict[str, str]:
    """The properties that a table carries: the declared ones and the release that gave it its form."""
    return {**table.properties, RELEASE: release.THIS}


def column_sql(column: DeltaColumn, required: bool) -> str:
    """One column as SQL declares it."""
    null = " NOT NULL" if required else ""
    return f"`{column.name}` {column.type}{null} COMMENT {spark_literal(column.description)}"


def spark_literal(text: str) -> str:
    """A Spark SQL string spark_literal of this text."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quoted_path(address: str) -> str:
    """A Delta table named by its address."""
    return "delta.`" + address.replace("`", "``") + "`"
