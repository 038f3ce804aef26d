"""Chance: which post, person, tag or moment an event meets. Recent things are met more often than old ones."""

from __future__ import annotations

from bisect import bisect_left
from datetime import date, datetime, time, timedelta
from itertools import accumulate, islice

from so_lakehouse.simulate.world import Comment, Person, Post, World

_SUFFIXES = ("help", "beginner", "2.0", "question", "tips")
MOST_TAGS = 5
MOST_TOOLS = 3  # of a role: with at least one other tag and one made up they are no more than a question can have
OWN_FIELD = 0.9  # the share of answers and comments for which one looks among the questions of one's own role
_FEWEST_BACK = 1.5  # questions: so far back a small role looks at least, on average
_TICKS_PER_DAY = 86_400 * 300  # SQL Server's datetime counts 1/300 s


def moments(world: World, day: date, number: int) -> list[datetime]:
    """That many moments of one day, in order, on the publisher's clock: milliseconds end in 0, 3 or 7."""
    midnight = datetime.combine(day, time())
    ticks = sorted(world.rng.randrange(_TICKS_PER_DAY) for _ in range(number))
    return [midnight + timedelta(milliseconds=(tick * 10 + 1) // 3) for tick in ticks]


def recent_question(world: World, mean_age: float, role: str | None = None) -> Post | None:
    """A visible question, `mean_age` of the site's questions back on average; none where the one met is deleted.

    With a role: one that was asked by somebody of it.
    """
    questions = world.questions_by_role[role] if role else world.questions
    if not questions:
        return None
    age = max(_FEWEST_BACK, mean_age * len(questions) / len(world.questions))
    place = len(questions) - 1 - int(world.rng.expovariate(1 / age))
    if place < 0:
        return None
    post = world.posts[questions[place]]
    return post if world.is_visible(post) else None


def field_of(world: World, person: Person) -> str | None:
    """The role among whose questions this person looks now; None: any."""
    return person.role if world.rng.random() < OWN_FIELD else None


def recent_post(world: World, mean_age: float, role: str | None = None) -> Post | None:
    """A visible question, as in `recent_question`, or one of its visible answers."""
    question = recent_question(world, mean_age, role)
    if question is None or not question.answers or world.rng.random() < 0.4:
        return question
    post = world.posts[world.rng.choice(question.answers)]
    return post if world.is_visible(post) else None


def recent_comment(world: World, mean_age: float) -> Comment | None:
    age = int(world.rng.expovariate(1 / mean_age))
    return next(islice(reversed(world.comments.values()), age, None), None)


def tags(world: World, role: str, asked: date) -> tuple[str, ...]:
    """One to five different tags of a question that somebody of that role asks on that day.

    Each of the role's tools by its curve, independently; then at least one of the role's tags, whose popularity falls
    with the place in the list (Zipf).
    """
    rng, known = world.rng, world.plan.role(role)
    chosen = {tool: None for tool in known.tools if rng.random() < world.plan.curves[tool].share(asked)}
    weights = list(accumulate(1 / (place + 1) for place in range(len(known.tags))))
    for _ in range(max(1, rng.choice((1, 2, 2, 3, 3, 4, 5)) - len(chosen))):
        chosen[known.tags[bisect_left(weights, rng.random() * weights[-1])]] = None
    if rng.random() < 0.01 and len(chosen) < MOST_TAGS:
        chosen[world.topic.moderator_tag] = None
    if rng.random() < 0.02 and len(chosen) < MOST_TAGS:  # one that somebody makes up, and an editor takes away again
        chosen[f"{rng.choice(known.tags)}-{rng.choice(_SUFFIXES)}"] = None
    return tuple(chosen)


def best_answer(world: World, question: Post) -> Post | None:
    """The visible answer with the highest score, the oldest of equals."""
    visible = [post for post in map(world.posts.__getitem__, question.answers) if world.is_visible(post)]
    return max(visible, key=lambda post: (post.score, -post.id), default=None)
