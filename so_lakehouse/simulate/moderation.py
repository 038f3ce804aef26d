"""How things end and come back: closing, deleting, undeleting, comments and accounts removed, old questions bumped.

Each function is one kind of event, as in `contributions`.
"""

from __future__ import annotations

import json
from datetime import datetime

from so_lakehouse.simulate import choices
from so_lakehouse.simulate.reactions import withdraw_all_votes
from so_lakehouse.simulate.world import COMMUNITY, DELETION, UNDELETION, Link, Person, Removal, World

DUPLICATE = 101  # the close reason's number; the others: off-topic, needs details, needs focus, opinion-based
_UNDELETED_BACK = 10  # deletions, on average
_OTHER_REASONS = (102, 103, 104, 105)


def close(world: World, now: datetime, person: Person) -> None:
    """As a duplicate (with a link to the original) or for another reason."""
    question, original = choices.recent_question(world, mean_age=10), choices.recent_question(world, mean_age=60)
    if question is None or question.closed:
        return
    reason, details = world.rng.choice(_OTHER_REASONS), _voters(person)
    if original is not None and original.id < question.id:
        reason, details = DUPLICATE, _voters(person, OriginalQuestionIds=[original.id])
        duplicate = Link(world.next_id("links"), question.id, original.id, 3, now)
        world.links[duplicate.id] = duplicate
    question.closed = now
    world.record(question, person.id, now, [(10, details)], comment=str(reason))


def reopen(world: World, now: datetime, person: Person) -> None:
    closed = [post for post in map(world.posts.__getitem__, world.questions[-200:]) if post.closed and not post.deleted]
    if not closed:
        return
    question = world.rng.choice(closed)
    question.closed = None
    world.record(question, person.id, now, [(11, _voters(person))])


def delete(world: World, now: datetime, person: Person) -> None:
    """Takes a post out of sight; what hangs on it goes out of sight with it."""
    post = choices.recent_post(world, mean_age=40)
    if post is None or post.id in world.offers:
        return
    post.deleted = now
    removal = Removal("post", post.id, post.owner, post.created.date(), "deleted", now)
    world.deleted.append(removal)
    world.removals.append(removal)
    world.cast(post, DELETION, person.id, now)
    world.record(post, person.id, now, [(12, _voters(person))])


def undelete(world: World, now: datetime, person: Person) -> None:
    """Mostly something that was deleted lately."""
    if not world.deleted:
        return
    removal = world.deleted.pop(max(0, len(world.deleted) - 1 - int(world.rng.expovariate(1 / _UNDELETED_BACK))))
    removal.restored = now
    post = world.posts[removal.id]
    post.deleted = None
    world.touch(post, now)
    world.cast(post, UNDELETION, person.id, now)
    world.record(post, person.id, now, [(13, _voters(person))])


def delete_comment(world: World, now: datetime, person: Person) -> None:
    comment = choices.recent_comment(world, mean_age=100)
    if comment is not None:
        del world.comments[comment.id]
        removal = Removal("comment", comment.id, comment.user, comment.created.date(), "deleted", now)
        world.removals.append(removal)


# Those who vote most do not leave: between two real quarters 5 votes of 10,244 went, not an account's hundreds.
_LEAVES_BEFORE_VOTES = 20


def leave(world: World, now: datetime, person: Person) -> None:
    """The account goes, and with it its votes and badges; what it wrote stays (`World.signature`)."""
    if len(world.voted.get(person.id, {})) < _LEAVES_BEFORE_VOTES:
        withdraw_all_votes(world, now, person)
        del world.people[person.id]
        world.removals.append(Removal("account", person.id, person.id, person.joined.date(), "left", now))


def bump(world: World, now: datetime, person: Person) -> None:
    """The Community user shows an old question without an answer again."""
    question = choices.recent_question(world, mean_age=80)
    if question is not None and not question.answers and not question.closed:
        question.active = now
        world.record(question, COMMUNITY, now, [(50, None)])


def _voters(person: Person, **details: object) -> str:
    """What the history's text holds of such an event: JSON."""
    return json.dumps(
        {**details, "Voters": [{"Id": person.id, "DisplayName": person.name}]},
        separators=(",", ":"),
        ensure_ascii=False,
    )
