"""The rows of a community as the API serves them, and its queries: sorting, bounds, ids, pages, fields.

Belongs here: what a question is answered with. Not here: HTTP, quota and faults (`api_server.py`). A row is a dict of
the API's fields; `put` and `remove` change what the next question sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Item = dict[str, Any]

KEYS = {"questions": "question_id", "answers": "answer_id", "comments": "comment_id", "users": "user_id"}
TYPES = {"questions": "question", "answers": "answer", "comments": "comment", "users": "user"}
SORTS = {
    "activity": "last_activity_date",
    "creation": "creation_date",
    "modified": "last_modified_date",
    "votes": "score",
    "reputation": "reputation",
}
METHOD_SORTS = {
    "questions": ("activity", "creation", "votes"),
    "answers": ("activity", "creation", "votes"),
    "comments": ("creation", "votes"),
    "users": ("reputation", "creation", "modified"),
}
MOST_ROWS, USUAL_ROWS, MOST_IDS = 100, 30, 100
PEOPLE = {"owner", "last_editor"}
# What the built-in filter leaves out; everything else is in it.
NOT_BY_DEFAULT = {
    *("body", "body_markdown", "comment_count", "last_editor", "about_me", "up_vote_count", "down_vote_count"),
    "view_count@users",
}


class Refused(Exception):
    """A question that the API does not take: `error_id` and its message."""

    def __init__(self, error_id: int, message: str) -> None:
        super().__init__(message)
        self.error_id, self.message = error_id, message


@dataclass
class ApiSite:
    """One site in memory."""

    rows: dict[str, dict[int, Item]] = field(default_factory=lambda: {entity: {} for entity in KEYS})

    def put(self, entity: str, items: Iterable[Item]) -> None:
        """Adds or replaces rows."""
        self.rows[entity].update({item[KEYS[entity]]: item for item in items})

    def remove(self, entity: str, ids: Iterable[int]) -> None:
        for key in ids:
            self.rows[entity].pop(key, None)

    def reach(self, now: float) -> None:
        """Hears what time it is (seconds since 1970) before each question: a site that lives on moves on."""

    def answer(self, entity: str, ids: str, query: Mapping[str, str], has_key: bool) -> tuple[list[Item], bool]:
        """Rows of one page and whether there are more; raises `Refused`."""
        sort = query.get("sort", METHOD_SORTS[entity][0])
        if sort not in METHOD_SORTS[entity]:
            raise Refused(400, "sort")
        page, rows = _whole(query, "page", 1), _whole(query, "pagesize", USUAL_ROWS)
        if page < 1 or rows > MOST_ROWS:
            raise Refused(400, "page" if page < 1 else "pagesize")
        if page > 25 and not has_key:
            raise Refused(403, "page above 25 requires access token or app key")
        found = self._named(entity, ids) if ids else list(self.rows[entity].values())
        found = _between(found, SORTS[sort], query.get("min"), query.get("max"))
        found = _between(found, "creation_date", query.get("fromdate"), query.get("todate"))
        served = [item for item in found if SORTS[sort] in item]
        order = query.get("order", "desc")
        if order not in ("asc", "desc"):
            raise Refused(400, "order")
        served.sort(key=lambda item: (item[SORTS[sort]], item[KEYS[entity]]), reverse=order == "desc")
        start = (page - 1) * rows
        return served[start : start + rows], start + rows < len(served)

    def _named(self, entity: str, ids: str) -> list[Item]:
        keys = ids.split(";")
        if len(keys) > MOST_IDS or not all(key.lstrip("-").isdigit() for key in keys):
            raise Refused(400, "ids")
        return [self.rows[entity][int(key)] for key in dict.fromkeys(keys) if int(key) in self.rows[entity]]


def served(entity: str, item: Item, included: frozenset[str] | None) -> Item:
    """The item's fields that a filter includes (`question.title`); None: the built-in filter."""
    if included is None:
        return {
            name: value
            for name, value in item.items()
            if name not in NOT_BY_DEFAULT and f"{name}@{entity}" not in NOT_BY_DEFAULT
        }
    found = {name: value for name, value in item.items() if f"{TYPES[entity]}.{name}" in included}
    for name in PEOPLE & found.keys():
        found[name] = {part: value for part, value in found[name].items() if f"shallow_user.{part}" in included}
    return found


def _between(items: list[Item], name: str, least: str | None, most: str | None) -> list[Item]:
    """The rows whose field lies between these, both inclusive; a row without the field lies nowhere."""
    low, high = (int(bound) if bound else None for bound in (least, most))
    return [
        item
        for item in items
        if (low is None or item.get(name, low - 1) >= low) and (high is None or item.get(name, high + 1) <= high)
    ]


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdigit():
        raise Refused(400, name)
    return int(text)
