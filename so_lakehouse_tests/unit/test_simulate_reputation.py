"""Reputation in a simulated world, by the network's published rules, on worlds made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random

import pytest

from so_lakehouse.simulate.reactions import (
    accept,
    offer_bounty,
    reverse_series,
    vote,
    vote_in_series,
    withdraw_all_votes,
)
from so_lakehouse.simulate.reputation import reputations
from so_lakehouse.simulate.topics import topic_of
from so_lakehouse.simulate.world import (
    ACCEPTED,
    ANSWER,
    APPROVED_EDIT,
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


def test_bounties_are_outside_the_cap_and_stay_paid_when_the_question_goes(world: World) -> None:
    for _ in range(25):
        world.cast(world.posts[2], UP, VOTER, NOON)
        world.cast(world.posts[1], UP, VOTER, NOON)
    world.cast(world.posts[1], BOUNTY_START, ASKER, NOON, 150)
    world.cast(world.posts[2], BOUNTY_CLOSE, ASKER, NOON, 150)
    assert reputations(world) == {ASKER: 201 - 150, ANSWERER: 201 + 150, VOTER: 1}
    world.posts[1].deleted = NOON
    assert reputations(world) == {ASKER: 1, ANSWERER: 1, VOTER: 1}


def test_down_votes_make_room_below_the_cap_on_their_day_only(world: World) -> None:
    for _ in range(22):
        world.cast(world.posts[2], UP, VOTER, NOON)
    for _ in range(5):
        world.cast(world.posts[2], DOWN, VOTER, NOON)
    assert reputations(world)[ANSWERER] == 201  # 220 less 10 is still above the cap
    world.cast(world.posts[2], DOWN, VOTER, NOON + timedelta(days=1))
    assert reputations(world)[ANSWERER] == 199


def test_an_approved_edit_gives_its_author_two_within_the_cap(world: World) -> None:
    world.cast(world.posts[1], APPROVED_EDIT, ANSWERER, NOON)
    assert reputations(world)[ANSWERER] == 3
    for _ in range(20):
        world.cast(world.posts[2], UP, VOTER, NOON)
    assert reputations(world)[ANSWERER] == 201


def test_approved_edits_give_a_thousand_at_most(world: World) -> None:
    for day in range(6):
        for _ in range(99):
            world.cast(world.posts[1], APPROVED_EDIT, VOTER, NOON + timedelta(days=day))
    assert reputations(world)[VOTER] == 1 + 1_000  # 594 edits, no day at the cap


def test_who_is_known_from_another_site_begins_with_a_hundred_more(world: World) -> None:
    world.people[VOTER].has_bonus = True
    for _ in range(25):
        world.cast(world.posts[2], UP, VOTER, NOON)
    world.people[ANSWERER].has_bonus = True
    assert reputations(world) == {ASKER: 1, ANSWERER: 1 + 100 + 200, VOTER: 101}


def test_a_loss_at_one_point_is_forgotten(world: World) -> None:
    world.cast(world.posts[1], DOWN, VOTER, NOON)
    world.cast(world.posts[1], UP, VOTER, NOON + timedelta(days=1))
    assert reputations(world)[ASKER] == 11


def test_votes_before_a_post_became_wiki_still_count(world: World) -> None:
    world.cast(world.posts[2], UP, VOTER, NOON)
    world.posts[2].community_owned = NOON + timedelta(days=2)
    later = NOON + timedelta(days=3)
    for kind, voter in ((UP, VOTER), (DOWN, VOTER), (ACCEPTED, ASKER)):
        world.cast(world.posts[2], kind, voter, later)
    assert reputations(world) == {ASKER: 1, ANSWERER: 11, VOTER: 1}


@pytest.mark.parametrize(
    ("score", "days", "kept"), [(3, 60, True), (2, 60, False), (3, 59, False), (5, 400, True), (-1, 400, False)]
)
def test_a_deleted_post_of_some_standing_keeps_what_it_earned(world: World, score: int, days: int, kept: bool) -> None:
    world.cast(world.posts[2], UP, VOTER, NOON)
    world.cast(world.posts[2], ACCEPTED, ASKER, NOON)
    world.posts[2].score = score
    world.posts[2].deleted = NOON + timedelta(days=days)
    earned = {ASKER: 3, ANSWERER: 1 + 10 + 15, VOTER: 1}
    assert reputations(world) == (earned if kept else {ASKER: 1, ANSWERER: 1, VOTER: 1})


def test_an_answer_goes_when_its_question_goes(world: World) -> None:
    world.cast(world.posts[2], UP, VOTER, NOON)
    world.posts[2].score = 3
    world.posts[1].deleted = NOON + timedelta(days=59)
    assert reputations(world)[ANSWERER] == 1
    world.posts[1].deleted = None
    assert reputations(world)[ANSWERER] == 11


@pytest.mark.parametrize(
    ("day", "points"),
    [
        (date(2010, 3, 1), 10),
        (date(2010, 4, 1), 5),
        (date(2019, 11, 1), 5),
        (date(2019, 12, 1), 10),
        (date(2026, 1, 1), 10),
    ],
)
def test_a_days_rules_hold_for_all_earlier_up_votes_on_questions(world: World, day: date, points: int) -> None:
    world.people = {user: replace(person, joined=datetime(2009, 1, 1)) for user, person in world.people.items()}
    for post in world.posts.values():
        world.cast(post, UP, VOTER, datetime(2009, 6, 1))
    assert reputations(world, day) == {ASKER: 1 + points, ANSWERER: 11, VOTER: 1}


def test_an_earlier_day_knows_no_later_vote_and_no_later_person(world: World) -> None:
    world.cast(world.posts[2], UP, VOTER, NOON)
    world.cast(world.posts[2], UP, ASKER, NOON + timedelta(days=1))
    world.people[VOTER].joined = NOON + timedelta(days=1)
    assert reputations(world, NOON.date()) == {ASKER: 1, ANSWERER: 11}


def test_votes_in_series_are_taken_back_the_next_day(world: World) -> None:
    for number in range(3, 7):
        world.posts[number] = Post(number, ANSWER, NOON, ANSWERER, (), parent=1)
        world.posts[1].answers.append(number)
    world.questions.append(1)
    while not world.series:  # whom the voter likes is drawn: sometimes the asker, who has but one post
        vote_in_series(world, NOON, world.people[VOTER])
    cast = len(world.votes)
    assert 4 <= cast <= 5
    assert reputations(world)[ANSWERER] == 1 + 10 * cast
    reverse_series(world, NOON)
    assert len(world.votes) == cast, "the day is not over"
    reverse_series(world, NOON + timedelta(days=1))
    assert not world.votes
    assert reputations(world) == {ASKER: 1, ANSWERER: 1, VOTER: 1}
    assert [removal.reason for removal in world.removals] == ["series reversed"] * cast
    assert all(world.posts[number].score == 0 for number in world.posts)


def test_what_one_can_give_follows_votes_and_acceptance(world: World) -> None:
    world.questions.append(1)
    while len(world.votes) < 2:  # one on each post; which is met is drawn
        vote(world, NOON, world.people[VOTER])
    while world.posts[1].accepted is None:
        accept(world, NOON, world.people[VOTER])
    earned = {post.owner: {1: 10, -1: -2}[post.score] for post in world.posts.values()}
    expected = {ASKER: earned[ASKER] + 2, ANSWERER: earned[ANSWERER] + 15, VOTER: 0}
    assert {user: person.credit for user, person in world.people.items()} == expected
    withdraw_all_votes(world, NOON, world.people[VOTER])
    assert {user: person.credit for user, person in world.people.items()} == {ASKER: 2, ANSWERER: 15, VOTER: 0}


def test_one_offers_a_bounty_only_out_of_what_one_has(world: World) -> None:
    world.questions.append(1)
    poor, rich = world.people[VOTER], world.people[ANSWERER]
    poor.credit, rich.credit = 74, 100
    for _ in range(20):
        offer_bounty(world, NOON, poor)
    assert not world.votes
    while not world.offers:
        offer_bounty(world, NOON, rich)
    (offer,) = world.votes.values()
    assert (offer.kind, offer.voter) == (BOUNTY_START, ANSWERER)
    assert offer.amount in (50, 100)
    assert rich.credit == 100 - offer.amount
