"""The one declaration of what a Stack Exchange dump holds.

Belongs here: every table and column as facts (type, nullability, key, references, allowed values, privacy, sentence).
Does not belong here: what codes mean (`schema_codes.py`), how an engine spells columns (`schema_forms.py`), what a
check does with them (`quality/`), or what the warehouse keeps (`warehouse/projection.py`).

Source of names and types: the publisher's schema document (Meta Stack Exchange 2677), checked against real dumps of
2014-2024.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from so_lakehouse.schema_codes import BADGE_CLASSES, LINK_TYPES, POST_HISTORY_TYPES, POST_TYPES, VOTE_TYPES


class Type(StrEnum):
    """How a value is stored. Spelled per engine in `schema_forms.py`."""

    SMALLINT = "smallint"  # signed 16 bit
    INTEGER = "integer"  # signed 32 bit
    BIGINT = "bigint"  # signed 64 bit; every identifier
    BOOLEAN = "boolean"
    TEXT = "text"
    TIMESTAMP = "timestamp"  # UTC, microseconds
    TAGS = "tags"  # one string in the dump (`<a><b>` or `|a|b|`), a list of names from silver on


@dataclass(frozen=True)
class Column:
    """One attribute of a row. `name` is the publisher's spelling; `allowed` maps each legal code to its meaning."""

    name: str
    type: Type
    description: str
    nullable: bool = True
    references: str | None = None  # table whose Id this column holds
    allowed: dict[int, str] | None = None
    personal: bool = False  # names, places and texts about people: stays in bronze unless configured
    counter: bool = False  # moves without activity, so days of pages miss it: whole to the newest dump's cut only


@dataclass(frozen=True)
class Table:
    """One file of a dump. `name` is ours (snake_case), `file` the member of the archive, `root` its XML root."""

    name: str
    file: str
    root: str
    description: str
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name}; it has {', '.join(self.column_names)}")


def _id(description: str) -> Column:
    return Column("Id", Type.BIGINT, description, nullable=False)


_LICENSE = Column("ContentLicense", Type.TEXT, "Creative Commons licence of this text, by the date it was written.")

POSTS = Table(
    "posts",
    "Posts.xml",
    "posts",
    "Questions, answers and wiki texts that existed at the cut; deleted ones are absent.",
    (
        _id("Identifier of the post, unique in its site."),
        Column("PostTypeId", Type.SMALLINT, "What kind of post this is.", nullable=False, allowed=POST_TYPES),
        Column(
            "AcceptedAnswerId",
            Type.BIGINT,
            "Answer that the asker accepted; questions only.",
            references="posts",
            counter=True,
        ),
        Column("ParentId", Type.BIGINT, "Question that this answers; answers only.", references="posts"),
        Column("CreationDate", Type.TIMESTAMP, "When the post was written, UTC.", nullable=False),
        Column("Score", Type.INTEGER, "Up votes minus down votes at the cut.", counter=True),
        Column("ViewCount", Type.INTEGER, "Views of the question at the cut; answers carry none or 0.", counter=True),
        Column("Body", Type.TEXT, "The text as HTML; untrusted."),
        Column(
            "OwnerUserId", Type.BIGINT, "Author; absent when the account was deleted.", references="users", counter=True
        ),
        Column("OwnerDisplayName", Type.TEXT, "Author's name where the account was deleted.", personal=True),
        Column("LastEditorUserId", Type.BIGINT, "Who edited last.", references="users", counter=True),
        Column("LastEditorDisplayName", Type.TEXT, "Last editor's name where that account was deleted.", personal=True),
        Column("LastEditDate", Type.TIMESTAMP, "When the text was last edited, UTC."),
        Column("LastActivityDate", Type.TIMESTAMP, "When the thread was last active, UTC; votes do not count."),
        Column("Title", Type.TEXT, "Title of a question."),
        Column("Tags", Type.TAGS, "Tags of a question; answers inherit their question's."),
        Column("AnswerCount", Type.INTEGER, "Answers at the cut; questions only.", counter=True),
        Column("CommentCount", Type.INTEGER, "Comments at the cut.", counter=True),
        Column("FavoriteCount", Type.INTEGER, "Bookmarks; the publisher stopped filling it in 2022-10.", counter=True),
        Column("ClosedDate", Type.TIMESTAMP, "When the question was closed, UTC.", counter=True),
        Column("CommunityOwnedDate", Type.TIMESTAMP, "When the post became community wiki, UTC."),
        _LICENSE,
    ),
)

USERS = Table(
    "users",
    "Users.xml",
    "users",
    "Accounts that existed at the cut, with current totals.",
    (
        _id("Identifier of the account, unique in its site; -1 is the Community user."),
        Column("Reputation", Type.INTEGER, "Reputation at the cut.", counter=True),
        Column("CreationDate", Type.TIMESTAMP, "When the account was created on this site, UTC.", nullable=False),
        Column("DisplayName", Type.TEXT, "Public name.", personal=True),
        Column("LastAccessDate", Type.TIMESTAMP, "Last visit, UTC.", counter=True),
        Column("WebsiteUrl", Type.TEXT, "Web page that the person names.", personal=True),
        Column("Location", Type.TEXT, "Place that the person names.", personal=True),
        Column("AboutMe", Type.TEXT, "What the person says of themselves, HTML.", personal=True),
        Column("Views", Type.INTEGER, "Views of the profile at the cut.", counter=True),
        Column("UpVotes", Type.INTEGER, "Up votes cast.", counter=True),
        Column("DownVotes", Type.INTEGER, "Down votes cast.", counter=True),
        Column("ProfileImageUrl", Type.TEXT, "Address of the picture; until 2022.", personal=True),
        Column("EmailHash", Type.TEXT, "Hash of the e-mail address; until 2014.", personal=True),
        Column("Age", Type.SMALLINT, "Age in years as the person gave it; until 2017.", personal=True),
        Column("AccountId", Type.BIGINT, "The person's identifier in the whole network; absent where hidden."),
    ),
)

