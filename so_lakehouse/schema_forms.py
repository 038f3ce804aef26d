"""The declared schema as each engine spells it: Arrow for bronze, Spark for silver, Postgres for the warehouse.

Belongs here: translation only. Facts about columns are in `schema.py`; a test proves that all forms agree.
"""

from __future__ import annotations

import re

import pyarrow as pa

from so_lakehouse.schema import Column, Table, Type

ARROW: dict[Type, pa.DataType] = {
    Type.SMALLINT: pa.int16(),
    Type.INTEGER: pa.int32(),
    Type.BIGINT: pa.int64(),
    Type.BOOLEAN: pa.bool_(),
    Type.TEXT: pa.string(),
    Type.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    Type.TAGS: pa.string(),
}

SPARK: dict[Type, str] = {
    Type.SMALLINT: "SMALLINT",
    Type.INTEGER: "INT",
    Type.BIGINT: "BIGINT",
    Type.BOOLEAN: "BOOLEAN",
    Type.TEXT: "STRING",
    Type.TIMESTAMP: "TIMESTAMP",
    Type.TAGS: "ARRAY<STRING>",
}

POSTGRES: dict[Type, str] = {
    Type.SMALLINT: "smallint",
    Type.INTEGER: "integer",
    Type.BIGINT: "bigint",
    Type.BOOLEAN: "boolean",
    Type.TEXT: "text",
    Type.TIMESTAMP: "timestamptz",
    Type.TAGS: "text[]",
}

# What bronze adds to the publisher's columns: attributes the schema does not know, and where the row began.
BRONZE_EXTRA = pa.field("_extra", pa.map_(pa.string(), pa.string()))
BRONZE_OFFSET = pa.field("_offset", pa.int64(), nullable=False)


def snake_case(name: str) -> str:
    """The publisher's name as SQL people write it: `PostTypeId` → `post_type_id`, `RevisionGUID` → `revision_guid`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def bronze_schema(table: Table) -> pa.Schema:
    """Arrow schema of a bronze table: the publisher's columns in declared order, then `_extra` and `_offset` (byte)."""
    columns: list[pa.Field] = [
        pa.field(column.name, ARROW[column.type], nullable=column.name != "Id") for column in table.columns
    ]
    return pa.schema([*columns, BRONZE_EXTRA, BRONZE_OFFSET])


QUARANTINE_SCHEMA = pa.schema(
    [
        pa.field("byte_offset", pa.int64(), nullable=False),  # of the row's `<`, in the unpacked member
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string()),  # for people: which attribute, what was read
        pa.field("id", pa.int64()),  # the row's key where it could be read
        pa.field("raw", pa.binary(), nullable=False),
    ]
)


def silver_columns(table: Table, keep_personal: bool) -> tuple[Column, ...]:
    """The publisher's columns that silver keeps: all, without those about people unless the setting keeps them."""
    return tuple(column for column in table.columns if keep_personal or not column.personal)
