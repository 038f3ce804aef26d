"""What is said of refused rows and unknown names, whatever they were read from: a dump's file or pages.

Belongs here: thresholds and sentences that several layers share. Not here: which checks there are.
"""

from __future__ import annotations

from collections.abc import Mapping

# A healthy source holds no unreadable row at all; past one in a hundred the source itself is in doubt. The floor keeps
# one bad row among fifty from stopping a site.
SHARE_LIMIT = 0.01
ROWS_FLOOR = 10

Finding = tuple[bool, str, dict]


def conserved(where: str, what: str, total: int, rows: int, quarantined: int, kept: str) -> Finding:
    """Whether every one of `total` (`what`: rows in the file, items in the pages) became a row or is in quarantine.

    `kept`: what to keep for a report where not.
    """
    counts = {what.replace(" ", "_"): total, "rows": rows, "quarantined": quarantined}
    if total == rows + quarantined:
        return True, f"{where}: all {total:,} {what} accounted for.", counts
    told = f"{where}: there are {total:,} {what}, but {rows + quarantined:,} were kept or quarantined. "
    return False, f"{told}This is a defect of the reader: keep the {kept} and report it.", counts


def small(where: str, site: str, total: int, quarantined: int, then: str) -> Finding:
    """Whether few enough were refused. `then`: what to do where not, once one has looked at them."""
    share = quarantined / total if total else 0.0
    metadata = {"share": share, "quarantined": quarantined}
    if quarantined <= ROWS_FLOOR or share <= SHARE_LIMIT:
        return True, f"{where}: {quarantined:,} rows in quarantine ({share:.2%}).", metadata
    return (
        False,
        f"{where}: {quarantined:,} of {total:,} rows ({share:.1%}) could not be read; the limit is {SHARE_LIMIT:.0%}. "
        'Look at them with so-lakehouse sql --lake "select reason, count(*) from quarantine.rows where site = '
        f"'{site}' group by 1\". {then}",
        metadata,
    )


def empty(where: str, quarantined: int) -> Finding:
    if not quarantined:
        return True, f"{where}: every row could be read.", {}
    return False, f"{where}: {quarantined:,} rows in quarantine.", {"quarantined": quarantined}


def known(where: str, what: str, unknown: Mapping[str, int], then: str) -> Finding:
    """Whether every name was expected; `what` they are (attributes, fields), `then` where to give them columns."""
    if not unknown:
        return True, f"{where}: no unknown {what}.", {}
    names = ", ".join(f"{name} ({count:,} rows)" for name, count in sorted(unknown.items()))
    told = f"{where}: {what} that the schema does not know: {names}. They are kept in _extra; {then}"
    return False, told, {"unknown": dict(unknown)}
