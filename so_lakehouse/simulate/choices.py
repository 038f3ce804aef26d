"""Chance: which post, person, tag or moment an event meets. Recent things are met more often than old ones."""

from __future__ import annotations

from bisect import bisect_left
from datetime import date, datetime, time, timedelta
from itertools import accumulate, islice

from so_lakehouse.simulate.world import Comment, Post, World

_SUFFIXES = ("help", "beginner", "2.0", "question", "tips")
_TICKS_PER_DAY = 86_400 * 300  # SQL Server's datetime counts 1/300 s


def moments(world: World, day: date, number: int) -> list[datetime]:
    """That many moments of one day, in order, on the publisher's clock: milliseconds end in 0, 3 or 7."""
    midnight = datetime.combine(day, time())
    ticks = sorted(world.rng.randrange(_TICKS_PER_DAY) for _ in range(number))
    return [midnight + timedelta(milliseconds=(tick * 10 + 1) // 3) for tick in ticks]


def recent_question(world: World, mean_age: float) -> Post | None:
    """A visible question, `mean_age` questions back on average; none where the one met is deleted."""
    place = len(world.questions) - 1 - int(world.rng.expovariate(1 / mean_age))
    if place < 0:
        return None
    post = world.posts[world.questions[place]]
    return post if world.is_visible(post) else None


def recent_post(world: World, mean_age: float) -> Post | None:
    """A visible question or one of its visible answers."""
    question = recent_question(world, mean_age)
    if question is None or not question.answers or world.rng.random() < 0.4:
        return question
    post = world.posts[world.rng.choice(question.answers)]
    return post if world.is_visible(post) else None


def recent_comment(world: World, mean_age: float) -> Comment | None:
    age = int(world.rng.expovariate(1 / mean_age))
    return next(islice(reversed(world.comments.values()), age, None), None)


def tags(world: World) -> tuple[str, ...]:
    """One to five different tags; popularity falls with the place in the topic's list (Zipf)."""
    names = world.topic.tags
    weights = list(accumulate(1 / (place + 1) for place in range(len(names) - 1)))
    chosen: dict[str, None] = {}
    for _ in range(world.rng.choice((1, 2, 2, 3, 3, 4, 5))):
        chosen[names[bisect_left(weights, world.rng.random() * weights[-1])]] = None
    if world.rng.random() < 0.01:
        chosen[world.topic.moderator_tag] = None
    if world.rng.random() < 0.02:  # one that somebody makes up, and an editor takes away again
        chosen[f"{world.rng.choice(names)}-{world.rng.choice(_SUFFIXES)}"] = None
    return tuple(chosen)


def best_answer(world: World, question: Post) -> Post | None:
    """The visible answer with the highest score, the oldest of equals."""
    visible = [post for post in map(world.posts.__getitem__, question.answers) if world.is_visible(post)]
    return max(visible, key=lambda post: (post.score, -post.id), default=None)
