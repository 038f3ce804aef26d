"""What must hold of one day of the API in raw. Nothing here stops a day: what came is evidence, whatever is missing."""

from __future__ import annotations

from so_lakehouse.api.fetch import FetchedDay
from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.quality import CheckDeclaration

DECLARATIONS = (CheckDeclaration("day_covered", False, "The whole day was asked for, and answered."),)


def outcomes(day: FetchedDay, where: str) -> tuple[CheckOutcome, ...]:
    """The outcome of every declared check. `where` names entity, site and day for people."""
    if day.missing:
        detail = f"{where}: {day.missing} What came is kept; run the day again for the rest."
        return (CheckOutcome("day_covered", False, False, detail),)
    return (CheckOutcome("day_covered", True, False, f"{where}: whole."),)
