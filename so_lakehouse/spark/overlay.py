"""Pages over dumps: a key's newest statement decides its presence and the columns that pages tell; a dump the others.

DataFrame to DataFrame. Belongs here: the two clocks of a row. Not here: reading pages (`pages.py`), folding dumps
(`state.py`).

A statement is one page's word on one key: `_as_of` (when it was fetched), `_present`, silver's columns as the page
tells them, `_kept` (how a row that rests on it is marked), and `_input` (the input to count it under; null: counted
before). A decided row is a row of silver with `_alive`, `_gone_as_of`, `_gone_reason`, `_gone_post` (why not, where it
is not), `_base` (whether the newest dump tells the row, or older ones in its place; null: no dump does), and of its
newest statement `_input`, `_present` and `_heard` (whether that comes before the row's own evidence in `newest_first`).
"""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from so_lakehouse.lake.ledger import DUMP, KEPT
from so_lakehouse.lake.silver_tables import accounts_gone
from so_lakehouse.lake.tombstones import NOT_RETURNED
from so_lakehouse.schema import Table, Type
from so_lakehouse.schema_api import entities_of
from so_lakehouse.schema_forms import silver_columns

ALIVE, BASE, INPUT, PRESENT, HEARD = "_alive", "_base", "_input", "_present", "_heard"
GONE_AS_OF, GONE_REASON, GONE_POST = "_gone_as_of", "_gone_reason", "_gone_post"
DECISION = (ALIVE, BASE, INPUT, PRESENT, HEARD, GONE_AS_OF, GONE_REASON, GONE_POST)
SAID = "said_"  # prefix of a statement's columns where they stand beside a row's


def value_columns(table: Table, keep_personal: bool) -> list[str]:
    """Silver's columns of a table without site and bookkeeping: the publisher's and the derived."""
    return [
        *(column.name for column in silver_columns(table, keep_personal)),
        *(gone.name for gone in accounts_gone(table)),
    ]


def newest_first(table: Table, keep_personal: bool) -> list[Column]:
    """The order in which statements on one key count: at one instant presence beats absence, and the greater content
    the lesser.

    (What is absent has no content: a derived boolean is false on a page and unknown of a remembered sweep, and that
    must not decide.)
    """
    return [F.desc("_as_of"), F.desc("_present"), F.desc(F.when(F.col("_present"), content(table, keep_personal)))]


def content(table: Table, keep_personal: bool, prefix: str = "") -> Column:
    """What a page tells of a row, as one value that has an order: dates first, so that the newer edit is the greater.

    The same of the page and of the row that rests on it, whatever the dump adds: columns that pages do not tell are
    left out, and dates are whole seconds. So the order in which pages of one instant arrive does not decide.
    """
    told, dates = told_by_pages(table, prefix), _dates(table, keep_personal)
    names = [name for name in value_columns(table, keep_personal) if name in told and name != "Id"]
    values = {name: F.date_trunc("second", prefix + name) if name in dates else F.col(prefix + name) for name in names}
    ordered = sorted(names, key=lambda name: name not in dates)
    return F.struct(*(F.when(told[name], values[name]).alias(name) for name in ordered))


def undisputed(base: DataFrame) -> DataFrame:
    """Decided rows where no page says anything."""
    nothing = {name: F.lit(None).cast(kind) for name, kind in _UNSAID.items()}
    flags = {ALIVE: F.lit(True), BASE: _source(), HEARD: F.lit(False)}
    return base.withColumns(flags | nothing)


def _source() -> Column:
    return F.when(F.col("_kept").isNull(), F.lit(DUMP)).otherwise(F.lit(KEPT))


_UNSAID = {INPUT: "string", PRESENT: "boolean", GONE_AS_OF: "timestamp", GONE_REASON: "string", GONE_POST: "bigint"}


