"""What the API serves of a simulated community: the rows that a dump of the same moment would hold, as its items.

Belongs here: which field tells what, and how the API spells it. Not here: questions and pages (`api_site.py`), the
passing of days (`living_site.py`).

Dump and API cannot disagree: both are made from `snapshot.rows_at`. The fields are written down here once more, from
the types of API 2.3, and not taken from the client's (`api/fields.py`): a test reads every item with that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from so_lakehouse.simulate.api_site import Item
from so_lakehouse.simulate.snapshot import Row
from so_lakehouse.simulate.text import Block, html
from so_lakehouse.simulate.world import ANSWER, DOWN, QUESTION, UP

CLOSED = 10  # schema.POST_HISTORY_TYPES
# The comment of a closing in the history → the reason as the API words it.
CLOSED_REASONS = {
    "101": "Duplicate",
    "102": "Not suitable for this site",
    "103": "Needs details or clarity",
    "104": "Needs more focus",
    "105": "Opinion-based",
}


def items_of(rows: Mapping[str, list[Row]], modified: Mapping[int, datetime]) -> dict[str, list[Item]]:
    """Entity → items, of the rows of all tables at one moment. `modified`: when accounts changed last, where they did.

    Served are questions, answers, their comments and people's accounts (Id above 0); a field without a value is left
    out, as the API does.
    """
    every = _Rows(rows)
    made = {
        "questions": map(every.question, every.posts(QUESTION)),
        "answers": map(every.answer, every.posts(ANSWER)),
        "comments": every.comments(),
        "users": every.accounts(modified),
    }
    return {entity: [_told(item) for item in items] for entity, items in made.items()}


class _Rows:
    """The rows, and what several of them say together."""

    def __init__(self, rows: Mapping[str, list[Row]]) -> None:
        self.rows: Mapping[str, list[dict[str, Any]]] = rows
        self.names = {row["Id"]: row["DisplayName"] for row in self.rows["users"]}
        self.votes = Counter((row["PostId"], row["VoteTypeId"]) for row in self.rows["votes"])
        self.accepted = {row["AcceptedAnswerId"] for row in self.rows["posts"]} - {None}
        self.praised = {row["ParentId"] for row in self.posts(ANSWER) if row["Score"] > 0}
        self.reasons = {
            row["PostId"]: CLOSED_REASONS.get(str(row["Comment"]))
            for row in self.rows["post_history"]
            if row["PostHistoryTypeId"] == CLOSED
        }

    def posts(self, kind: int) -> Iterator[dict[str, Any]]:
        return (row for row in self.rows["posts"] if row["PostTypeId"] == kind)

    def question(self, row: dict[str, Any]) -> Item:
        return self._post(row) | {
            "question_id": row["Id"],
            "title": row["Title"],
            "tags": list(row["Tags"] or ()),
            "view_count": row["ViewCount"],
            "answer_count": row["AnswerCount"],
            "accepted_answer_id": row["AcceptedAnswerId"],
            "is_answered": row["AcceptedAnswerId"] is not None or row["Id"] in self.praised,
            "closed_date": _seconds(row["ClosedDate"]),
            "closed_reason": self.reasons.get(row["Id"]) if row["ClosedDate"] else None,
        }

    def answer(self, row: dict[str, Any]) -> Item:
        told = {"answer_id": row["Id"], "question_id": row["ParentId"], "is_accepted": row["Id"] in self.accepted}
        return self._post(row) | told

    def _post(self, row: dict[str, Any]) -> Item:
        return {
            "creation_date": _seconds(row["CreationDate"]),
            "last_activity_date": _seconds(row["LastActivityDate"]),
            "last_edit_date": _seconds(row["LastEditDate"]),
            "community_owned_date": _seconds(row["CommunityOwnedDate"]),
            "score": row["Score"],
            "up_vote_count": self.votes[row["Id"], UP],
            "down_vote_count": self.votes[row["Id"], DOWN],
            "comment_count": row["CommentCount"],
            "body": row["Body"],
            "owner": self._person(row["OwnerUserId"], row["OwnerDisplayName"]),
            "last_editor": self._person(row["LastEditorUserId"], row["LastEditorDisplayName"]),
            "content_license": row["ContentLicense"],
        }

    def comments(self) -> Iterator[Item]:
        for row in self.rows["comments"]:
            yield {
                "comment_id": row["Id"],
                "post_id": row["PostId"],
                "score": row["Score"],
                "edited": False,
                "creation_date": _seconds(row["CreationDate"]),
                "body": html((Block("p", row["Text"]),)),
                "body_markdown": row["Text"],
                "owner": self._person(row["UserId"], row["UserDisplayName"]),
                "content_license": row["ContentLicense"],
            }

    def accounts(self, modified: Mapping[int, datetime]) -> Iterator[Item]:
        for row in self.rows["users"]:
            if row["Id"] > 0:
                yield {
                    "user_id": row["Id"],
                    "account_id": row["AccountId"],
                    "user_type": "registered",
                    "display_name": row["DisplayName"],
                    "reputation": row["Reputation"],
                    "creation_date": _seconds(row["CreationDate"]),
                    "last_access_date": _seconds(row["LastAccessDate"]),
                    "last_modified_date": _seconds(modified.get(row["Id"])),
                    "website_url": row["WebsiteUrl"],
                    "location": row["Location"],
                    "about_me": row["AboutMe"],
                    "view_count": row["Views"],
                    "up_vote_count": row["UpVotes"],
                    "down_vote_count": row["DownVotes"],
                }

    def _person(self, key: int | None, name: str | None) -> Item | None:
        """Who did something: an account, one that is gone (a name without a number), or nobody."""
        if key is not None:
            return {"user_id": key, "display_name": self.names[key], "user_type": "registered"}
        return {"display_name": name, "user_type": "does_not_exist"} if name else None


def _told(item: Item) -> Item:
    return {name: value for name, value in item.items() if value is not None}


def _seconds(moment: datetime | None) -> int | None:
    """The API's dates are whole seconds; a fraction is cut off."""
    return None if moment is None else int(moment.replace(tzinfo=UTC, microsecond=0).timestamp())
