"""Pages over dumps: a key's newest statement decides its presence and the columns that pages tell; a dump the others.

DataFrame to DataFrame. Belongs here: the two clocks of a row. Not here: reading pages (`pages.py`), folding dumps
(`state.py`).

A statement is one page's word on one key: `_as_of` (when it was fetched), `_present`, silver's columns as the page
tells them, and `_input` (the input to count it under; null: counted before).
"""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from so_lakehouse.lake.silver_tables import accounts_gone
from so_lakehouse.schema import Table, Type
from so_lakehouse.schema_api import entities_of
from so_lakehouse.schema_forms import silver_columns
from so_lakehouse.spark.compare import fingerprint

ALIVE, IN_BASE, INPUT = "_alive", "_in_base", "_input"
SAID = "said_"  # prefix of a statement's columns where they stand beside a row's


def value_columns(table: Table, keep_personal: bool) -> list[str]:
    """Silver's columns of a table without site and bookkeeping: the publisher's and the derived."""
    return [
        *(column.name for column in silver_columns(table, keep_personal)),
        *(gone.name for gone in accounts_gone(table)),
    ]


def newest_statements(statements: DataFrame, values: list[str]) -> DataFrame:
    """One statement per key, the newest.

    At one instant presence beats absence, then the values decide, so that the order of arrival does not.
    """
    by_key = Window.partitionBy("Id").orderBy(F.desc("_as_of"), F.desc("_present"), F.desc(fingerprint(values)))
    return statements.withColumn("_rank", F.row_number().over(by_key)).where("_rank = 1").drop("_rank")


def silent_overlay(base: DataFrame) -> DataFrame:
    """What `overlaid` returns where no page says anything."""
    return base.withColumns({ALIVE: F.lit(True), IN_BASE: F.lit(True), INPUT: F.lit(None).cast("string")})


def overlaid(base: DataFrame, newest: DataFrame, table: Table, keep_personal: bool, cut: datetime | None) -> DataFrame:
    """Every key of either side once, with `_alive` (false: its newest statement is that it is gone), `_in_base` and
    `_input` of the statement that decided it (null: none did, or it was counted before).

    `base` is rows in silver's form; `cut` is what those without `_as_of` speak of (None: there was no dump).
    """
    said = newest.select(*(F.col(name).alias(SAID + name) for name in newest.columns))
    joined = base.withColumn(IN_BASE, F.lit(True)).join(said, F.col("Id") == F.col(SAID + "Id"), "full_outer")
    evidence = F.coalesce("_as_of", F.lit(cut).cast("timestamp"))
    heard = F.col(SAID + "Id").isNotNull() & (evidence.isNull() | (F.col(SAID + "_as_of") > evidence))
    present = heard & F.col(SAID + "_present")
    dates = _dates(table, keep_personal)
    told = _told(table)
    columns = {"Id": F.coalesce("Id", SAID + "Id")}
    for name in value_columns(table, keep_personal):
        if name != "Id":
            value = _exact_date(name) if name in dates else F.col(SAID + name)
            columns[name] = F.when(present & told.get(name, F.lit(False)), value).otherwise(F.col(name))
    exact = {name: _dump_date(name) for name in dates if name in told}
    replaced = [
        F.when(_fractional(date) & ~columns[name].eqNullSafe(date), _text(date)).alias(name)
        for name, date in exact.items()
    ]
    stash = F.to_json(F.struct(*replaced)) if replaced else F.lit("{}")
    columns |= {
        "_as_of": F.when(present, F.col(SAID + "_as_of")).otherwise(F.col("_as_of")),
        "_kept": F.col("_kept"),
        "_dump_dates": F.when(present, F.nullif(stash, F.lit("{}"))).otherwise(F.col("_dump_dates")),
        ALIVE: ~(heard & ~F.col(SAID + "_present")),
        IN_BASE: F.coalesce(F.col(IN_BASE), F.lit(False)),
        INPUT: F.when(heard, F.col(SAID + INPUT)),
    }
    return joined.select(*(column.alias(name) for name, column in columns.items()))


def _told(table: Table) -> dict[str, Column]:
    """For each column that pages tell: whether the page beside a row tells it (posts: it depends on the kind of post)."""
    told: dict[str, Column] = {}
    derived = {gone.user_id: gone.name for gone in accounts_gone(table)}
    for entity in entities_of(table):
        kind = F.lit(True) if entity.post_type is None else F.col(SAID + "PostTypeId") == entity.post_type
        for name in (*entity.columns, *(derived[column] for column in entity.columns if column in derived)):
            told[name] = told[name] | kind if name in told else kind
    return told


def _dates(table: Table, keep_personal: bool) -> list[str]:
    return [column.name for column in silver_columns(table, keep_personal) if column.type is Type.TIMESTAMP]


def _dump_date(name: str) -> Column:
    """The newest dump's exact date, whether or not a page has replaced it since."""
    return F.coalesce(F.get_json_object("_dump_dates", f"$.{name}").cast("timestamp"), F.col(name))


def _exact_date(name: str) -> Column:
    """A page's date; the dump's where that is the same second and tells the fraction too."""
    page = F.date_trunc("second", F.col(SAID + name))
    return F.when(F.date_trunc("second", _dump_date(name)) == page, _dump_date(name)).otherwise(page)


def _fractional(date: Column) -> Column:
    return date.isNotNull() & (date != F.date_trunc("second", date))


def _text(date: Column) -> Column:
    return F.date_format(date, "yyyy-MM-dd HH:mm:ss.SSSSSS")
