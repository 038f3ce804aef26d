"""The truth that analyses are held against, as tables: what a community was meant to do, and what it did.

    <mirror>/truth/<site>/parameters.json   all parameters: rates of roles and stages, curves, shock, reputation's rules
    <mirror>/truth/<site>/careers.csv       one row per person and year: role and stage
    <mirror>/truth/<site>/transitions.csv   one row per move and year: the rate that was used, the moves that came of it
    <mirror>/truth/<site>/adoption.csv      one row per tool and month: the share that was meant, the questions with it
    <mirror>/truth/<site>/activity.csv      one row per kind of event and month: how many were meant, how many happened
    <mirror>/truth/<site>/standing.csv      one row per person and year: posts, acceptances, reputation at its end
    <mirror>/truth/<site>/removed.csv       one row per account, post, comment and vote that went, with its moment

They speak of the site at the end of the mirror's last release, from the launch on. What each column means is in
docs/simulator.md. People are numbers here, as in the dumps.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from so_lakehouse.simulate import reputation
from so_lakehouse.simulate.careers import rates
from so_lakehouse.simulate.choices import OWN_FIELD
from so_lakehouse.simulate.community import EVENTS, GROWTH_DAYS, HABITS, WEEKEND_FACTOR, Community, daily_rate
from so_lakehouse.simulate.world import ACCEPTED, ANSWER, COMMUNITY, QUESTION

Table = Iterable[tuple[object, ...]]

CAREERS = ("user_id", "account_id", "year", "role", "stage")
TRANSITIONS = ("chain", "year", "origin", "target", "rate", "people", "moved")
ADOPTION = (
    *("month", "tag", "intended_share", "intended_questions"),
    *("tagged", "tagged_visible", "questions", "questions_visible"),
)
ACTIVITY = ("month", "kind", "active_days", "intended", "happened")
STANDING = ("year", "user_id", "questions", "answers", "accepted_answers", "reputation_seen", "reputation_surviving")
REMOVED = ("kind", "id", "user_id", "created_on", "reason", "removed_at", "restored_at")


def write_known_answers(folder: Path, community: Community) -> None:
    """Writes the site's files into that folder; the same community gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    told = json.dumps(parameters(community), indent=1, default=_spelled)
    (folder / "parameters.json").write_text(told + "\n", "utf-8")
    _write(folder / "careers.csv", CAREERS, careers(community))
    _write(folder / "transitions.csv", TRANSITIONS, transitions(community))
    _write(folder / "adoption.csv", ADOPTION, adoption(community))
    _write(folder / "activity.csv", ACTIVITY, activity(community))
    _write(folder / "standing.csv", STANDING, standing(community))
    _write(folder / "removed.csv", REMOVED, removed(community))


def parameters(community: Community) -> dict[str, object]:
    """Everything that was chosen; `daily_rates` are per active person and weekday, before and after the shock."""
    world = community.world
    plan, shock = world.plan, world.plan.shock
    after = date.max if shock else world.launch
    return {
        "site": world.topic.site,
        "launch": world.launch,
        "until": community.today,
        "people": community.people_target,
        "growth_days": GROWTH_DAYS,
        "weekend_factor": WEEKEND_FACTOR,
        "own_field": OWN_FIELD,
        "roles": [asdict(role) for role in plan.roles],
        "stages": [asdict(stage) for stage in plan.stages],
        "habits": {name: {"share": share, "inclinations": each} for name, (share, each) in HABITS.items()},
        "curves": {tool: asdict(curve) for tool, curve in plan.curves.items()},
        "shock": asdict(shock) if shock else None,
        "daily_rates": {
            event.name: {"before": daily_rate(event, plan, date.min), "after": daily_rate(event, plan, after)}
            for event in EVENTS
        },
        "reputation": {
            "daily_cap": reputation.DAILY_CAP,
            "up_vote": reputation.VOTE_POINTS[2],
            "down_vote": reputation.VOTE_POINTS[3],
            "question_up_vote_since": reputation.QUESTION_UP_POINTS,
            "accepted": reputation.ACCEPTED_POINTS,
            "accepting": reputation.ACCEPTING_POINTS,
            "down_voter": reputation.DOWN_VOTER_POINTS,
            "approved_edit": reputation.EDIT_POINTS,
            "most_for_edits": reputation.MOST_EDIT_POINTS,
            "association_bonus": reputation.BONUS,
            "association_bonus_users": [person.id for person in world.people.values() if person.has_bonus],
        },
    }


def careers(community: Community) -> Table:
    """Also of accounts that have gone, up to the year in which they went; dormant ones go on."""
    people = community.world.people
    for user, years in community.world.careers.items():
        account = people[user].account if user in people else None
        for year, career in years.items():
            yield user, account, year, career.role, career.stage


