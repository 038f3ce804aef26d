"""Reputation in a simulated world, by the network's published rules, on worlds made by hand."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from random import Random

import pytest

from so_lakehouse.simulate.reputation import reputations
from so_lakehouse.simulate.topics import topic_of
from so_lakehouse.simulate.world import (
    ACCEPTED,
    ANSWER,
    BOUNTY_CLOSE,
    BOUNTY_START,
    DOWN,
    QUESTION,
    UP,
    Person,
    Post,
    World,
)

NOON = datetime(2025, 1, 10, 12)
ASKER, ANSWERER, VOTER = 1, 2, 3


@pytest.fixture
def world() -> World:
    """A question of user 1, an answer of user 2, and user 3 who only votes."""
    world = World(topic_of("simulated-brewing"), Random(1), date(2025, 1, 1))
    world.people = {
        number: Person(number, NOON, f"P{number}", "visitor", 1, None) for number in (ASKER, ANSWERER, VOTER)
    }
    world.posts = {
        1: Post(1, QUESTION, NOON, ASKER, (), answers=[2]),
        2: Post(2, ANSWER, NOON, ANSWERER, (), parent=1),
    }
    return world


def test_everybody_begins_with_one_point(world: World) -> None:
    assert reputations(world) == {ASKER: 1, ANSWERER: 1, VOTER: 1}


def test_an_up_vote_gives_ten_and_a_down_vote_takes_two(world: World) -> None:
    for kind in (UP, UP, DOWN):
        world.cast(world.posts[1], kind, VOTER, NOON)
    assert reputations(world) == {ASKER: 1 + 20 - 2, ANSWERER: 1, VOTER: 1}


def test_a_down_vote_on_an_answer_costs_the_voter_a_point(world: World) -> None:
    world.cast(world.posts[1], UP, VOTER, NOON)
    world.cast(world.posts[2], UP, ASKER, NOON)
    world.cast(world.posts[2], DOWN, ASKER, NOON)
    assert reputations(world) == {ASKER: 1 + 10 - 1, ANSWERER: 1 + 10 - 2, VOTER: 1}


def test_votes_give_at_most_two_hundred_a_day(world: World) -> None:
    for _ in range(25):
        world.cast(world.posts[2], UP, VOTER, NOON)
    assert reputations(world)[ANSWERER] == 201
    world.cast(world.posts[2], UP, VOTER, NOON + timedelta(days=1))
    assert reputations(world)[ANSWERER] == 211


def test_acceptance_is_outside_the_cap_and_rewards_both(world: World) -> None:
    for _ in range(25):
        world.cast(world.posts[2], UP, VOTER, NOON)
    world.cast(world.posts[2], ACCEPTED, ASKER, NOON)
    assert reputations(world) == {ASKER: 1 + 2, ANSWERER: 201 + 15, VOTER: 1}


def test_accepting_ones_own_answer_gives_nothing(world: World) -> None:
    world.posts[2].owner = ASKER
    world.cast(world.posts[2], ACCEPTED, ASKER, NOON)
    assert reputations(world)[ASKER] == 1


def test_a_bounty_moves_from_who_offers_to_who_answers(world: World) -> None:
    for _ in range(10):
        world.cast(world.posts[1], UP, VOTER, NOON)
    world.cast(world.posts[1], BOUNTY_START, ASKER, NOON, 50)
    world.cast(world.posts[2], BOUNTY_CLOSE, ASKER, NOON, 50)
    assert reputations(world) == {ASKER: 1 + 100 - 50, ANSWERER: 1 + 50, VOTER: 1}


def test_nobody_falls_below_one_point(world: World) -> None:
    world.cast(world.posts[1], DOWN, VOTER, NOON)
    assert reputations(world)[ASKER] == 1


def test_deleted_posts_and_wiki_posts_earn_nothing(world: World) -> None:
    world.cast(world.posts[2], UP, VOTER, NOON)
    world.posts[2].community_owned = NOON
    assert reputations(world)[ANSWERER] == 1
    world.posts[2].community_owned = None
    world.posts[1].deleted = NOON
    assert reputations(world)[ANSWERER] == 1
