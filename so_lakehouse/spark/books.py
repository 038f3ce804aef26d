"""The rows that a plan puts into the ledger: one per input, and of its own what is counted beside inputs.

Belongs here: from counts (`tally.py`) to ledger rows. Not here: the ledger itself (`lake/ledger.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.ledger import KEPT, POSTS, LedgerRow
from so_lakehouse.spark import pages
from so_lakehouse.spark.cascade import Posts
from so_lakehouse.spark.settle import Evidence, Scope
from so_lakehouse.spark.tally import Tally

DELETIONS = "deletions"  # the ledger's partition of rows that went along with posts


def kept_rows(of: Scope, dump: LedgerRow, counts: Tally) -> list[LedgerRow]:
    """The ledger row of rows that older evidence tells where the newest dump is silent."""
    kept = counts.of_older()
    if not kept:
        return []
    row = of.row(KEPT, dump.partition, f"{dump.data_version}<{dump.rests_on}")
    return [counted(replace(row, rows_in=kept.total()), kept, rows_deleted=0)]


def page_rows(
    of: Scope,
    new: Sequence[PagesManifest],
    counts: Tally,
    evidence: Evidence | None,
    posts_row: LedgerRow | None,
    without_dump: bool = False,
) -> list[LedgerRow]:
    """The ledger rows of pages. `without_dump`: they are all the evidence, and rows that they do not tell go."""
    if evidence is None or not new:
        return []
    overtaken = pages.overtaken(evidence.statements)
    rows = []
    for manifest in new:
        name = pages.input_name(manifest)
        row = replace(
            of.row(pages.source(manifest), manifest.day, manifest.data_version),
            rows_in=manifest.rows,
            rows_quarantined=evidence.refused[name],
            cut_at=manifest.newest,
        )
        deleted = counts.deleted_by(name, with_posts=posts_row is None)
        if without_dump and manifest is new[-1]:
            deleted += counts.deleted_by_absence  # rows that nothing supports: somebody else's
        rows.append(counted(row, counts.of_pages(name) + overtaken[name], rows_deleted=deleted))
    return rows


def posts_row(of: Scope, posts: Posts) -> LedgerRow | None:
    """The ledger row of what goes along with posts; None where these were the last that rows were held against."""
    row = of.row(POSTS, DELETIONS, posts.version())
    last = next((applied for applied in reversed(of.applied) if applied.source == POSTS), None)
    return None if last is not None and last.input == row.input else row


def deletions(posts_row: LedgerRow | None, counts: Tally) -> list[LedgerRow]:
    return [replace(posts_row, rows_deleted=counts.deleted_with_posts)] if posts_row else []


def counted(row: LedgerRow, outcome: Mapping[str, int], rows_deleted: int) -> LedgerRow:
    return replace(row, rows_deleted=rows_deleted, **{name: getattr(row, name) + n for name, n in outcome.items()})
