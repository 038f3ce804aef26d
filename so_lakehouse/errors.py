"""The errors that people are meant to read: what happened, to what, and what to do now.

`LakehouseError` and its subclasses end a command with their message and exit code 1, without a traceback.
Anything else that escapes is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from so_lakehouse.lake.manifests import CheckOutcome


class LakehouseError(Exception):
    """Something the user can act on. The message holds the whole story; nothing was published."""


class BadInput(LakehouseError):
    """What came in cannot be used: a broken archive, an unknown site, a wrong checksum."""


class Damaged(BadInput):
    """Landed bytes are not whole. They are set aside, so that the next run lands them anew."""


class Unavailable(LakehouseError):
    """Something this needs is not there now: Java, Postgres, disk space, the network."""


class Refused(Unavailable):
    """The API says no, and will say so again: to this question, and most likely to every other."""


class CheckFailed(LakehouseError):
    """A blocking check refused data. Says which check, where, why and what to do.

    `outcomes`: by table, what checks said that judge before anything is written; what others said lies in the data.
    """

    def __init__(self, message: str, outcomes: Mapping[str, tuple[CheckOutcome, ...]] | None = None) -> None:
        super().__init__(message)
        self.outcomes = dict(outcomes or {})
