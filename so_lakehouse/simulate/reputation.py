"""Reputation by the network's rules, folded from the votes that count at a cut.

Source of the rules: help pages "What is reputation?"; points per question vote since 2019-11. Left out: the
association bonus, the points for approved edits and for flagged posts.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date

from so_lakehouse.simulate.world import ACCEPTED, ANSWER, BOUNTY_CLOSE, BOUNTY_START, DOWN, UP, World

DAILY_CAP = 200  # net points from votes per person and UTC day; acceptance and bounties are exempt
VOTE_POINTS = {UP: 10, DOWN: -2}
ACCEPTED_POINTS, ACCEPTING_POINTS = 15, 2
DOWN_VOTER_POINTS = -1  # for down votes on answers
FLOOR = 1


def reputations(world: World) -> dict[int, int]:
    """User → reputation of everybody on the site.

    Votes on deleted posts, and on wiki posts since they became that, earn nothing.
    """
    by_day: defaultdict[tuple[int, date], int] = defaultdict(int)
    points = dict.fromkeys(world.people, FLOOR)

    def add(user: int | None, amount: int) -> None:
        if user in points:
            points[user] += amount

    for vote in world.votes.values():
        post = world.posts[vote.post]
        if vote.kind == BOUNTY_START:
            add(vote.voter, -(vote.amount or 0))
        if not world.is_visible(post):
            continue
        if vote.kind == BOUNTY_CLOSE:
            add(post.owner, vote.amount or 0)
        elif vote.kind == ACCEPTED and vote.voter != post.owner:
            add(post.owner, ACCEPTED_POINTS)
            add(vote.voter, ACCEPTING_POINTS)
        elif vote.kind in VOTE_POINTS:
            if vote.kind == DOWN and post.kind == ANSWER:
                add(vote.voter, DOWN_VOTER_POINTS)
            if post.owner is not None and not (post.community_owned and vote.day >= post.community_owned.date()):
                by_day[post.owner, vote.day] += VOTE_POINTS[vote.kind]
    for (owner, _), net in by_day.items():
        add(owner, min(DAILY_CAP, net))
    return {user: max(FLOOR, total) for user, total in points.items()}
