"""How each entity is asked for, as data: its path, and the orders in which a day's rows are walked.

Questions and answers are walked by their last activity, which covers new and edited ones. Comments have no date of an
edit. Users are walked by their last change and by their creation: one who never changed anything has no date of a
change, and the API leaves out of an order whatever has no date for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from so_lakehouse.api.windows import Walk


@dataclass(frozen=True)
class Method:
    """`path` serves lists, `path/{ids}` rows by id."""

    path: str
    walks: tuple[Walk, ...]


_ACTIVITY = Walk("activity", "last_activity_date")
_CREATION = Walk("creation", "creation_date")

METHODS: dict[str, Method] = {
    "questions": Method("questions", (_ACTIVITY,)),
    "answers": Method("answers", (_ACTIVITY,)),
    "comments": Method("comments", (_CREATION,)),
    "users": Method("users", (Walk("modified", "last_modified_date"), _CREATION)),
}
