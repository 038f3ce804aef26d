"""Which columns of a dump's table a page of the Stack Exchange API tells, as data.

Belongs here: entity → table and columns. Not here: how pages are fetched (`api/`) or merged (`spark/`).

A page of one entity always tells all of these columns: a row's newest page then decides all of them at once, and a
null in a page is a statement ("no answer is accepted"), not a gap. Dates come as whole seconds. What is not listed here
comes from the newest dump. Source: the types `question`, `answer`, `comment` and `user` of API 2.3.
"""

from __future__ import annotations

from dataclasses import dataclass

from so_lakehouse.schema import Table

_AUTHORS = ("OwnerUserId", "OwnerDisplayName", "LastEditorUserId", "LastEditorDisplayName")
_POST = (
    *("Id", "PostTypeId", "CreationDate", "Score", "Body", *_AUTHORS, "LastEditDate", "LastActivityDate"),
    *("CommentCount", "CommunityOwnedDate", "ContentLicense"),
)


@dataclass(frozen=True)
class Entity:
    """One kind of page. `post_type` says which rows of posts it tells; None: every row of its table."""

    name: str
    table: str
    columns: tuple[str, ...]
    post_type: int | None = None


ENTITIES = {
    entity.name: entity
    for entity in (
        Entity(
            "questions",
            "posts",
            (*_POST, "ViewCount", "Title", "Tags", "AnswerCount", "AcceptedAnswerId", "ClosedDate"),
            post_type=1,
        ),
        Entity("answers", "posts", (*_POST, "ParentId"), post_type=2),
        Entity(
            "comments",
            "comments",
            ("Id", "PostId", "Score", "Text", "CreationDate", "UserDisplayName", "UserId", "ContentLicense"),
        ),
        Entity(
            "users",
            "users",
            (
                *("Id", "Reputation", "CreationDate", "DisplayName", "LastAccessDate", "WebsiteUrl", "Location"),
                *("AboutMe", "Views", "UpVotes", "DownVotes", "ProfileImageUrl", "AccountId"),
            ),
        ),
    )
}


def entities_of(table: Table) -> tuple[Entity, ...]:
    """The entities whose pages tell rows of this table; empty for what only dumps hold."""
    return tuple(entity for entity in ENTITIES.values() if entity.table == table.name)
