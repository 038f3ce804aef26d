"""What people make of what others wrote: votes and their withdrawal, acceptance, bounties, links.

Each function is one kind of event, as in `contributions`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from so_lakehouse.simulate import choices
from so_lakehouse.simulate.badges import did
from so_lakehouse.simulate.reputation import ACCEPTED_POINTS, ACCEPTING_POINTS, VOTE_POINTS
from so_lakehouse.simulate.world import (
    ACCEPTED,
    BOUNTY_CLOSE,
    BOUNTY_START,
    DOWN,
    UP,
    Link,
    Person,
    Post,
    Removal,
    World,
)

BOUNTY_DAYS = 7
BOUNTY_CREDIT = 75  # the privilege; and one cannot give more than one has
BOUNTIES = (50, 50, 100, 150, 200)
SERIES = range(4, 8)  # votes for one person within minutes, which the site takes back
_SCORES = {UP: 1, DOWN: -1}
_DEEDS = {UP: "up vote", DOWN: "down vote"}


def vote(world: World, now: datetime, person: Person) -> None:
    """Once per person and post, never on one's own."""
    post = choices.recent_post(world, mean_age=12)
    if post is not None and _may_vote(world, person, post):
        _cast(world, now, person, post, DOWN if world.rng.random() < 0.07 else UP)


def vote_in_series(world: World, now: datetime, person: Person) -> None:
    """Up votes for one other person, whatever they wrote; `reverse_series` takes them back."""
    liked = choices.recent_post(world, mean_age=30)
    if liked is None or liked.owner not in world.people:
        return
    threads = (world.posts[number] for number in reversed(world.questions[-100:]))
    posts = (world.posts[number] for thread in threads for number in (thread.id, *thread.answers))
    theirs = [post for post in posts if post.owner == liked.owner and world.is_visible(post)]
    chosen = [post for post in theirs if _may_vote(world, person, post)][: world.rng.choice(SERIES)]
    if len(chosen) >= SERIES.start:
        for post in chosen:
            _cast(world, now, person, post, UP)
        world.series.append((now.date(), person.id, tuple(post.id for post in chosen)))


def reverse_series(world: World, now: datetime) -> None:
    """A night later, votes in series are taken back; those that are no longer there stay away."""
    due = [series for series in world.series if series[0] < now.date()]
    world.series = [series for series in world.series if series[0] >= now.date()]
    for _, voter, posts in due:
        for post in posts:
            if post in world.voted.get(voter, {}):
                _withdraw(world, now, world.people[voter], post, "series reversed")


def withdraw_vote(world: World, now: datetime, person: Person) -> None:
    post = choices.recent_post(world, mean_age=12)
    if post is not None and post.id in world.voted.get(person.id, {}):
        _withdraw(world, now, person, post.id, "withdrawn")


def withdraw_all_votes(world: World, now: datetime, person: Person) -> None:
    """When an account goes, its votes go."""
    for post in list(world.voted.get(person.id, {})):
        _withdraw(world, now, person, post, "account left")


def praise_comment(world: World, now: datetime, person: Person) -> None:
    """A vote on a comment: it raises the score and leaves no row of its own."""
    comment = choices.recent_comment(world, mean_age=30)
    if comment is not None and comment.user != person.id:
        comment.score += 1


def accept(world: World, now: datetime, person: Person) -> None:
    """The asker of a recent question takes its best answer; a better one replaces the one accepted before."""
    question = choices.recent_question(world, mean_age=10)
    if question is None or question.owner not in world.people:
        return
    best = choices.best_answer(world, question)
    if best is None or best.id == question.accepted:
        return
    if question.id in world.acceptances:
        before = world.votes.pop(world.acceptances[question.id])
        _reward(world, world.posts[before.post], question, -1)
        world.removals.append(Removal("vote", before.id, before.voter, before.day, "another answer accepted", now))
    question.accepted = best.id
    world.acceptances[question.id] = world.cast(best, ACCEPTED, question.owner, now).id
    _reward(world, best, question, 1)


def offer_bounty(world: World, now: datetime, person: Person) -> None:
    """By anybody who has enough, for a recent question without an accepted answer."""
    question = choices.recent_question(world, mean_age=15)
    if question is None or question.id in world.offers or question.accepted or person.credit < BOUNTY_CREDIT:
        return
    amount = world.rng.choice([amount for amount in BOUNTIES if amount <= person.credit])
    person.credit -= amount
    world.offers[question.id] = world.cast(question, BOUNTY_START, person.id, now, amount)


def close_bounties(world: World, now: datetime) -> None:
    """A week on, the best answer gets the amount; without one it is lost."""
    for question_id, offer in list(world.offers.items()):
        if now.date() - offer.day < timedelta(days=BOUNTY_DAYS):
            continue
        del world.offers[question_id]
        best = choices.best_answer(world, world.posts[question_id])
        if best is not None and best.owner != offer.voter:
            world.cast(best, BOUNTY_CLOSE, offer.voter, now, offer.amount)


def link(world: World, now: datetime, person: Person) -> None:
    post, related = choices.recent_post(world, mean_age=8), choices.recent_question(world, mean_age=60)
    if post is None or related is None or world.question_of(post) is related:
        return
    new = Link(world.next_id("links"), post.id, related.id, 1, now)
    world.links[new.id] = new


def _may_vote(world: World, person: Person, post: Post) -> bool:
    return post.owner != person.id and post.id not in world.voted.get(person.id, {})


def _cast(world: World, now: datetime, person: Person, post: Post, kind: int) -> None:
    cast = world.cast(post, kind, person.id, now)
    world.voted.setdefault(person.id, {})[post.id] = cast.id
    post.score += _SCORES[kind]
    _credit(world, post.owner, VOTE_POINTS[kind])
    did(world, now, person, _DEEDS[kind])


def _withdraw(world: World, now: datetime, person: Person, post: int, reason: str) -> None:
    cast = world.votes.pop(world.voted[person.id].pop(post))
    world.posts[post].score -= _SCORES[cast.kind]
    _credit(world, world.posts[post].owner, -VOTE_POINTS[cast.kind])
    person.deeds[_DEEDS[cast.kind]] -= 1
    world.removals.append(Removal("vote", cast.id, person.id, cast.day, reason, now))


def _reward(world: World, answer: Post, question: Post, sign: int) -> None:
    if answer.owner != question.owner:
        _credit(world, answer.owner, sign * ACCEPTED_POINTS)
        _credit(world, question.owner, sign * ACCEPTING_POINTS)


def _credit(world: World, user: int, points: int) -> None:
    if user in world.people:
        world.people[user].credit += points
