"""What must hold of one day's pages of one entity after reading, judged from their manifest alone.

The outcomes go into the manifest before it is published: silver reads only what passed. Thresholds are those of dumps.
"""

from __future__ import annotations

from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.quality import CheckDeclaration, quarantine
from so_lakehouse.quality.quarantine import ROWS_FLOOR, SHARE_LIMIT, Finding

DECLARATIONS = (
    CheckDeclaration("items_conserved", True, "Items in the pages = rows in bronze + rows in quarantine."),
    CheckDeclaration(
        "quarantine_small",
        True,
        f"Not more than {SHARE_LIMIT:.0%} of the items, or {ROWS_FLOOR}, could not be read.",
    ),
    CheckDeclaration("quarantine_empty", False, "Every item could be read."),
    CheckDeclaration("fields_known", False, "The items have no field that was not asked for."),
    CheckDeclaration("day_whole", False, "The fetches together cover the whole day."),
)


def outcomes(manifest: PagesManifest) -> tuple[CheckOutcome, ...]:
    """The outcome of every declared check."""
    where = f"{manifest.entity} of {manifest.site}, {manifest.day}"
    total, refused = manifest.items, manifest.quarantined
    findings: dict[str, Finding] = {
        "items_conserved": quarantine.conserved(where, "items in the pages", total, manifest.rows, refused, "pages"),
        "quarantine_small": quarantine.small(where, manifest.site, total, refused, "The API may have changed."),
        "quarantine_empty": quarantine.empty(where, refused),
        "fields_known": quarantine.known(
            where, "fields", manifest.unknown_fields, "so_lakehouse/api/fields.py gives them columns."
        ),
        "day_whole": _day_whole(manifest, where),
    }
    return tuple(
        CheckOutcome(declared.name, passed, declared.blocking, detail, metadata)
        for declared in DECLARATIONS
        for passed, detail, metadata in [findings[declared.name]]
    )


def _day_whole(manifest: PagesManifest, where: str) -> Finding:
    if manifest.is_whole:
        return True, f"{where}: the whole day was asked for.", {}
    return False, f"{where}: a part of the day is still to be asked for; run the day again.", {}
