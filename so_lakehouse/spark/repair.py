"""Puts a site's books in order before anything is planned: commits that a crash left unrecorded, and rows that somebody
else has lost, doubled or changed.

Belongs here: keys and ledger. Not here: what the rows should say, which the rebuild then finds out from bronze.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from so_lakehouse import failpoints, schema
from so_lakehouse.errors import BadInput
from so_lakehouse.lake import gates, ledger, plain, silver_tables
from so_lakehouse.lake.ledger import FOUND, Ledger, LedgerRow
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.strangers import strange_commits
from so_lakehouse.progress import Progress
from so_lakehouse.settings import Settings
from so_lakehouse.spark import clean, read, write
from so_lakehouse.spark.migrate import bring_up


def ledger_in_order(spark: SparkSession, lake: Lake, site: str, names: Sequence[str], progress: Progress) -> Ledger:
    """The ledger with what a crash left out, before any other commit can make Delta forget the one that carries it.

    Raises `BadInput` where a table is older than what was recorded of it.
    """
    bring_up(spark, lake, silver_tables.LEDGER, progress)
    known = ledger.load(lake, site, {*names, "posts"})
    for name in names:
        delta, recorded = ledger.open_delta(lake, name), known.last_change(name)
        held = -1 if delta is None else delta.version()
        if recorded is not None and held < recorded:
            raise BadInput(
                f"silver/{name} is {'gone' if delta is None else f'at version {held}'}, but version {recorded} of it "
                f"was recorded: it was removed or set back. Restore it, or remove all of {lake.uri('silver')} and run "
                "each site again: bronze has what silver needs."
            )
    plain.record(lake, known.unrecorded)
    return known


def as_to_rebuild(
    spark: SparkSession,
    lake: Lake,
    site: str,
    names: Sequence[str],
    known: Ledger,
    settings: Settings,
    rebuild: bool,
) -> Ledger:
    """The ledger as the plan shall see it: tables to rebuild look as if other rules had made them.

    Those are all where a rebuild is asked for, and else those of which somebody else has changed rows of the site: for
    as long as the gate stands before that commit, so also where an earlier rebuild was interrupted.
    """
    gated = gates.load(lake, site)
    tables = {n: delta for n in names if (delta := ledger.open_delta(lake, n)) is not None}
    suspect = [
        n
        for n, delta in tables.items()
        if rebuild or (n in gated and strange_commits(lake, n, delta, site, gated[n].version))
    ]
    repaired = [n for n in suspect if _repair(spark, lake, site, n, known, settings.keep_personal)]
    seen = ledger.load(lake, site, {*names, "posts"}) if repaired else known
    return seen.by_other_rules(suspect)


def _repair(spark: SparkSession, lake: Lake, site: str, name: str, known: Ledger, keep_personal: bool) -> bool:
    """Leaves one row for each key, and makes the ledger add up to them; False where that was so. In one commit.

    What stays of a doubled key may be either row: the comparison with bronze follows. The caller holds the table's lock
    and has recorded every commit.
    """
    applied = known.of(name)
    if not applied:
        return False
    rows = read.silver_rows(spark, lake, name, site)
    held, keyed = rows.agg(F.count(F.lit(1)), F.countDistinct("Id")).collect()[0]
    missing = keyed - ledger.rows_held(applied)
    if held == keyed and not missing:
        return False
    row = LedgerRow(
        site=site,
        table_name=name,
        source=FOUND,
        partition="rebuild",
        data_version=f"after {applied[-1].data_version}",
        rule_version=clean.rule_version(schema.table(name), keep_personal),
        applied_at=datetime.now(UTC),
        rows_in=max(missing, 0),
        rows_inserted=max(missing, 0),
        rows_deleted=max(-missing, 0),
    )
    failpoints.reach("silver.before_repair")
    if held == keyed:
        plain.record(lake, [row])
        return True
    table = silver_tables.silver_table(schema.table(name), keep_personal)
    single = rows.where(F.col("Id").isNotNull()).dropDuplicates(["Id"]).drop("site")
    write.replace_site(single, lake, table, site, ledger.commit_metadata([row]))
    failpoints.reach("silver.repaired")
    plain.record(lake, ledger.load(lake, site, [name]).unrecorded)
    return True