def decided(base: DataFrame, newest: DataFrame, table: Table, keep_personal: bool, cut: datetime | None) -> DataFrame:
    """Decided rows: every key of either side once.

    `base` is rows in silver's form; `cut` is what those without `_as_of` speak of (None: there was no dump); `newest`
    has at most one statement per key.
    """
    said = newest.select(*(F.col(name).alias(SAID + name) for name in newest.columns))
    joined = base.withColumn(BASE, _source()).join(said, F.col("Id") == F.col(SAID + "Id"), "full_outer")
    evidence = F.coalesce("_as_of", F.lit(cut).cast("timestamp"))
    newer = F.col(BASE).isNull() | evidence.isNull() | (F.col(SAID + "_as_of") > evidence)
    # Of one instant with a row that rests on a page (no page is fetched in a cut's microsecond).
    tied = F.coalesce(F.col(SAID + "_as_of") == F.col("_as_of"), F.lit(False)) & F.col(SAID + "_present")
    newer = newer | (tied & (content(table, keep_personal, SAID) > content(table, keep_personal)))
    # A column of its own: written out in every column's expression it would make a plan of thousands of nodes.
    joined = joined.withColumn(HEARD, F.col(SAID + "Id").isNotNull() & newer)
    present = F.col(HEARD) & F.col(SAID + "_present")
    absent = F.col(HEARD) & ~F.col(SAID + "_present")
    columns = {"Id": F.coalesce("Id", SAID + "Id")} | _values(table, keep_personal, present)
    columns |= {
        "_as_of": F.when(present, F.col(SAID + "_as_of")).otherwise(F.col("_as_of")),
        "_kept": F.when(present, F.col(SAID + "_kept")).otherwise(F.col("_kept")),
        ALIVE: ~absent,
        BASE: F.col(BASE),
        INPUT: F.col(SAID + INPUT),
        PRESENT: F.col(SAID + PRESENT),
        HEARD: F.col(HEARD),
        GONE_AS_OF: F.when(absent, F.col(SAID + "_as_of")),
        GONE_REASON: F.when(absent, F.lit(NOT_RETURNED)),
        GONE_POST: F.lit(None).cast("bigint"),
    }
    return joined.select(*(column.alias(name) for name, column in columns.items()))


def _values(table: Table, keep_personal: bool, present: Column) -> dict[str, Column]:
    """What each column holds now, and `_dump_dates`: the dump's exact dates where a page's replace them."""
    told, dates = told_by_pages(table, SAID), _dates(table, keep_personal)
    columns: dict[str, Column] = {}
    replaced: list[Column] = []
    for name in value_columns(table, keep_personal):
        if name == "Id":
            continue
        if name not in told:
            columns[name] = F.col(name)
            continue
        value = _exact_date(name) if name in dates else F.col(SAID + name)
        columns[name] = F.when(present & told[name], value).otherwise(F.col(name))
        if name in dates:
            exact = _dump_date(name)
            lost = _fractional(exact) & ~columns[name].eqNullSafe(exact)
            replaced.append(F.when(lost, F.date_format(exact, "yyyy-MM-dd HH:mm:ss.SSSSSS")).alias(name))
    stash = F.nullif(F.to_json(F.struct(*replaced)), F.lit("{}")) if replaced else F.lit(None).cast("string")
    columns["_dump_dates"] = F.when(present, stash).otherwise(F.col("_dump_dates"))
    return columns


def _dates(table: Table, keep_personal: bool) -> set[str]:
    return {column.name for column in silver_columns(table, keep_personal) if column.type is Type.TIMESTAMP}


def told_by_pages(table: Table, prefix: str) -> dict[str, Column]:
    """For each column that pages tell: whether the page with this prefix tells it (posts: by the kind of post)."""
    told: dict[str, Column] = {}
    derived = {gone.user_id: gone.name for gone in accounts_gone(table)}
    for entity in entities_of(table):
        kind = F.lit(True) if entity.post_type is None else F.col(prefix + "PostTypeId") == entity.post_type
        for name in (*entity.columns, *(derived[column] for column in entity.columns if column in derived)):
            told[name] = told[name] | kind if name in told else kind
    return told


def _dump_date(name: str) -> Column:
    """The newest dump's exact date, whether or not a page has replaced it since."""
    return F.coalesce(F.get_json_object("_dump_dates", f"$.{name}").cast("timestamp"), F.col(name))


def _exact_date(name: str) -> Column:
    """A page's date; the dump's where that is the same second and tells the fraction too."""
    page = F.date_trunc("second", F.col(SAID + name))
    return F.when(F.date_trunc("second", _dump_date(name)) == page, _dump_date(name)).otherwise(page)


def _fractional(date: Column) -> Column:
    return date.isNotNull() & (date != F.date_trunc("second", date))
