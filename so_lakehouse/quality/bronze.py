"""What must hold of one table of one dump after reading, judged from its manifest alone (and the release before it).

The outcomes go into the manifest before it is published: silver reads only what passed.
"""

from __future__ import annotations

from so_lakehouse.lake.manifests import BronzeManifest, CheckOutcome
from so_lakehouse.quality import CheckDeclaration, losses, quarantine
from so_lakehouse.quality.quarantine import ROWS_FLOOR, SHARE_LIMIT, Finding

DECLARATIONS = (
    CheckDeclaration("rows_conserved", True, "Rows in the file = rows in bronze + rows in quarantine."),
    CheckDeclaration(
        "quarantine_small",
        True,
        f"Not more than {SHARE_LIMIT:.0%} of the rows, or {ROWS_FLOOR}, could not be read.",
    ),
    CheckDeclaration("quarantine_empty", False, "Every row could be read."),
    CheckDeclaration("table_in_archive", False, "The archive holds this table."),
    CheckDeclaration("encoding_as_declared", False, "The file is in the encoding that it declares, and that is UTF-8."),
    CheckDeclaration("columns_known", False, "The file has no attribute that the schema does not declare."),
    # Silver decides on deletions (`deletions_plausible`); this shows the loss one layer earlier.
    CheckDeclaration(
        "row_count_plausible", False, "The table did not shrink by more than a tenth since the last release."
    ),
)


def outcomes(manifest: BronzeManifest, previous: BronzeManifest | None) -> tuple[CheckOutcome, ...]:
    """The outcome of every declared check. `previous` is the newest dump of this table with an earlier cut, if any."""
    where = f"{manifest.table} of {manifest.site}, release {manifest.release}"
    findings = {
        "rows_conserved": quarantine.conserved(
            where, "rows in file", manifest.rows_in_file, manifest.rows, manifest.quarantined, "archive"
        ),
        "quarantine_small": quarantine.small(
            where,
            manifest.site,
            manifest.rows_in_file,
            manifest.quarantined,
            "If the release is broken, wait for its re-issue.",
        ),
        "quarantine_empty": quarantine.empty(where, manifest.quarantined),
        "table_in_archive": _table_in_archive(manifest, where),
        "encoding_as_declared": _encoding_as_declared(manifest, where),
        "columns_known": quarantine.known(
            where,
            "attributes",
            manifest.unknown_attributes,
            "declare them in so_lakehouse/schema.py to give them columns.",
        ),
        "row_count_plausible": _row_count_plausible(manifest, previous, where),
    }
    return tuple(
        CheckOutcome(declared.name, passed, declared.blocking, detail, metadata)
        for declared in DECLARATIONS
        for passed, detail, metadata in [findings[declared.name]]
    )


def _table_in_archive(manifest: BronzeManifest, where: str) -> Finding:
    if manifest.present:
        return True, f"{where}: in the archive.", {}
    return False, f"{where}: the archive lacks this table; silver keeps the rows it has.", {}


def _encoding_as_declared(manifest: BronzeManifest, where: str) -> Finding:
    if manifest.encoding in ("", "utf-8"):
        return True, f"{where}: UTF-8.", {}
    return False, f"{where}: the file is in {manifest.encoding}. It was read so.", {"encoding": manifest.encoding}


def _row_count_plausible(manifest: BronzeManifest, previous: BronzeManifest | None, where: str) -> Finding:
    if previous is None or not previous.present or not manifest.present:
        return True, f"{where}: no earlier release to compare with.", {"rows": manifest.rows}
    lost = previous.rows_in_file - manifest.rows_in_file
    metadata = {"rows": manifest.rows_in_file, "previous_rows": previous.rows_in_file, "previous": previous.release}
    if not losses.is_too_much(lost, previous.rows_in_file):
        return True, f"{where}: {manifest.rows_in_file:,} rows after {previous.rows_in_file:,}.", metadata
    return (
        False,
        f"{where}: {manifest.rows_in_file:,} rows, but release {previous.release} had {previous.rows_in_file:,}. "
        "Compare with the publisher before you accept the deletions with --accept-shrink.",
        metadata,
    )
