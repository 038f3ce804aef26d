"""Reputation by the network's rules, folded from the votes that count.

Source: the help page "What is reputation?"; for questions the rules of stackoverflow.blog/2010/03/19 ("Important
reputation rule changes") and 2019/11/13 ("We're rewarding the question askers"), both of which changed what had been
earned before, too. Assumed: that each held from the day of its announcement, the first of which says "in the next few
days", and that deleted posts of some standing keep what they earned. Left out, because nobody does it here: posts that
are removed as spam or offensive, which costs 100 points.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta

from so_lakehouse.simulate.world import (
    ACCEPTED,
    ANSWER,
    APPROVED_EDIT,
    BOUNTY_CLOSE,
    BOUNTY_START,
    DOWN,
    QUESTION,
    UP,
    Post,
    Vote,
    World,
)

DAILY_CAP = 200  # net points from votes and edits per person and UTC day; acceptance, bounties and the bonus are exempt
VOTE_POINTS = {UP: 10, DOWN: -2}
QUESTION_UP_POINTS = ((date(2019, 11, 13), 10), (date(2010, 3, 19), 5), (date.min, 10))  # first day of the rule, points
ACCEPTED_POINTS, ACCEPTING_POINTS = 15, 2
DOWN_VOTER_POINTS = -1  # for down votes on answers
EDIT_POINTS, MOST_EDIT_POINTS = 2, 1000  # for the author of an approved edit, in all
BONUS = 100  # once, for who is known from another site
FLOOR = 1  # at which one begins and below which no day ends; what would take one lower is forgotten
KEPT_SCORE, KEPT_AGE = 3, timedelta(days=60)  # a deleted post of that score that lived so long keeps what it earned


def reputations(world: World, day: date = date.max) -> dict[int, int]:
    """User → reputation at the end of that day, of everybody who is on the site now and had joined by then.

    By the rules of that day, from the votes that are still there; so for an earlier day it is what a rebuilding from a
    dump would find, not what people saw then.
    """
    by_day: defaultdict[int, defaultdict[date, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for user, when, points, is_capped in _earned(world, day):
        by_day[user][when][is_capped] += points
    found = {}
    for user, person in world.people.items():
        if person.joined.date() <= day:
            total = FLOOR
            for _, (exempt, capped) in sorted(by_day[user].items()):
                total = max(FLOOR, total + exempt + min(DAILY_CAP, capped))
            found[user] = total
    return found


def _earned(world: World, day: date) -> Iterator[tuple[int, date, int, bool]]:
    """(user, day, points, whether the daily cap holds for them) of each thing that counts."""
    question_up = next(points for start, points in QUESTION_UP_POINTS if start <= day)
    edited: defaultdict[int, int] = defaultdict(int)
    for person in world.people.values():
        if person.has_bonus:
            yield person.id, person.joined.date(), BONUS, False
    for vote in world.votes.values():
        post = world.posts[vote.post]
        if vote.day > day:
            continue
        if vote.kind == BOUNTY_START:
            yield vote.voter, vote.day, -(vote.amount or 0), False
        elif not _counts(world, post):
            continue
        elif vote.kind == BOUNTY_CLOSE:
            yield post.owner, vote.day, vote.amount or 0, False
        elif vote.kind == APPROVED_EDIT:
            if edited[vote.voter] < MOST_EDIT_POINTS:
                edited[vote.voter] += EDIT_POINTS
                yield vote.voter, vote.day, EDIT_POINTS, True
        elif not _is_wiki(post, vote):
            if vote.kind == ACCEPTED and vote.voter != post.owner:
                yield post.owner, vote.day, ACCEPTED_POINTS, False
                yield vote.voter, vote.day, ACCEPTING_POINTS, False
            elif vote.kind == UP:
                yield post.owner, vote.day, question_up if post.kind == QUESTION else VOTE_POINTS[UP], True
            elif vote.kind == DOWN:
                yield post.owner, vote.day, VOTE_POINTS[DOWN], True
                if post.kind == ANSWER:
                    yield vote.voter, vote.day, DOWN_VOTER_POINTS, False


def _counts(world: World, post: Post) -> bool:
    """Whether what a post earned is kept: while it is visible, and after that if it was of some standing."""
    gone = world.gone_since(post)
    return gone is None or (post.score >= KEPT_SCORE and gone - post.created >= KEPT_AGE)


def _is_wiki(post: Post, vote: Vote) -> bool:
    """Whether the post belonged to everybody on the day of the vote: its votes move nobody's reputation then."""
    return post.community_owned is not None and vote.day >= post.community_owned.date()
