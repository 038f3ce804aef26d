"""Which badges people earn: for how often they have done something. The rules are the table.

Real badges also look at scores and days; these look at counts, which is enough to make the table behave like a real
one.
"""

from __future__ import annotations

from datetime import datetime

from so_lakehouse.simulate.world import Badge, Person, World

GOLD, SILVER, BRONZE = 1, 2, 3

# deed → (times, badge, class)
RULES: dict[str, tuple[tuple[int, str, int], ...]] = {
    "question": ((1, "Student", BRONZE), (5, "Curious", BRONZE), (30, "Inquisitive", SILVER)),
    "answer": ((1, "Teacher", BRONZE), (20, "Explainer", BRONZE), (50, "Refiner", SILVER), (100, "Illuminator", GOLD)),
    "comment": ((10, "Commentator", BRONZE),),
    "edit": ((1, "Editor", BRONZE), (80, "Strunk & White", SILVER)),
    "profile": ((1, "Autobiographer", BRONZE),),
    "up vote": ((1, "Supporter", BRONZE), (40, "Suffrage", BRONZE), (300, "Electorate", GOLD)),
    "down vote": ((1, "Critic", BRONZE),),
}
TAG_BADGE_ANSWERS = 15
_TAG_DEED = "answer in "


def did(world: World, now: datetime, person: Person, deed: str) -> None:
    """Counts a deed of a person and awards what it has earned; no badge is given twice."""
    person.deeds[deed] += 1
    steps = RULES.get(deed, ())
    if deed.startswith(_TAG_DEED):
        steps = ((TAG_BADGE_ANSWERS, deed.removeprefix(_TAG_DEED), BRONZE),)
    for times, name, level in steps:
        if person.deeds[deed] == times and name not in person.badges:
            person.badges.add(name)
            badge = Badge(world.next_id("badges"), person.id, name, now, level, tag_based=deed.startswith(_TAG_DEED))
            world.badges[badge.id] = badge


def answered(world: World, now: datetime, person: Person, tags: tuple[str, ...]) -> None:
    """An answer counts once, and once for each tag of its question."""
    did(world, now, person, "answer")
    for tag in tags:
        did(world, now, person, _TAG_DEED + tag)