def transitions(community: Community) -> Table:
    """Of roles and of stages, from each year to the next; `people` were in the origin and still there a year later."""
    world = community.world
    moved: Counter[tuple[str, int, str, str]] = Counter()
    for years in world.careers.values():
        for year, career in years.items():
            if year + 1 in years:
                moved["role", year, career.role, years[year + 1].role] += 1
                moved["stage", year, career.stage, years[year + 1].stage] += 1
    people: Counter[tuple[str, int, str]] = Counter()
    for (chain, year, origin, _), number in moved.items():
        people[chain, year, origin] += number
    for chain, used in (("role", rates(world.plan.roles)), ("stage", rates(world.plan.stages))):
        for year in range(world.launch.year, community.today.year):
            for (origin, target), rate in used.items():
                key = (chain, year, origin)
                yield chain, year, origin, target, round(rate, 6), people[key], moved[*key, target]


def adoption(community: Community) -> Table:
    """`intended_questions` is the sum over the month's questions of the chance that each had to carry the tag.

    A role that does not use the tool adds none, so the intended share follows the curve and the mix of those who asked.
    """
    world = community.world
    questions = [world.posts[number] for number in world.questions]
    asked, tagged, seen = Counter[str](), Counter[tuple[str, str]](), Counter[str]()
    seen_tagged, roles = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for question in questions:
        month = f"{question.created:%Y-%m}"
        asked[month] += 1
        roles[month, world.role_of(question)] += 1
        tagged.update((month, tag) for tag in question.tags)
        if world.is_visible(question):
            seen[month] += 1
            seen_tagged.update((month, tag) for tag in question.tags)
    for month in asked:
        day = date.fromisoformat(f"{month}-01")
        for tool in world.plan.curves:
            meant = sum(
                roles[month, role.name] * world.plan.intended_share(role.name, tool, day) for role in world.plan.roles
            )
            counts = (tagged[month, tool], seen_tagged[month, tool], asked[month], seen[month])
            yield month, tool, round(meant / asked[month], 6), round(meant, 6), *counts


def activity(community: Community) -> Table:
    """Questions, answers and comments. Not every answer or comment that was meant finds something to be written to."""
    world = community.world
    happened: Counter[tuple[str, str]] = Counter()
    for post in world.posts.values():
        if post.kind in (QUESTION, ANSWER):
            happened[f"{post.created:%Y-%m}", "ask" if post.kind == QUESTION else "answer"] += 1
    for comment in world.comments.values():
        happened[f"{comment.created:%Y-%m}", "comment"] += 1
    for removal in world.removals:
        if removal.kind == "comment":
            happened[f"{removal.created:%Y-%m}", "comment"] += 1
    for month, days in community.active_days.items():
        for kind in ("ask", "answer", "comment"):
            key = (month, kind)
            yield month, kind, round(days, 6), round(community.intended[key], 6), happened[key]


def standing(community: Community) -> Table:
    """By calendar year, of accounts that are still there. The last year ends with the last day that was lived.

    `reputation_seen` is what the site showed at the year's end, `reputation_surviving` what the votes that are left
    give for that day; posts and acceptances are those that are visible now.
    """
    world = community.world
    counts: Counter[tuple[int, int, str]] = Counter()
    for post in filter(world.is_visible, world.posts.values()):
        if post.kind in (QUESTION, ANSWER):
            counts[post.created.year, post.owner, "questions" if post.kind == QUESTION else "answers"] += 1
    for vote in world.votes.values():
        post = world.posts[vote.post]
        if vote.kind == ACCEPTED and world.is_visible(post) and post.owner != vote.voter:
            counts[vote.day.year, post.owner, "accepted"] += 1
    for year in range(world.launch.year, community.today.year + 1):
        day = min(date(year, 12, 31), community.today)
        surviving = reputation.reputations(world, day)
        seen = community.reputation_seen.get(year, surviving)
        for user in surviving:
            if user != COMMUNITY:
                done = (counts[year, user, deed] for deed in ("questions", "answers", "accepted"))
                yield year, user, *done, seen[user], surviving[user]


def removed(community: Community) -> Table:
    """In order of time. A post that was deleted twice stands here twice."""
    for removal in community.world.removals:
        restored = removal.restored.isoformat(timespec="milliseconds") if removal.restored else None
        what = (removal.kind, removal.id, removal.user, removal.created)
        yield *what, removal.reason, removal.at.isoformat(timespec="milliseconds"), restored


def _spelled(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{value!r} has no spelling in JSON here.")


def _write(path: Path, columns: Sequence[str], rows: Table) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
