"""The parameters of a simulated community: curves, shock and chains by hand, and plans that can be carried out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date
from itertools import pairwise
from random import Random

import pytest

from so_lakehouse.errors import BadInput
from so_lakehouse.simulate.adoption import Curve, Turn
from so_lakehouse.simulate.careers import Career, Role, Stage, begun, continued, rates
from so_lakehouse.simulate.choices import MOST_TAGS, MOST_TOOLS
from so_lakehouse.simulate.community import EVENTS, daily_rate
from so_lakehouse.simulate.plans import PLANS, SHOCK, Plan, plan_of
from so_lakehouse.simulate.shock import Shock
from so_lakehouse.simulate.topics import TOPICS

MIDDLE = date(2022, 6, 1)
ROLES = (Role("smith", 1.0, ("iron",), moves={"baker": 0.25}), Role("baker", 0.0, ("flour",)))
STAGES = (Stage("young", 1.0, moves={"old": 0.1, "gone": 0.2}), Stage("old", 0.0), Stage("gone", 0.0, is_active=False))


def test_a_rising_curve_is_half_way_in_its_middle_and_at_73_percent_one_pace_later() -> None:
    curve = Curve(ceiling=0.5, floor=0.1, rise=Turn(MIDDLE, 4))
    assert curve.share(date(2022, 6, 30)) == pytest.approx(0.3)
    assert curve.share(date(2022, 10, 1)) == pytest.approx(0.1 + 0.4 * 0.7310586)
    assert curve.share(date(2012, 1, 1)) == pytest.approx(0.1)
    assert curve.share(date(2032, 1, 1)) == pytest.approx(0.5)


def test_a_falling_curve_begins_at_its_ceiling_and_ends_at_its_floor() -> None:
    curve = Curve(ceiling=0.5, floor=0.1, fall=Turn(MIDDLE, 4))
    shares = [curve.share(date(2020 + month // 12, month % 12 + 1, 1)) for month in range(72)]
    assert shares[0] == pytest.approx(0.5, abs=0.01)
    assert shares[-1] == pytest.approx(0.1, abs=0.01)
    assert all(earlier > later for earlier, later in pairwise(shares))


def test_a_tool_can_rise_and_fall_again() -> None:
    curve = Curve(ceiling=0.4, rise=Turn(date(2021, 6, 1), 2), fall=Turn(date(2023, 6, 1), 2))
    assert [round(curve.share(date(year, 6, 1)), 2) for year in (2020, 2022, 2024)] == [0.0, 0.4, 0.0]


def test_a_share_is_the_same_all_month() -> None:
    curve = Curve(ceiling=0.4, rise=Turn(MIDDLE, 2))
    assert curve.share(date(2022, 8, 1)) == curve.share(date(2022, 8, 31)) != curve.share(date(2022, 9, 1))


def test_a_shock_without_a_ramp_is_whole_on_its_first_day() -> None:
    shock = Shock(date(2022, 11, 30), {"ask": 0.4})
    assert [shock.factor("ask", date(2022, 11, day)) for day in (29, 30)] == [1.0, 0.6]
    assert shock.factor("vote", date(2023, 5, 1)) == 1.0


def test_a_shock_with_a_ramp_grows_evenly_to_its_size() -> None:
    shock = Shock(date(2022, 11, 30), {"ask": 0.4}, ramp_days=3)
    days = [date(2022, 11, 29), date(2022, 11, 30), date(2022, 12, 1), date(2022, 12, 2), date(2022, 12, 3)]
    assert [shock.factor("ask", day) for day in days] == pytest.approx([1.0, 0.9, 0.8, 0.7, 0.6])
    assert shock.factor("ask", date(2030, 1, 1)) == pytest.approx(0.6)


def test_only_what_a_shock_names_happens_less_and_only_where_it_hits() -> None:
    hit, spared = plan_of("simulated-engineering"), plan_of("simulated-brewing")
    before, after = date(2022, 11, 29), date(2022, 11, 30)
    changed = {event.name: daily_rate(event, hit, after) / daily_rate(event, hit, before) for event in EVENTS}
    assert {name: round(1 - change, 9) for name, change in changed.items() if change != 1} == SHOCK.drops
    assert all(daily_rate(event, spared, after) == daily_rate(event, spared, before) for event in EVENTS)


def test_people_begin_and_move_as_often_as_the_chain_says() -> None:
    rng = Random(1)
    assert {begun(rng, ROLES, STAGES) for _ in range(50)} == {Career("smith", "young")}
    moved = Counter(continued(rng, Career("smith", "young"), ROLES, STAGES) for _ in range(10_000))
    assert sum(number for career, number in moved.items() if career.role == "baker") == pytest.approx(2_500, abs=200)
    stages = Counter({stage.name: 0 for stage in STAGES})
    for career, number in moved.items():
        stages[career.stage] += number
    assert [stages[name] for name in ("young", "old", "gone")] == pytest.approx([7_000, 1_000, 2_000], abs=200)
    assert continued(rng, Career("baker", "old"), ROLES, STAGES) == Career("baker", "old")


def test_rates_hold_every_move_and_what_stays() -> None:
    assert rates(ROLES) == {
        ("smith", "smith"): 0.75,
        ("smith", "baker"): 0.25,
        ("baker", "smith"): 0.0,
        ("baker", "baker"): 1.0,
    }


@pytest.mark.parametrize("site", TOPICS)
def test_a_plan_can_be_carried_out(site: str) -> None:
    plan = plan_of(site)
    for chain in (plan.roles, plan.stages):
        names = {state.name for state in chain}
        assert sum(state.share for state in chain) == pytest.approx(1)
        assert all(state.moves.keys() <= names - {state.name} and sum(state.moves.values()) < 1 for state in chain)
    used, tools = ({name for role in plan.roles for name in getattr(role, part)} for part in ("tags", "tools"))
    assert used | tools <= set(TOPICS[site].tags[:-1])
    assert tools == plan.curves.keys()
    assert not used & tools, "a tool's share is settled by its curve alone"
    assert all(len(role.tools) <= MOST_TOOLS < MOST_TAGS for role in plan.roles)
    assert all(0 <= curve.floor < curve.ceiling < 1 for curve in plan.curves.values())


def test_of_the_sites_to_show_two_are_hit_and_one_is_spared() -> None:
    shown = ("simulated-brewing", "simulated-databases", "simulated-engineering")
    assert [PLANS[site].shock for site in shown] == [None, SHOCK, SHOCK]


def test_a_plan_answers_for_its_roles_and_tools() -> None:
    plan = Plan((replace(ROLES[0], tools=("anvil",)), ROLES[1]), {"anvil": Curve(0.5)}, STAGES)
    assert plan.intended_share("smith", "anvil", MIDDLE) == 0.5
    assert plan.intended_share("baker", "anvil", MIDDLE) == 0.0


def test_an_unknown_site_has_no_plan() -> None:
    with pytest.raises(BadInput, match="no simulated site 'beer'"):
        plan_of("beer")
