"""What people make of what others wrote: votes and their withdrawal, acceptance, bounties, links.

Each function is one kind of event, as in `contributions`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from so_lakehouse.simulate import choices
from so_lakehouse.simulate.badges import did
from so_lakehouse.simulate.world import ACCEPTED, BOUNTY_CLOSE, BOUNTY_START, DOWN, UP, Link, Person, World

BOUNTY_DAYS = 7
_POINTS = {UP: 1, DOWN: -1}
_DEEDS = {UP: "up vote", DOWN: "down vote"}


def vote(world: World, now: datetime, person: Person) -> None:
    """Once per person and post, never on one's own."""
    post = choices.recent_post(world, mean_age=12)
    voted = world.voted.setdefault(person.id, {})
    if post is None or post.owner == person.id or post.id in voted:
        return
    cast = world.cast(post, DOWN if world.rng.random() < 0.07 else UP, person.id, now)
    voted[post.id] = cast.id
    post.score += _POINTS[cast.kind]
    did(world, now, person, _DEEDS[cast.kind])


def withdraw_vote(world: World, now: datetime, person: Person) -> None:
    post = choices.recent_post(world, mean_age=12)
    if post is not None and post.id in world.voted.get(person.id, {}):
        _withdraw(world, person, post.id)


def withdraw_all_votes(world: World, person: Person) -> None:
    """When an account goes, its votes go."""
    for post in list(world.voted.get(person.id, {})):
        _withdraw(world, person, post)


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
        del world.votes[world.acceptances[question.id]]
    question.accepted = best.id
    world.acceptances[question.id] = world.cast(best, ACCEPTED, question.owner, now).id


def offer_bounty(world: World, now: datetime, person: Person) -> None:
    question = choices.recent_question(world, mean_age=15)
    if question is None or question.id in world.offers or question.accepted:
        return
    amount = world.rng.choice((50, 50, 100, 150, 200))
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


def _withdraw(world: World, person: Person, post: int) -> None:
    cast = world.votes.pop(world.voted[person.id].pop(post))
    world.posts[post].score -= _POINTS[cast.kind]
    person.deeds[_DEEDS[cast.kind]] -= 1
