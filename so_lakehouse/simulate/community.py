"""The days of a simulated community: who joins, how often each kind of event happens and to whose hand it falls.

Rates and inclinations are the tables here; what an event does is in `contributions`, `reactions` and `moderation`.
The same arguments give the same world, whatever Python's hash seed and however the days are walked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import accumulate
from random import Random

from so_lakehouse.simulate import choices, contributions, moderation, reactions
from so_lakehouse.simulate.text import Block
from so_lakehouse.simulate.topics import topic_of
from so_lakehouse.simulate.world import COMMUNITY, Person, World

# Until this many days after launch the community grows to the asked number of people, and goes on at the same pace.
GROWTH_DAYS = 730
FOUNDERS_SHARE = 0.2
EVENTS_PER_PERSON_AND_DAY = 0.07
WEEKEND_FACTOR = 0.6
MOST_ZEAL = 30  # times as busy as the least busy
HIDDEN_ACCOUNT_SHARE = 0.08  # of accounts that hide their network-wide number


@dataclass(frozen=True)
class Event:
    """A kind of event: how often, relative to the others, and which inclination of a person makes it fall to them."""

    act: Callable[[World, datetime, Person], None]
    weight: float
    inclination: str


# Votes : posts : comments : history follow beer.stackexchange.com 2016-12 (10,798 : 2,106 : 1,860 : 5,093).
EVENTS = (
    Event(contributions.ask, 48, "ask"),
    Event(contributions.answer, 92, "answer"),
    Event(contributions.comment, 130, "comment"),
    Event(contributions.edit, 75, "edit"),
    Event(contributions.describe_tag, 2, "edit"),
    Event(contributions.edit_profile, 5, "visit"),
    Event(reactions.vote, 560, "vote"),
    Event(reactions.withdraw_vote, 8, "vote"),
    Event(reactions.praise_comment, 20, "vote"),
    Event(reactions.accept, 40, "visit"),
    Event(reactions.offer_bounty, 2, "ask"),
    Event(reactions.link, 8, "edit"),
    Event(moderation.close, 6, "moderate"),
    Event(moderation.reopen, 1, "moderate"),
    Event(moderation.delete, 14, "moderate"),
    Event(moderation.undelete, 4, "moderate"),
    Event(moderation.delete_comment, 5, "moderate"),
    Event(moderation.leave, 2, "visit"),
    Event(moderation.bump, 4, "visit"),
)

# Role → (share of people, inclinations). What a role does not name it does at 0.02.
ROLES: dict[str, tuple[float, dict[str, float]]] = {
    "visitor": (0.50, {"visit": 1, "vote": 0.5, "ask": 0.2, "comment": 0.1}),
    "asker": (0.28, {"visit": 1, "ask": 2, "comment": 1, "vote": 1, "answer": 0.1, "edit": 0.2}),
    "answerer": (0.18, {"visit": 1, "answer": 3, "comment": 2, "vote": 2, "ask": 0.2, "edit": 0.5}),
    "curator": (0.04, {"visit": 1, "edit": 6, "moderate": 10, "vote": 6, "answer": 1, "comment": 3}),
}
_FAINT = 0.02


@dataclass
class Community:
    """A world that can be walked forward day by day. `today` is the last day lived, at first the eve of the launch."""

    world: World
    people_target: int
    today: date
    pools: dict[str, tuple[list[Person], list[float]]] = field(default_factory=dict)
    accounts: set[int] = field(default_factory=set)

    def live_until(self, last_day: date) -> World:
        """The world at the end of that day (UTC). A day that is over cannot be lived again: raises `ValueError`."""
        if last_day < self.today:
            raise ValueError(f"{self.world.topic.site} has reached {self.today}; it cannot go back to {last_day}.")
        while self.today < last_day:
            self.today += timedelta(days=1)
            self._live(self.today)
        return self.world

    def _live(self, day: date) -> None:
        world, rng = self.world, self.world.rng
        if day == world.launch:
            self._found(day)
        pace = self.people_target * (1 - FOUNDERS_SHARE) / GROWTH_DAYS
        for moment in choices.moments(world, day, _about(rng, pace)):
            self._join(moment)
        rate = EVENTS_PER_PERSON_AND_DAY * len(world.people) * (WEEKEND_FACTOR if day.weekday() >= 5 else 1)
        weights = list(accumulate(event.weight for event in EVENTS))
        moments = choices.moments(world, day, _about(rng, rate))
        for moment, event in zip(moments, rng.choices(EVENTS, cum_weights=weights, k=len(moments)), strict=True):
            person = self._somebody(event.inclination)
            if person is None or person.joined > moment:
                continue
            event.act(world, moment, person)
            person.seen = moment
        reactions.close_bounties(world, datetime.combine(day, time()))

    def _found(self, day: date) -> None:
        world = self.world
        start = datetime.combine(day, time())
        about = (
            Block("p", "Hi, I'm not really a person."),
            Block("p", "This whole site is SIMULATED & nobody here is real."),
        )
        world.people[COMMUNITY] = Person(COMMUNITY, start, "Community", "visitor", 0, -1, about=about, seen=start)
        for _ in range(max(3, int(self.people_target * FOUNDERS_SHARE))):
            self._join(start)

    def _join(self, moment: datetime) -> None:
        world, rng = self.world, self.world.rng
        role = rng.choices(list(ROLES), weights=[share for share, _ in ROLES.values()])[0]
        if len(world.people) <= 2:
            role = "curator"  # a site without anybody to look after it would never delete anything
        identifier = world.next_id("users")
        zeal = min(rng.paretovariate(1.3), MOST_ZEAL)
        person = Person(identifier, moment, world.author.name(identifier), role, zeal, self._account(), seen=moment)
        if rng.random() < 0.4:
            contributions.edit_profile(world, moment, person)
        world.people[identifier] = person
        for inclination in {event.inclination: None for event in EVENTS}:
            people, weights = self.pools.setdefault(inclination, ([], []))
            weight = person.zeal * ROLES[role][1].get(inclination, _FAINT)
            people.append(person)
            weights.append(weight + (weights[-1] if weights else 0))

    def _account(self) -> int | None:
        """A number in the whole network, so that some people are on two sites; nobody twice on one."""
        if self.world.rng.random() < HIDDEN_ACCOUNT_SHARE:
            return None
        while (account := 1_000_000 + self.world.rng.randrange(20 * self.people_target)) in self.accounts:
            pass
        self.accounts.add(account)
        return account

    def _somebody(self, inclination: str) -> Person | None:
        people, weights = self.pools[inclination]
        person = self.world.rng.choices(people, cum_weights=weights)[0]
        return person if person.id in self.world.people else None


def found_community(site: str, seed: int, people: int, launch: date) -> Community:
    """A community on the eve of its launch. `people` is its size two years on; unknown sites raise `BadInput`."""
    world = World(topic_of(site), Random(f"{seed}/{site}/{people}"), launch)
    return Community(world, people, launch - timedelta(days=1))


def _about(rng: Random, mean: float) -> int:
    """A whole number of that mean."""
    return int(mean) + (rng.random() < mean % 1)
