"""The dumps that a table of a site rests on, oldest first: the newest, and older ones for what it is silent about.

Belongs here: which dumps these are, from manifests and ledger alone. Not here: whether they are to be taken in
(`waiting.py`), their rows (`spark/state.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from so_lakehouse.lake.ledger import DUMP, LedgerRow
from so_lakehouse.lake.manifests import BronzeManifest, bronze_manifests, issues_of
from so_lakehouse.lake.quarantine import CleaningManifest
from so_lakehouse.lake.storage import Lake


@dataclass(frozen=True)
class Dump:
    """One dump of one table with what cleaning found in it."""

    manifest: BronzeManifest
    cleaning: CleaningManifest

    @property
    def suspends_deletions(self) -> bool:
        """A row whose key cannot be read may be any row: then nothing counts as absent."""
        return self.manifest.quarantined_without_key > 0

    @property
    def is_open(self) -> bool:
        """Whether there are keys that this dump neither tells nor denies."""
        return self.suspends_deletions or self.cleaning.open_keys > 0


def supporting_dumps(
    eligible: Sequence[BronzeManifest], is_open: Callable[[BronzeManifest], bool]
) -> tuple[BronzeManifest, ...]:
    """The newest dump and, for as long as one is open, the one before it."""
    chain: list[BronzeManifest] = []
    for manifest in reversed(eligible):
        chain.insert(0, manifest)
        if not is_open(manifest):
            break
    return tuple(chain)


def applied_dumps(lake: Lake, table: str, site: str, applied: LedgerRow | None) -> tuple[BronzeManifest, ...]:
    """The dump that stands applied and those it rests on; empty where bronze does not hold them all any more."""
    if applied is None:
        return ()
    versions = [*(applied.rests_on.split(",") if applied.rests_on else ()), applied.data_version]
    held = {issue.data_version: issue for dump in bronze_manifests(lake, table, site) for issue in issues_of(dump)}
    return tuple(held[version] for version in versions) if held.keys() >= set(versions) else ()


def pages_after(dumps: Sequence[Dump], cut: datetime | None) -> datetime | None:
    """Pages fetched later may still say something beside these dumps, earlier ones not; None: all may.

    `cut`: the applied one, for where there are no dumps to ask.
    """
    if not dumps:
        return cut
    return None if dumps[0].is_open else dumps[0].manifest.cut_at


def overtaken_pages_before(lake: Lake, table: str, site: str, applied: LedgerRow | None) -> datetime | None:
    """Pages fetched until then are overtaken by what is applied; None: none is, or it cannot be told."""
    dumps = []
    for manifest in applied_dumps(lake, table, site, applied):
        cleaning = CleaningManifest.load(lake, table, site, DUMP, manifest.input)
        if cleaning is None or cleaning.data_version != manifest.data_version:
            return None
        dumps.append(Dump(manifest, cleaning))
    return pages_after(dumps, None)
