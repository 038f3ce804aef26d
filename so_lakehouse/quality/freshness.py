"""Whether a site is current: the newest day that silver holds of it whole is not older than so many hours, and none
before it is missing that nobody asks for.

Declared and judged here, for the check in Dagster and for alerts alike. What silver holds, `api/current.py` tells.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from so_lakehouse.api.days import DAYS_BACK
from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.quality import CheckDeclaration

if TYPE_CHECKING:
    from so_lakehouse.api.current import Standing  # deltalake takes a second, which loading definitions need not spend

SITE_CURRENT = CheckDeclaration(
    "site_current",
    False,
    "Where days of the site are asked for: the newest one that silver holds whole ended not longer ago than "
    "LAKEHOUSE_LATE_AFTER hours, and no earlier one is missing that is too old to be asked for by itself.",
)


def outcome(standing: Standing, now: datetime, late_after: int) -> CheckOutcome:
    """What the check says of a site at a moment. A site of which no days are asked cannot be late: it is as new as its
    newest dump; nor can one without a limit (0). One that is asked for the first time has as long as any day."""
    site, whole_to = standing.site, standing.whole_to
    told = f"{whole_to:%Y-%m-%d %H:%M} UTC" if whole_to else "nowhere"
    if standing.asked_since is None:
        return _said(True, f"{site}: no days of it are asked for; silver reaches to {told}.", standing)
    if not late_after:
        return _said(True, f"{site}: silver reaches to {told}; here it is never late.", standing)
    counted_from = max(filter(None, (whole_to, standing.asked_since)))
    if now - counted_from <= timedelta(hours=late_after):
        if gap_from := gap(standing, now):
            why = (
                f"{site}: silver has days up to {told}, and {gap_from} is missing, so its tables are whole only to the "
                f"day before. By themselves the newest {DAYS_BACK} days are asked for."
            )
            return _said(False, why, standing)
        return _said(True, f"{site}: silver reaches to {told}.", standing)
    hours = (now - counted_from) / timedelta(hours=1)
    why = (
        f"{site}: silver reaches to {told}, which is {hours:.0f} hours ago; days are asked for, and the limit is "
        f"{late_after} hours."
    )
    return _said(False, why, standing)


def gap(standing: Standing, now: datetime) -> date | None:
    """The first day that is missing since the dump and too old to be asked for by itself; None where there is none."""
    if standing.without_gap_to is None or now - standing.without_gap_to <= timedelta(days=DAYS_BACK + 2):
        return None
    return (standing.without_gap_to + timedelta(days=1)).date()


def _said(passed: bool, detail: str, standing: Standing) -> CheckOutcome:
    noted = {"whole_to": standing.whole_to.isoformat() if standing.whole_to else ""}
    return CheckOutcome(SITE_CURRENT.name, passed, SITE_CURRENT.blocking, detail, noted)
