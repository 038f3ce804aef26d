"""The days of a simulated community: who joins, how often each kind of event happens and to whose hand it falls.

Rates and inclinations are the tables here; what an event does is in `contributions`, `reactions` and `moderation`; what
people work as and what the site goes through is its plan (`plans`). On the first day of a year every career moves on.
The same arguments give the same world, whatever Python's hash seed and however the days are walked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import accumulate
from random import Random

from so_lakehouse.simulate import choices, contributions, moderation, reactions
from so_lakehouse.simulate.careers import begun, continued
from so_lakehouse.simulate.plans import Plan
from so_lakehouse.simulate.reputation import reputations
from so_lakehouse.simulate.text import Block
from so_lakehouse.simulate.topics import topic_of
from so_lakehouse.simulate.world import COMMUNITY, Person, World

# Until this many days after launch the community grows to the asked number of people, and goes on at the same pace.
GROWTH_DAYS = 730
FOUNDERS_SHARE = 0.6  # so many that growth does not hide what the shock does
EVENTS_PER_PERSON_AND_DAY = 0.07
WEEKEND_FACTOR = 0.6
MOST_ZEAL = 30  # times as busy as the least busy
HIDDEN_ACCOUNT_SHARE = 0.08  # of accounts that hide their network-wide number
BONUS_SHARE = 0.05  # of accounts that bring the association bonus from a site that is not simulated


@dataclass(frozen=True)
class Event:
    """A kind of event: how often, relative to the others, and which inclination of a person makes it fall to them."""

    act: Callable[[World, datetime, Person], None]
    weight: float
    inclination: str

    @property
    def name(self) -> str:
        return self.act.__name__


# Votes : posts : comments : history follow beer.stackexchange.com 2016-12 (10,798 : 2,106 : 1,860 : 5,093).
EVENTS = (
    Event(contributions.ask, 48, "ask"),
    Event(contributions.answer, 92, "answer"),
    Event(contributions.comment, 130, "comment"),
    Event(contributions.edit, 75, "edit"),
    Event(contributions.describe_tag, 2, "edit"),
    Event(contributions.edit_profile, 8, "visit"),
    Event(reactions.vote, 560, "vote"),
    Event(reactions.vote_in_series, 1, "vote"),
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
    Event(moderation.leave, 3, "leave"),
    Event(moderation.bump, 4, "visit"),
)

# Habit → (share of people, inclinations). What a habit does not name it does at 0.02.
HABITS: dict[str, tuple[float, dict[str, float]]] = {
    "visitor": (0.50, {"visit": 1, "vote": 0.5, "ask": 0.2, "comment": 0.1}),
    "asker": (0.28, {"visit": 1, "ask": 2, "comment": 1, "vote": 1, "answer": 0.1, "edit": 0.2}),
    "answerer": (0.18, {"visit": 1, "answer": 3, "comment": 2, "vote": 2, "ask": 0.2, "edit": 0.5}),
    "curator": (0.04, {"visit": 1, "edit": 6, "moderate": 10, "vote": 6, "answer": 1, "comment": 3}),
}
_FAINT = 0.02
_ALL_WEIGHTS = sum(event.weight for event in EVENTS)
_DRAWS = 10


@dataclass
class Community:
    """A world that can be walked forward day by day. `today` is the last day lived, at first the eve of the launch.

    For the truth it keeps, by month, how many events of each kind were meant to happen and the days that active people
    lived (a weekend's counts `WEEKEND_FACTOR`), and by year the reputations that people saw at its end.
    """

    world: World
    people_target: int
    today: date
    pools: dict[str, tuple[list[Person], list[float]]] = field(default_factory=dict)
    accounts: set[int] = field(default_factory=set)
    dormant: int = 0
    intended: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))  # (month, kind)
    active_days: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    reputation_seen: dict[int, dict[int, int]] = field(default_factory=dict)  # year → user → reputation

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
        reactions.reverse_series(world, datetime.combine(day, time()))
        if day == world.launch:
            self._found(day)
        elif (day.month, day.day) == (1, 1):
            self._begin_year(day)
        pace = self.people_target * (1 - FOUNDERS_SHARE) / GROWTH_DAYS
        for moment in choices.moments(world, day, _about(rng, pace)):
            self._join(moment)
        rates = self._rates(day)
        weights = list(accumulate(rates))
        moments = choices.moments(world, day, _about(rng, weights[-1]))
        events = rng.choices(EVENTS, cum_weights=weights, k=len(moments)) if moments else []
        for moment, event in zip(moments, events, strict=True):
            person = self._somebody(event.inclination)
            if person is None or person.joined > moment:
                continue
            event.act(world, moment, person)
            person.seen = moment
        reactions.close_bounties(world, datetime.combine(day, time()))
        if (day.month, day.day) == (12, 31):
            self.reputation_seen[day.year] = reputations(world, day)

    def _rates(self, day: date) -> list[float]:
        """How many events of each kind are meant to happen on that day."""
        month = f"{day:%Y-%m}"
        active = (len(self.world.people) - 1 - self.dormant) * (WEEKEND_FACTOR if day.weekday() >= 5 else 1)
        self.active_days[month] += active
        found = []
        for event in EVENTS:
            rate = active * daily_rate(event, self.world.plan, day)
            self.intended[month, event.name] += rate
            found.append(rate)
        return found

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
        habit = rng.choices(list(HABITS), weights=[share for share, _ in HABITS.values()])[0]
        if len(world.people) <= 2:
            habit = "curator"  # a site without anybody to look after it would never delete anything
        identifier = world.next_id("users")
        zeal = min(rng.paretovariate(1.3), MOST_ZEAL)
        person = Person(identifier, moment, world.author.name(identifier), habit, zeal, self._account(), seen=moment)
        person.has_bonus = rng.random() < BONUS_SHARE
        career = begun(rng, world.plan.roles, world.plan.stages)
        person.role, person.stage = career.role, career.stage
        world.careers[identifier] = {moment.year: career}
        if rng.random() < 0.4:
            contributions.edit_profile(world, moment, person)
        world.people[identifier] = person
        self._enter(person)

    def _begin_year(self, day: date) -> None:
        """Everybody's career moves on, and events fall to people accordingly."""
        world = self.world
        self.pools.clear()
        self.dormant = 0
        for person in world.people.values():
            if person.id == COMMUNITY:
                continue
            years = world.careers[person.id]
            career = years[day.year] = continued(world.rng, years[day.year - 1], world.plan.roles, world.plan.stages)
            person.role, person.stage = career.role, career.stage
            self._enter(person)

    def _enter(self, person: Person) -> None:
        """Lets events fall to a person from now on, unless they are dormant."""
        stage = self.world.plan.stage(person.stage)
        if not stage.is_active:
            self.dormant += 1
            return
        factors = {"ask": stage.asks, "answer": stage.answers, "leave": 1 / person.zeal}
        for inclination in {event.inclination: None for event in EVENTS}:
            people, weights = self.pools.setdefault(inclination, ([], []))
            weight = person.zeal * HABITS[person.habit][1].get(inclination, _FAINT) * factors.get(inclination, 1.0)
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
        """Drawn anew where the account is gone; None where that happens again and again, or nobody is active."""
        people, weights = self.pools.get(inclination, ([], []))
        for _ in range(_DRAWS if people else 0):
            person = self.world.rng.choices(people, cum_weights=weights)[0]
            if person.id in self.world.people:
                return person
        return None


def found_community(site: str, seed: int, people: int, launch: date, plan: Plan | None = None) -> Community:
    """A community on the eve of its launch. `people` is its size two years on; unknown sites raise `BadInput`.

    Its plan is the site's own (`plans.PLANS`) unless another is given.
    """
    world = World(topic_of(site), Random(f"{seed}/{site}/{people}"), launch, plan)
    return Community(world, people, launch - timedelta(days=1))


def daily_rate(event: Event, plan: Plan, day: date) -> float:
    """Events of that kind per active person on a weekday such as this."""
    usual = EVENTS_PER_PERSON_AND_DAY * event.weight / _ALL_WEIGHTS
    return usual * (plan.shock.factor(event.name, day) if plan.shock else 1.0)


def _about(rng: Random, mean: float) -> int:
    """A whole number of that mean."""
    return int(mean) + (rng.random() < mean % 1)
