"""What exists on a simulated site at one moment: the state that events change and dumps show.

Belongs here: the records and the questions one can ask of them. What people do is in `contributions`, `reactions` and
`moderation`; when and how often in `community`; what a dump shows of it in `snapshot`.

A world only moves forward. It is a function of (topic, plan, seed, people, launch) and of the day it has reached, never
of the dumps that were taken on the way. All times are UTC without a zone, as the publisher writes them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import count
from random import Random
from uuid import UUID

from so_lakehouse.simulate.careers import Career
from so_lakehouse.simulate.plans import Plan, plan_of
from so_lakehouse.simulate.text import Author, Text
from so_lakehouse.simulate.topics import Topic

COMMUNITY = -1  # the user that stands for the site itself

QUESTION, ANSWER, TAG_EXCERPT, TAG_WIKI = 1, 2, 4, 5  # schema_codes.POST_TYPES
ACCEPTED, UP, DOWN, OFFENSIVE, BOUNTY_START, BOUNTY_CLOSE = 1, 2, 3, 4, 8, 9  # schema.VOTE_TYPES
DELETION, UNDELETION, APPROVED_EDIT = 10, 11, 16


@dataclass(slots=True)
class Person:
    """An account. `zeal` scales how often the person acts, `habit` what they do on the site (`community.HABITS`).

    `role` and `stage` are those of the current year (`World.careers` has all years). `credit` is a running sum of what
    votes and acceptances gave, by which the site lets people offer bounties; reputation itself is in `reputation`.
    """

    id: int
    joined: datetime
    name: str
    habit: str
    zeal: float
    account: int | None
    location: str | None = None
    website: str | None = None
    about: Text = ()
    seen: datetime = datetime.min
    deeds: Counter[str] = field(default_factory=Counter)  # counted in `badges`
    badges: set[str] = field(default_factory=set)
    role: str = ""
    stage: str = ""
    has_bonus: bool = False  # known from another site of the network
    credit: int = 0


@dataclass(slots=True)
class Post:
    """A question, answer or wiki text. A deleted post stays here, so that it can come back."""

    id: int
    kind: int
    created: datetime
    owner: int
    text: Text
    title: str = ""
    tags: tuple[str, ...] = ()
    parent: int | None = None
    accepted: int | None = None
    editor: int | None = None
    edited: datetime | None = None
    active: datetime = datetime.min
    closed: datetime | None = None
    community_owned: datetime | None = None
    deleted: datetime | None = None
    score: int = 0
    daily_views: float = 0.0
    answers: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Comment:
    id: int
    post: int
    text: str
    created: datetime
    user: int
    score: int = 0


@dataclass(slots=True)
class Vote:
    """One vote. `voter` is the truth; dumps show it for bookmarks and bounties only.

    The voter of an approved edit is who proposed it, for whom it counts.
    """

    id: int
    post: int
    kind: int
    day: date
    voter: int
    amount: int | None = None


@dataclass(slots=True)
class Badge:
    id: int
    user: int
    name: str
    awarded: datetime
    level: int
    tag_based: bool


@dataclass(slots=True)
class Link:
    id: int
    post: int
    related: int
    kind: int
    created: datetime


@dataclass(slots=True)
class Tag:
    id: int
    name: str
    excerpt: int | None = None
    wiki: int | None = None


@dataclass(slots=True)
class HistoryEntry:
    id: int
    kind: int  # schema.POST_HISTORY_TYPES
    post: int
    revision: str
    created: datetime
    user: int | None
    comment: str | None = None
    text: str | None = None


@dataclass(slots=True)
class Removal:
    """Something that went: an account, post, comment or vote. `user` is whose it was: its author, voter or the account.

    Of a post `restored` says when it came back; one that is deleted again has a further removal.
    """

    kind: str
    id: int
    user: int
    created: date
    reason: str
    at: datetime
    restored: datetime | None = None


class World:
    """One site. Tables are dicts by Id in order of creation; ids are never used twice."""

    def __init__(self, topic: Topic, rng: Random, launch: date, plan: Plan | None = None) -> None:
        self.topic = topic
        self.plan = plan or plan_of(topic.site)
        self.rng = rng
        self.launch = launch
        self.author = Author(topic, rng)
        self.people: dict[int, Person] = {}
        self.posts: dict[int, Post] = {}
        self.comments: dict[int, Comment] = {}
        self.votes: dict[int, Vote] = {}
        self.badges: dict[int, Badge] = {}
        self.links: dict[int, Link] = {}
        self.tags: dict[str, Tag] = {}
        self.history: dict[int, HistoryEntry] = {}
        self.careers: dict[int, dict[int, Career]] = {}  # user → year → what they were; stays when the account goes
        self.questions: list[int] = []  # ids in order of creation, deleted ones included
        self.questions_by_role: dict[str, list[int]] = {role.name: [] for role in self.plan.roles}
        self.deleted: list[Removal] = []  # of posts that were deleted on their own and are still so
        self.removals: list[Removal] = []
        self.voted: dict[int, dict[int, int]] = {}  # voter → post → vote
        self.acceptances: dict[int, int] = {}  # question → vote
        self.offers: dict[int, Vote] = {}  # question → open bounty
        self.series: list[tuple[date, int, tuple[int, ...]]] = []  # day, voter, posts: votes that look like one series
        self.ids = {
            name: count(1)
            for name in ("users", "posts", "comments", "votes", "badges", "links", "tags", "history", "edits")
        }

    def next_id(self, table: str) -> int:
        return next(self.ids[table])

    def is_visible(self, post: Post) -> bool:
        """Whether the public sees it: neither the post nor the question that it answers is deleted."""
        return post.deleted is None and (post.parent is None or self.posts[post.parent].deleted is None)

    def gone_since(self, post: Post) -> datetime | None:
        """Since when the public has not seen it; None while it does."""
        return min(filter(None, (post.deleted, self.question_of(post).deleted)), default=None)

    def role_of(self, question: Post) -> str:
        """What its author worked as when they asked."""
        return self.careers[question.owner][question.created.year].role

    def signature(self, user: int | None) -> tuple[int | None, str | None]:
        """What the public sees of who did something: a number; of an account that is gone, a name that says nothing."""
        return (user, None) if user is None or user in self.people else (None, f"user{user}")

    def question_of(self, post: Post) -> Post:
        return post if post.parent is None else self.posts[post.parent]

    def touch(self, post: Post, now: datetime) -> None:
        """Marks the post and its thread as active."""
        post.active = now
        self.question_of(post).active = now

    def record(
        self,
        post: Post,
        user: int | None,
        now: datetime,
        entries: Iterable[tuple[int, str | None]],
        comment: str | None = None,
    ) -> None:
        """Adds the (type, text) entries of one revision to the history."""
        revision = str(UUID(int=self.rng.getrandbits(128), version=4))
        for kind, text in entries:
            entry = HistoryEntry(self.next_id("history"), kind, post.id, revision, now, user, comment, text)
            self.history[entry.id] = entry

    def cast(self, post: Post, kind: int, voter: int, now: datetime, amount: int | None = None) -> Vote:
        vote = Vote(self.next_id("votes"), post.id, kind, now.date(), voter, amount)
        self.votes[vote.id] = vote
        return vote
