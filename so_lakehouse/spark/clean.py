"""Cleaning: bronze rows in, silver's values and the refused rows out. DataFrame to DataFrame; reads and writes nothing.

Belongs here: what is wrong with a row by itself or beside its copies in the same file, and how silver spells a value.
Not here: what older or newer evidence says (`spark/state.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from so_lakehouse.lake.silver_tables import accounts_gone
from so_lakehouse.schema import FABRICATED_POST_IDS, POSTS, Table, Type
from so_lakehouse.schema_api import entities_of
from so_lakehouse.schema_forms import silver_columns

# Raise it when a rule of silver changes its outcome: every site is then rebuilt from bronze. Columns, types,
# allow-lists, fabricated posts and what pages tell are part of the version by themselves.
RULES = 2

REASON, DETAIL = "_reason", "_detail"
EQUAL_KEY = "equal_key"
FABRICATED = "fabricated"


def rule_version(table: Table, keep_personal: bool) -> str:
    """Names the cleaning of a table: another name means another outcome is possible, so silver is rebuilt."""
    facts = {
        "columns": [[column.name, column.type, column.nullable] for column in silver_columns(table, keep_personal)],
        "allowed": [[column.name, sorted(column.allowed)] for column in table.columns if column.allowed],
        "derived": [[gone.name, gone.user_id, gone.display_name] for gone in accounts_gone(table)],
        "fabricated": sorted(FABRICATED_POST_IDS) if table.name == POSTS.name else [],
        "pages": [[entity.name, entity.post_type, sorted(entity.columns)] for entity in entities_of(table)],
    }
    return f"{RULES}.{hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Fault:
    """Something wrong with a row by itself. `reason` is a code, `detail` a sentence with the value."""

    reason: str
    found: Column
    detail: Column


def faults(table: Table) -> list[Fault]:
    """What can be wrong with one row of a table, worst first: from the schema and what is known of fabricated posts."""
    found = []
    if table is POSTS:
        fabricated = F.col("Id").isin(sorted(FABRICATED_POST_IDS))
        found.append(Fault(FABRICATED, fabricated, F.lit("no such post exists; releases of 2025-06 made it up")))
    for column in table.columns:
        if not column.nullable and column.name != "Id":
            found.append(Fault("missing_value", F.col(column.name).isNull(), F.lit(f"{column.name} is missing")))
    for column in table.columns:
        if column.allowed:
            strange = ~F.col(column.name).isin(sorted(column.allowed))
            detail = F.concat(F.lit(f"{column.name} is "), F.col(column.name).cast("string"))
            found.append(Fault("not_allowed", strange, detail))
    return found


def judged(rows: DataFrame, table: Table) -> DataFrame:
    """The rows with `_reason` and `_detail`: the worst fault of each, null where it has none."""
    known = faults(table)
    reason = F.coalesce(*(F.when(fault.found, F.lit(fault.reason)) for fault in known), F.lit(None).cast("string"))
    detail = F.coalesce(*(F.when(fault.found, fault.detail) for fault in known), F.lit(None).cast("string"))
    return rows.withColumns({REASON: reason, DETAIL: detail})


def faultless(rows: DataFrame, table: Table) -> DataFrame:
    """The rows of `judged` that have no fault, without the judgement."""
    return judged(rows, table).where(F.col(REASON).isNull()).drop(REASON, DETAIL)


def repeated_keys(rows: DataFrame) -> DataFrame:
    """The keys (`Id`) that occur more than once."""
    return rows.groupBy("Id").count().where("count > 1").select("Id")


@dataclass(frozen=True)
class Settled:
    """Rows with a key that occurs more than once: `kept` has one per key, `refused` the others that differ from it."""

    kept: DataFrame
    refused: DataFrame


def settle_equal_keys(rows: DataFrame, table: Table) -> Settled:
    """Keeps one row per key: of identical ones the last, of different ones the newest edit, then the last position.

    `rows` are all copies of the repeated keys. What is neither kept nor refused was a copy of one of those.
    """
    names = [column.name for column in table.columns if column.name != "Id"]
    extra = F.array_sort(F.map_entries("_extra"))
    copies = Window.partitionBy("Id", *names, extra).orderBy(F.desc("_offset"))
    edited = [F.desc_nulls_last("LastEditDate")] if "LastEditDate" in names else []
    by_key = Window.partitionBy("Id").orderBy(*edited, F.desc("_offset"))
    distinct = rows.withColumn("_copy", F.row_number().over(copies)).where("_copy = 1").drop("_copy")
    ranked = distinct.withColumn("_rank", F.row_number().over(by_key))
    return Settled(ranked.where("_rank = 1").drop("_rank"), ranked.where("_rank > 1").drop("_rank"))


def one_per_key(rows: DataFrame, table: Table, equal_keys: bool) -> DataFrame:
    """Faultless rows with one row per key. `equal_keys` False: known to be so already, nothing is shuffled."""
    if not equal_keys:
        return rows
    repeated = repeated_keys(rows)
    settled = settle_equal_keys(rows.join(repeated, "Id", "left_semi"), table)
    return rows.join(repeated, "Id", "left_anti").unionByName(settled.kept)


def refused(rows: DataFrame, table: Table, equal_keys: bool) -> DataFrame:
    """What goes to quarantine, with the columns of `schema_forms.QUARANTINE_SCHEMA`."""
    bad = judged(rows, table).where(F.col(REASON).isNotNull())
    if equal_keys:
        good = faultless(rows, table)
        copies = settle_equal_keys(good.join(repeated_keys(good), "Id", "left_semi"), table).refused
        sentence = F.lit("another row of this file has the same Id and a newer edit or a later position")
        bad = bad.unionByName(copies.withColumns({REASON: F.lit(EQUAL_KEY), DETAIL: sentence}))
    content = F.struct(*(F.col(name) for name in rows.columns if name != "_offset"))
    return bad.select(
        F.col("_offset").alias("byte_offset"),
        F.col(REASON).alias("reason"),
        F.col(DETAIL).alias("detail"),
        F.col("Id").alias("id"),
        F.encode(F.to_json(content), "UTF-8").alias("raw"),
    )


def shaped(rows: DataFrame, table: Table, keep_personal: bool, beside: Sequence[str] = ()) -> DataFrame:
    """The rows as silver spells them: kept columns in declared order, tag lists, lower-case GUIDs, derived booleans;
    then the columns `beside` as they are.
    """
    columns = [_value(column.name, column.type).alias(column.name) for column in silver_columns(table, keep_personal)]
    derived = [
        (F.col(gone.user_id).isNull() & F.col(gone.display_name).isNotNull()).alias(gone.name)
        for gone in accounts_gone(table)
    ]
    return rows.select(*columns, *derived, *beside)


def _value(name: str, type: Type) -> Column:
    if type is Type.TAGS:  # `<a><b>` and `|a|b|`; a tag's name holds none of these three characters
        return F.filter(F.split(F.col(name), r"[<>|]+"), lambda tag: tag != "")
    if name == "RevisionGUID":  # upper and lower case alternate between releases
        return F.lower(F.col(name))
    return F.col(name)
