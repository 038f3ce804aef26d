"""What must hold of one day's pages of one entity after reading, judged from their manifest alone.

The outcomes go into the manifest before it is published: silver reads only what passed. Thresholds are those of dumps.
"""

from __future__ import annotations

from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.quality import CheckDeclaration
from so_lakehouse.quality.bronze import QUARANTINE_ROWS_FLOOR, QUARANTINE_SHARE_LIMIT

DECLARATIONS = (
    CheckDeclaration("items_conserved", True, "Items in the pages = rows in bronze + rows in quarantine."),
    CheckDeclaration(
        "quarantine_small",
        True,
        f"Not more than {QUARANTINE_SHARE_LIMIT:.0%} of the items, or {QUARANTINE_ROWS_FLOOR}, could not be read.",
    ),
    CheckDeclaration("quarantine_empty", False, "Every item could be read."),
    CheckDeclaration("fields_known", False, "The items have no field that was not asked for."),
    CheckDeclaration("day_whole", False, "The fetches together cover the whole day."),
)

Finding = tuple[bool, str, dict]


def outcomes(manifest: PagesManifest) -> tuple[CheckOutcome, ...]:
    """The outcome of every declared check."""
    where = f"{manifest.entity} of {manifest.site}, {manifest.day}"
    findings: dict[str, Finding] = {
        "items_conserved": _items_conserved(manifest, where),
        "quarantine_small": _quarantine_small(manifest, where),
        "quarantine_empty": _quarantine_empty(manifest, where),
        "fields_known": _fields_known(manifest, where),
        "day_whole": _day_whole(manifest, where),
    }
    return tuple(
        CheckOutcome(declared.name, passed, declared.blocking, detail, metadata)
        for declared in DECLARATIONS
        for passed, detail, metadata in [findings[declared.name]]
    )


def _items_conserved(manifest: PagesManifest, where: str) -> Finding:
    counts = {"items": manifest.items, "rows": manifest.rows, "quarantined": manifest.quarantined}
    if manifest.items == manifest.rows + manifest.quarantined:
        return True, f"{where}: all {manifest.items:,} items accounted for.", counts
    return (
        False,
        f"{where}: the pages have {manifest.items:,} items but {manifest.rows + manifest.quarantined:,} were kept or "
        "quarantined. This is a defect of the reader: keep the pages and report it.",
        counts,
    )


def _quarantine_small(manifest: PagesManifest, where: str) -> Finding:
    share = manifest.quarantined / manifest.items if manifest.items else 0.0
    metadata = {"share": share, "quarantined": manifest.quarantined}
    if manifest.quarantined <= QUARANTINE_ROWS_FLOOR or share <= QUARANTINE_SHARE_LIMIT:
        return True, f"{where}: {manifest.quarantined:,} items in quarantine ({share:.2%}).", metadata
    return (
        False,
        f"{where}: {manifest.quarantined:,} of {manifest.items:,} items ({share:.1%}) could not be read; the limit is "
        f'{QUARANTINE_SHARE_LIMIT:.0%}. Look at them with so-lakehouse sql --lake "select reason, detail from '
        f"quarantine.rows where site = '{manifest.site}' and source = 'api/{manifest.entity}'\": the API may have "
        "changed.",
        metadata,
    )


def _quarantine_empty(manifest: PagesManifest, where: str) -> Finding:
    if not manifest.quarantined:
        return True, f"{where}: every item could be read.", {}
    return False, f"{where}: {manifest.quarantined:,} items in quarantine.", {"quarantined": manifest.quarantined}


def _fields_known(manifest: PagesManifest, where: str) -> Finding:
    if not manifest.unknown_fields:
        return True, f"{where}: every field was asked for.", {}
    names = ", ".join(f"{name} ({count:,} rows)" for name, count in sorted(manifest.unknown_fields.items()))
    return (
        False,
        f"{where}: fields that nobody asked for: {names}. They are kept in _extra; so_lakehouse/api/fields.py gives "
        "them columns.",
        {"unknown": dict(manifest.unknown_fields)},
    )


def _day_whole(manifest: PagesManifest, where: str) -> Finding:
    if manifest.is_whole:
        return True, f"{where}: the whole day was asked for.", {}
    return False, f"{where}: a part of the day is still to be asked for; run the day again.", {}
