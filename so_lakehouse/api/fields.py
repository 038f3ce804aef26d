"""The fields of the API and the columns of the dump that they are, as data.

Belongs here: names and their pairs. Not here: converting values (`items.py`). A path is a field or `field.field`; the
column's type says how its value is read. Fields without a column are asked for too and stay in bronze's `_extra`.

A comment's `Text` in the dump is what the person typed, so it is `body_markdown`, not the HTML in `body`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from so_lakehouse.schema_api import ENTITIES, Entity


@dataclass(frozen=True)
class Fields:
    """One type of the API. `always`: fields that every item has; one that lacks any of them was not told whole.

    `people`: fields that hold an account, and the column for its name where the account is gone.
    """

    type: str
    columns: Mapping[str, str]  # path → column of the dump
    always: frozenset[str]
    people: Mapping[str, str]
    beside: tuple[str, ...] = ()  # asked for, without a column

    @property
    def key(self) -> str:
        """The field that holds the item's Id."""
        return next(path for path, column in self.columns.items() if column == "Id")

    @property
    def known(self) -> frozenset[str]:
        """Fields of an item that have a column."""
        return frozenset(path.partition(".")[0] for path in self.columns)


_POST = {
    "creation_date": "CreationDate",
    "score": "Score",
    "body": "Body",
    "owner.user_id": "OwnerUserId",
    "last_editor.user_id": "LastEditorUserId",
    "last_edit_date": "LastEditDate",
    "last_activity_date": "LastActivityDate",
    "comment_count": "CommentCount",
    "community_owned_date": "CommunityOwnedDate",
    "content_license": "ContentLicense",
}
_POST_ALWAYS = {"creation_date", "score", "body", "last_activity_date", "comment_count"}
_POST_PEOPLE = {"owner": "OwnerDisplayName", "last_editor": "LastEditorDisplayName"}

FIELDS: dict[str, Fields] = {
    "questions": Fields(
        "question",
        {"question_id": "Id"}
        | _POST
        | {
            "view_count": "ViewCount",
            "title": "Title",
            "tags": "Tags",
            "answer_count": "AnswerCount",
            "accepted_answer_id": "AcceptedAnswerId",
            "closed_date": "ClosedDate",
        },
        frozenset({"question_id", "view_count", "title", "tags", "answer_count"} | _POST_ALWAYS),
        _POST_PEOPLE,
        ("closed_reason", "protected_date", "locked_date", "up_vote_count", "down_vote_count"),
    ),
    "answers": Fields(
        "answer",
        {"answer_id": "Id", "question_id": "ParentId"} | _POST,
        frozenset({"answer_id", "question_id"} | _POST_ALWAYS),
        _POST_PEOPLE,
        ("is_accepted", "locked_date", "up_vote_count", "down_vote_count"),
    ),
    "comments": Fields(
        "comment",
        {
            "comment_id": "Id",
            "post_id": "PostId",
            "score": "Score",
            "body_markdown": "Text",
            "creation_date": "CreationDate",
            "owner.user_id": "UserId",
            "content_license": "ContentLicense",
        },
        frozenset({"comment_id", "post_id", "score", "body_markdown", "creation_date"}),
        {"owner": "UserDisplayName"},
        ("edited",),
    ),
    "users": Fields(
        "user",
        {
            "user_id": "Id",
            "reputation": "Reputation",
            "creation_date": "CreationDate",
            "display_name": "DisplayName",
            "last_access_date": "LastAccessDate",
            "website_url": "WebsiteUrl",
            "location": "Location",
            "about_me": "AboutMe",
            "view_count": "Views",
            "up_vote_count": "UpVotes",
            "down_vote_count": "DownVotes",
            "profile_image": "ProfileImageUrl",
            "account_id": "AccountId",
        },
        frozenset({"user_id", "reputation", "creation_date", "view_count", "up_vote_count", "down_vote_count"}),
        {},
        ("last_modified_date", "user_type"),
    ),
}

PERSON = ("user_id", "display_name", "user_type")
GONE = "does_not_exist"  # `user_type` of an account that was deleted

WRAPPER = ("items", "has_more", "backoff", "quota_max", "quota_remaining", "error_id", "error_name", "error_message")


def fields_of(entity: Entity) -> Fields:
    return FIELDS[entity.name]


def asked_for() -> tuple[str, ...]:
    """Every field that the filter includes, as the API spells them; one filter serves all entities."""
    names = [f".{name}" for name in WRAPPER] + [f"shallow_user.{name}" for name in PERSON]
    for entity in ENTITIES.values():
        fields = fields_of(entity)
        own = dict.fromkeys([*(path.partition(".")[0] for path in fields.columns), *fields.people, *fields.beside])
        names += [f"{fields.type}.{name}" for name in own]
    return tuple(names)
