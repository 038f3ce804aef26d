"""What the warehouse keeps of silver: the declared projection into schema `lake`.

Belongs here: which silver column, under which name, in which table, keyed and indexed how. Types, descriptions and
nullability come from `schema.py`. Does not belong here: SQL that creates (`ddl.py`), loads (`load.py`) or proves it
(`verify.py`).

No bodies, titles or texts, and nothing about a person but numbers: the marts need none of it, and what is not here
cannot leak from here. Votes and history are counted per day, because no mart asks for a single one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from so_lakehouse import schema
from so_lakehouse.schema import Column, Table
from so_lakehouse.schema_forms import POSTGRES, snake_case

TEXTS = frozenset({"Body", "Title", "Text", "Comment"})  # long, untrusted, and about what people said


@dataclass(frozen=True)
class Field:
    """One warehouse column. `expression` is SQL over silver's columns that DataFusion and Postgres read alike."""

    name: str
    type: str  # as Postgres spells it
    description: str
    nullable: bool
    expression: str
    codes: tuple[int, ...] = ()  # all that it may hold; none: anything of its type

    @property
    def silver_columns(self) -> list[str]:
        """The silver columns, besides site, that the expression names."""
        return re.findall(r'"(\w+)"', self.expression)


@dataclass(frozen=True)
class Projection:
    """One warehouse table: `fields` (site first) of the silver table `source`, unique by `key`.

    `measures` name the fields that are summed over the rows of one key; empty where one silver row is one row here.
    `per_tag`: one row for each element of silver's tag list. `month` is the field whose month `lake.changed` names.
    """

    name: str
    source: str
    description: str
    fields: tuple[Field, ...]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...] = ()
    partitioned: bool = True  # by list of site; small tables are not, for every partition costs locks and files
    measures: tuple[str, ...] = ()
    per_tag: bool = False
    month: str | None = None

    @property
    def field_names(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields)

    def __getitem__(self, name: str) -> Field:
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name} has no field {name}; it has {', '.join(self.field_names)}")


SITE = Field("site", "text", "Site key, e.g. beer or beer.meta.", False, "site")


def _field(column: Column) -> Field:
    description = f"{column.description} Whole to counters_complete_to." if column.counter else column.description
    codes = tuple(column.allowed or ())
    return Field(
        snake_case(column.name), POSTGRES[column.type], description, column.nullable, f'"{column.name}"', codes
    )


def _slim(table: Table, without: Iterable[str] = ()) -> tuple[Field, ...]:
    """All of a table's columns but its texts, what is personal, and what is named."""
    dropped = TEXTS | set(without)
    kept = [column for column in table.columns if not column.personal and column.name not in dropped]
    return (SITE, *(_field(column) for column in kept))


def _day(description: str) -> Field:
    return Field("day", "date", description, False, 'CAST("CreationDate" AS DATE)')


POSTS = Projection(
    name="posts",
    source="posts",
    description="Current posts without their texts, one row each.",
    fields=(
        *_slim(schema.POSTS, without=["Tags"]),
        Field("owner_is_deleted", "boolean", "Whether the author's account was deleted.", False, '"OwnerIsDeleted"'),
    ),
    key=("site", "id"),
    indexes=(("parent_id",), ("creation_date",), ("owner_user_id",)),
    month="creation_date",
)

POST_TAGS = Projection(
    name="post_tags",
    source="posts",
    description="Tags of current questions, one row per question and tag.",
    fields=(
        SITE,
        Field("post_id", "bigint", "Question that carries the tag.", False, '"Id"'),
        Field("tag", "text", "Name of the tag.", False, '"Tags"'),
    ),
    key=("site", "post_id", "tag"),
    indexes=(("tag", "post_id"),),
    per_tag=True,
)

USERS = Projection(
    name="users",
    source="users",
    description="Current accounts without names, places and texts, one row each.",
    fields=_slim(schema.USERS),
    key=("site", "id"),
    indexes=(("account_id",),),
    month="creation_date",
)

COMMENTS = Projection(
    name="comments",
    source="comments",
    description="Current comments without their texts, one row each.",
    fields=_slim(schema.COMMENTS),
    key=("site", "id"),
    indexes=(("post_id",), ("user_id",), ("creation_date",)),
    month="creation_date",
)

VOTES = Projection(
    name="votes",
    source="votes",
    description="Votes counted by post, type and day (and by who offered it, for bounties).",
    fields=(
        SITE,
        _field(schema.VOTES["PostId"]),
        _field(schema.VOTES["VoteTypeId"]),
        _day("Day of the votes, UTC."),
        Field(
            "bounty_user_id",
            "bigint",
            "Who offered the bounty (type 8); absent for every other vote.",
            True,
            'CASE WHEN "VoteTypeId" = 8 THEN "UserId" END',
        ),
        Field("n", "bigint", "Number of votes.", False, "1"),
        Field(
            "bounty_amount",
            "bigint",
            "Reputation offered (type 8) or awarded (type 9) in all; 0 for every other vote.",
            False,
            'coalesce("BountyAmount", 0)',
        ),
    ),
    key=("site", "post_id", "vote_type_id", "day", "bounty_user_id"),
    indexes=(("day",),),
    measures=("n", "bounty_amount"),
    month="day",
)

BADGES = Projection(
    name="badges",
    source="badges",
    description="Badges awarded, one row each.",
    fields=_slim(schema.BADGES),
    key=("site", "id"),
    indexes=(("user_id",), ("date",)),
    month="date",
)

POST_LINKS = Projection(
    name="post_links",
    source="post_links",
    description="Links between posts, one row each; either end may be deleted.",
    fields=_slim(schema.POST_LINKS),
    key=("site", "id"),
    indexes=(("site", "post_id"), ("site", "related_post_id")),
    partitioned=False,
    month="creation_date",
)

TAGS = Projection(
    name="tags",
    source="tags",
    description="Tags in use, with the publisher's counts, one row each.",
    fields=_slim(schema.TAGS),
    key=("site", "id"),
    indexes=(("site", "tag_name"),),
    partitioned=False,
)

POST_HISTORY = Projection(
    name="post_history",
    source="post_history",
    description="Revisions and events of posts, counted by post, type and day.",
    fields=(
        SITE,
        _field(schema.POST_HISTORY["PostId"]),
        _field(schema.POST_HISTORY["PostHistoryTypeId"]),
        _day("Day of the events, UTC."),
        Field("n", "bigint", "Number of events.", False, "1"),
    ),
    key=("site", "post_id", "post_history_type_id", "day"),
    indexes=(("day",),),
    measures=("n",),
    month="day",
)

PROJECTIONS: dict[str, Projection] = {
    projection.name: projection
    for projection in (POSTS, POST_TAGS, USERS, COMMENTS, VOTES, BADGES, POST_LINKS, TAGS, POST_HISTORY)
}


def projection(name: str) -> Projection:
    """The projection of that name; a KeyError names the ones there are."""
    try:
        return PROJECTIONS[name]
    except KeyError:
        raise KeyError(f"unknown warehouse table {name!r}; the tables are {', '.join(PROJECTIONS)}") from None
