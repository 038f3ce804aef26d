"""Whether a dump may delete what it lacks: judged before anything is written, from what it would do to one table.

Belongs here: the two checks, their sentences, and the facts that they look at. Not here: finding those facts
(`spark/settle.py`), what is checked of a table that was written (`silver.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.quality import CheckDeclaration, losses

ACCEPT = "run again with --accept-shrink"


@dataclass(frozen=True)
class Deletions:
    """What a dump would do to one table of one site by what it lacks. `taken_back`: rows of which a dump before it
    tells other values than silver holds. `forgotten`: the quarter of the applied dump, where bronze no longer has what
    that told and this one, with rows that cannot be read, cannot tell it."""

    table: str
    site: str
    release: str
    revision: int
    deleted: int
    held: int
    taken_back: int = 0
    forgotten: str = ""
    accepted: bool = False

    @property
    def where(self) -> str:
        return f"{self.table} of {self.site}"


def _plausible(found: Deletions) -> tuple[bool, str]:
    told = f"release {found.release} would delete {found.deleted:,} of {found.held:,} rows of {found.where}"
    if not losses.is_too_much(found.deleted, found.held):
        return True, f"{told}."
    if found.accepted:
        return True, f"{told}; that was accepted."
    return False, (
        f"{told} ({found.deleted / found.held:.0%}; {losses.LIMIT}). No row of silver changed. Compare the release "
        f"with the publisher's site; if the deletions are real, {ACCEPT}."
    )


def _told(found: Deletions) -> tuple[bool, str]:
    if not found.forgotten or not (found.deleted or found.taken_back):
        return True, f"release {found.release} tells which rows of {found.where} it deletes."
    told = (
        f"revision {found.revision} of release {found.release} has rows of {found.where} that cannot be read, and "
        f"lacks {found.deleted:,} rows of the applied dump of {found.forgotten}, which bronze no longer has "
        f"(of {found.taken_back:,} others, only an older dump's values)"
    )
    if found.accepted:
        return True, f"{told}; that was accepted."
    return False, (
        f"{told}; which of these it deletes or has changed cannot be known. No row of silver changed. Look at the "
        f'unreadable rows (so-lakehouse sql --lake "select * from quarantine.rows"); to take it in as it is, {ACCEPT}.'
    )


_CHECKS: tuple[tuple[CheckDeclaration, Callable[[Deletions], tuple[bool, str]]], ...] = (
    (
        CheckDeclaration(
            "deletions_plausible", True, "No dump deletes over a tenth of the rows unless that is accepted."
        ),
        _plausible,
    ),
    (CheckDeclaration("deletions_told", True, "What a dump deletes is told by it, and not only unreadable."), _told),
)
DECLARATIONS = tuple(declared for declared, _ in _CHECKS)


def outcomes(found: Deletions) -> tuple[CheckOutcome, ...]:
    """What both checks say of a dump before it is taken in."""
    noted = {"release": found.release, "deleted": found.deleted, "held": found.held}
    judged = ((declared, judge(found)) for declared, judge in _CHECKS)
    return tuple(CheckOutcome(of.name, passed, of.blocking, told, dict(noted)) for of, (passed, told) in judged)


def none_yet(where: str) -> tuple[CheckOutcome, ...]:
    """The outcomes of a table (`posts of beer`) from which no dump could delete anything so far."""
    return tuple(CheckOutcome(of.name, True, of.blocking, f"{where}: nothing to delete so far.") for of in DECLARATIONS)
