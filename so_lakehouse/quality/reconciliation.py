"""What must hold of a reconciliation, judged from its numbers. Nothing here stops a site: whatever pages told in the
meantime, the next dump is right, and it is here.

`posts_present` is an error where it fails although every day had been asked for: then pages, sweeps or the converge do
not tell the truth. Where days are missing they explain it, and it is a warning that names them. Columns are reported in
the lake and the marts, and none is judged: votes and views move without any page being asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.quality import CheckDeclaration
from so_lakehouse.schema import POSTS

LEAST_SHARE = 0.99
MOST_DAYS_NAMED = 3  # more are a number

POSTS_PRESENT = CheckDeclaration(
    "posts_present",
    False,
    f"Of the questions and answers that were predicted at least {LEAST_SHARE:.0%} are in the next dump, and of those "
    f"in the next dump at least {LEAST_SHARE:.0%} were predicted.",
)
DAYS_WHOLE = CheckDeclaration(
    "days_whole", False, "Every day between the two cuts had been asked for whole within a day after the next cut."
)
DECLARATIONS = (POSTS_PRESENT, DAYS_WHOLE)


def outcomes(
    site: str, quarter: str, tables: Mapping[str, Mapping[str, Any]], missing_days: Mapping[str, Sequence[str]]
) -> tuple[CheckOutcome, ...]:
    """The outcome of every declared check; `tables` are rows of `reconciliation.tables` by table."""
    where = f"{site}, {quarter}"
    missing = sorted({day for days in missing_days.values() for day in days})
    whole = f"{len(missing):,} days had not been asked for whole by a day after the cut: {_named(missing)}."
    return (
        _posts_present(where, tables.get(POSTS.name), missing_days.get(POSTS.name, ())),
        CheckOutcome(
            DAYS_WHOLE.name,
            not missing,
            False,
            f"{where}: {whole if missing else 'every day had been asked for whole.'}",
            {"days_missing": len(missing)},
        ),
    )


def is_error(outcome: CheckOutcome) -> bool:
    """Whether a check that fails is an error and no warning, though it blocks nothing."""
    return outcome.name == POSTS_PRESENT.name and not outcome.passed and bool(outcome.metadata.get("is_unexplained"))


def share(part: int, whole: int) -> float:
    """Of nothing, all of it."""
    return part / whole if whole else 1.0


def _posts_present(where: str, posts: Mapping[str, Any] | None, missing: Sequence[str]) -> CheckOutcome:
    if posts is None:
        detail = f"{where}: the dumps do not both tell posts, so nothing is known of those that pages told."
        return CheckOutcome(POSTS_PRESENT.name, False, False, detail, {"is_unexplained": False})
    present, gone, extra = posts["rows_present"], posts["rows_missing"], posts["rows_extra"]
    kept, foreseen = share(present, present + gone), share(present, present + extra)
    passed = min(kept, foreseen) >= LEAST_SHARE
    told = (
        f"{where}: {kept:.2%} of {present + gone:,} predicted posts are in the next dump ({gone:,} are not), and "
        f"{foreseen:.2%} of its {present + extra:,} were predicted ({extra:,} were not)."
    )
    if not passed and missing:
        told += f" {len(missing):,} days between the cuts were not asked for whole, which may explain it: "
        told += f"{_named(missing)}."
    elif not passed:
        told += (
            " Every day had been asked for. Posts that are not in the dump were deleted and no sweep noticed "
            "(LAKEHOUSE_API_SWEEP); posts that were not predicted are answers that came back with an undeleted "
            "question, which no page tells, or are missing from pages of whole days, which is a defect: please report "
            "it."
        )
    metadata = {"share_present": kept, "share_predicted": foreseen, "is_unexplained": not passed and not missing}
    return CheckOutcome(POSTS_PRESENT.name, passed, False, told, metadata)


def _named(days: Sequence[str]) -> str:
    first = ", ".join(days[:MOST_DAYS_NAMED])
    return first if len(days) <= MOST_DAYS_NAMED else f"{first} and {len(days) - MOST_DAYS_NAMED:,} more"
