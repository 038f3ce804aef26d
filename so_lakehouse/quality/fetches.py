"""What must hold of one day of the API in raw. Nothing here stops a day: what came is evidence, whatever is missing."""

from __future__ import annotations

from so_lakehouse.api.by_ids import MOST_MISSING
from so_lakehouse.api.fetch import FetchedDay
from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.quality import CheckDeclaration

DECLARATIONS = (
    CheckDeclaration("day_covered", False, "The whole day was asked for, and answered; so were rows by their ids."),
    CheckDeclaration(
        "absences_plausible",
        False,
        f"In no batch of ids were more than {MOST_MISSING:.0%} missing; of such a batch no row counts as gone.",
    ),
)


def outcomes(day: FetchedDay, where: str) -> tuple[CheckOutcome, ...]:
    """The outcome of every declared check. `where` names entity, site and day for people."""
    covered = f"{day.missing} What came is kept; run the day again for the rest." if day.missing else "whole."
    refused = sum(fetch.refused_batches for fetch in day.fetches)
    absences = "every batch of ids can be believed."
    if refused:
        absences = (
            f"of {refused:,} batches of ids more than {MOST_MISSING:.0%} were missing, so none of their rows counts as "
            "gone. Look whether the API serves this site's rows; tomorrow's sweep asks again."
        )
    return (
        CheckOutcome("day_covered", not day.missing, False, f"{where}: {covered}"),
        CheckOutcome("absences_plausible", not refused, False, f"{where}: {absences}", {"refused": refused}),
    )