COMMENTS = Table(
    "comments",
    "Comments.xml",
    "comments",
    "Comments on posts that existed at the cut.",
    (
        _id("Identifier of the comment, unique in its site."),
        Column("PostId", Type.BIGINT, "Post that is commented on.", nullable=False, references="posts"),
        Column("Score", Type.INTEGER, "Up votes at the cut.", counter=True),
        Column("Text", Type.TEXT, "The comment, light Markdown; untrusted.", counter=True),
        Column("CreationDate", Type.TIMESTAMP, "When it was written, UTC.", nullable=False),
        Column("UserDisplayName", Type.TEXT, "Author's name where the account was deleted.", personal=True),
        Column("UserId", Type.BIGINT, "Author; absent when the account was deleted.", references="users", counter=True),
        _LICENSE,
    ),
)

VOTES = Table(
    "votes",
    "Votes.xml",
    "votes",
    "Votes with the day only; voters are not published except for bookmarks and bounties.",
    (
        _id("Identifier of the vote, unique in its site."),
        Column("PostId", Type.BIGINT, "Post voted on; often a deleted one.", nullable=False, references="posts"),
        Column("VoteTypeId", Type.SMALLINT, "What the vote means.", nullable=False, allowed=VOTE_TYPES),
        Column("UserId", Type.BIGINT, "Voter, for bookmarks (5) and bounties (8) only.", references="users"),
        Column(
            "CreationDate", Type.TIMESTAMP, "Day of the vote, UTC; the time of day is not published.", nullable=False
        ),
        Column("BountyAmount", Type.INTEGER, "Reputation offered (8) or awarded (9)."),
    ),
)

BADGES = Table(
    "badges",
    "Badges.xml",
    "badges",
    "Badges awarded.",
    (
        _id("Identifier of the award, unique in its site."),
        Column("UserId", Type.BIGINT, "Who earned it.", nullable=False, references="users"),
        Column("Name", Type.TEXT, "Name of the badge or of the tag.", nullable=False),
        Column("Date", Type.TIMESTAMP, "When it was awarded, UTC.", nullable=False),
        Column("Class", Type.SMALLINT, "Gold, silver or bronze; from 2016.", allowed=BADGE_CLASSES),
        Column("TagBased", Type.BOOLEAN, "Whether the badge is named after a tag; from 2016."),
    ),
)

POST_LINKS = Table(
    "post_links",
    "PostLinks.xml",
    "postlinks",
    "Links between posts; either end may be deleted.",
    (
        _id("Identifier of the link, unique in its site."),
        Column("CreationDate", Type.TIMESTAMP, "When the link was made, UTC.", nullable=False),
        Column("PostId", Type.BIGINT, "Post that links.", nullable=False, references="posts"),
        Column("RelatedPostId", Type.BIGINT, "Post that is linked to.", nullable=False, references="posts"),
        Column("LinkTypeId", Type.SMALLINT, "Linked or duplicate.", nullable=False, allowed=LINK_TYPES),
    ),
)

TAGS = Table(
    "tags",
    "Tags.xml",
    "tags",
    "Tags in use at the cut, with counts.",
    (
        _id("Identifier of the tag, unique in its site."),
        Column("TagName", Type.TEXT, "The tag.", nullable=False),
        Column("Count", Type.INTEGER, "Questions with this tag at the cut.", counter=True),
        Column("ExcerptPostId", Type.BIGINT, "Post with the tag's excerpt.", references="posts"),
        Column("WikiPostId", Type.BIGINT, "Post with the tag's wiki.", references="posts"),
        Column("IsModeratorOnly", Type.BOOLEAN, "Only moderators may use it; present only when true."),
        Column("IsRequired", Type.BOOLEAN, "A question needs one of these; present only when true."),
    ),
)

POST_HISTORY = Table(
    "post_history",
    "PostHistory.xml",
    "posthistory",
    "Revisions and events of posts.",
    (
        _id("Identifier of the event, unique in its site."),
        Column("PostHistoryTypeId", Type.SMALLINT, "What happened.", nullable=False, allowed=POST_HISTORY_TYPES),
        Column("PostId", Type.BIGINT, "Post it happened to.", nullable=False, references="posts"),
        Column("RevisionGUID", Type.TEXT, "Joins the events of one revision; lower-case from silver on."),
        Column("CreationDate", Type.TIMESTAMP, "When it happened, UTC.", nullable=False),
        Column("UserId", Type.BIGINT, "Who did it.", references="users"),
        Column("UserDisplayName", Type.TEXT, "That person's name where the account was deleted.", personal=True),
        Column("Comment", Type.TEXT, "Edit comment, or the close reason's number."),
        Column("Text", Type.TEXT, "New text (Markdown) or details of the event (JSON); untrusted."),
        _LICENSE,
    ),
)

TABLES: dict[str, Table] = {
    table.name: table for table in (POSTS, USERS, COMMENTS, VOTES, BADGES, POST_LINKS, TAGS, POST_HISTORY)
}

# Ids that official dumps of 2025-06 held in many sites' Posts.xml though no such post exists (Meta Stack Exchange
# 412018).
FABRICATED_POST_IDS = frozenset({1_000_000_001, 1_000_000_010})


def table(name: str) -> Table:
    """The table of that name; a KeyError names the ones there are."""
    try:
        return TABLES[name]
    except KeyError:
        raise KeyError(f"unknown table {name!r}; the tables are {', '.join(TABLES)}") from None
