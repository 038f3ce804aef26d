"""Careers: what a person works as in which year, how far they have come, and the yearly chances of moving on.

Belongs here: the two Markov chains (roles, stages) and how they are drawn. Not here: the roles of each site, which are
data (`plans`), and when a year begins (`community`). Roles and stages move independently of each other and of what a
person does; a calendar year is a year of one role, as in the analyses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol


@dataclass(frozen=True)
class Role:
    """What one works as. `tags` are what its people ask about, most popular first; `tools` carry a tag by a curve."""

    name: str
    share: float  # of those who join
    tags: tuple[str, ...]
    tools: tuple[str, ...] = ()  # at most `choices.MOST_TOOLS`, none of them among any role's tags
    moves: Mapping[str, float] = field(default_factory=dict)  # role → chance a year; with the rest they stay


@dataclass(frozen=True)
class Stage:
    """How far one has come: how often one asks and answers, against somebody experienced, and how one moves on."""

    name: str
    share: float
    asks: float = 1.0
    answers: float = 1.0
    moves: Mapping[str, float] = field(default_factory=dict)
    is_active: bool = True  # whether one does anything at all


STAGES = (
    Stage("junior", 0.50, asks=1.5, answers=0.5, moves={"experienced": 0.35, "dormant": 0.12}),
    Stage("experienced", 0.35, moves={"senior": 0.15, "dormant": 0.08}),
    Stage("senior", 0.15, asks=0.5, answers=2.0, moves={"dormant": 0.05}),
    Stage("dormant", 0.0, moves={"experienced": 0.10}, is_active=False),
)


@dataclass(frozen=True, slots=True)
class Career:
    """Of one person in one calendar year: the names of role and stage."""

    role: str
    stage: str


class _State(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def share(self) -> float: ...
    @property
    def moves(self) -> Mapping[str, float]: ...


def begun(rng: Random, roles: Sequence[Role], stages: Sequence[Stage]) -> Career:
    """The career of somebody who joins."""
    return Career(_first(rng, roles), _first(rng, stages))


def continued(rng: Random, career: Career, roles: Sequence[Role], stages: Sequence[Stage]) -> Career:
    """The career a year later."""
    return Career(_next(rng, career.role, roles), _next(rng, career.stage, stages))


def rates(states: Sequence[_State]) -> dict[tuple[str, str], float]:
    """(from, to) → chance a year, staying included; zero where nobody moves that way."""
    return {
        (origin.name, target.name): (
            origin.moves.get(target.name, 0.0) if target is not origin else 1 - sum(origin.moves.values())
        )
        for origin in states
        for target in states
    }


def _first(rng: Random, states: Sequence[_State]) -> str:
    return rng.choices([state.name for state in states], weights=[state.share for state in states])[0]


def _next(rng: Random, now: str, states: Sequence[_State]) -> str:
    chance = rng.random()
    for target, rate in next(state.moves for state in states if state.name == now).items():
        chance -= rate
        if chance < 0:
            return target
    return now
