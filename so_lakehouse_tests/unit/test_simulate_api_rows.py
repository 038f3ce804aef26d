"""What the simulated API serves, read by the mapping that bronze uses, is what the dump of that moment tells."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from so_lakehouse.api.fields import asked_for
from so_lakehouse.api.items import read_item
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.simulate.api_site import served
from so_lakehouse.simulate.community import Community, found_community
from so_lakehouse.simulate.contributions import edit_profile
from so_lakehouse.simulate.living_site import LivingSite
from so_lakehouse.simulate.moderation import leave
from so_lakehouse.simulate.snapshot import Row, rows_at
from so_lakehouse.simulate.world import ANSWER, COMMUNITY, QUESTION, World

SITE, SEED, PEOPLE, LAUNCH = "simulated-databases", 5, 400, date(2024, 1, 1)
CUT = date(2025, 3, 31)
INCLUDED = frozenset(name.removeprefix(".") for name in asked_for())


def community() -> Community:
    """On the eve of the cut, when what seldom happens has happened: an editor and a commenter have left, and a question
    has become a wiki."""
    found = found_community(SITE, SEED, PEOPLE, LAUNCH)
    world = found.live_until(CUT - timedelta(days=1))
    posts = [post for post in world.posts.values() if world.is_visible(post) and post.kind in (QUESTION, ANSWER)]
    said = [comment for comment in world.comments.values() if world.is_visible(world.posts[comment.post])]
    one_leaves(world, [post.editor for post in posts if post.editor != post.owner])
    one_leaves(world, [comment.user for comment in said])
    posts[0].community_owned = posts[0].created
    return found


def one_leaves(world: World, candidates: Iterable[int | None]) -> None:
    """The first of them who is here and votes so little that they may."""
    for person in filter(None, map(world.people.get, candidates)):  # type: ignore[arg-type]
        leave(world, datetime.combine(CUT, time()), person)
        if person.id not in world.people:
            return
    raise AssertionError("none of them leaves")


@pytest.fixture(scope="module")
def site() -> LivingSite:
    site = LivingSite(community())
    site.live_until(CUT)
    return site


@pytest.fixture(scope="module")
def dumped() -> dict[str, list[Row]]:
    """The rows of the dump of that day, of a community that lived by itself."""
    return rows_at(community().live_until(CUT), CUT)


def told(entity: str, rows: dict[str, list[Row]]) -> list[dict[str, Any]]:
    """What the dump tells of all rows that the API serves, in the columns that it tells, dates to the second."""
    kind = ENTITIES[entity]
    found = [row for row in rows[kind.table] if kind.post_type in (None, row.get("PostTypeId"))]
    if entity == "users":
        found = [row for row in found if row["Id"] != COMMUNITY]
    return [{column: as_told(row.get(column)) for column in kind.columns} for row in found]


def as_told(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(microsecond=0, tzinfo=UTC)
    return f"|{'|'.join(value)}|" if isinstance(value, tuple) else value


def read(entity: str, site: LivingSite) -> list[dict[str, Any]]:
    """All items as they leave the server and arrive in bronze, without what has no column."""
    items = [served(entity, item, INCLUDED) for item in site.rows[entity].values()]
    rows = [read_item(ENTITIES[entity], item) for item in items]
    return [{name: value for name, value in row.items() if name != "_extra"} for row in rows]


@pytest.mark.parametrize("entity", ENTITIES)
def test_every_item_tells_what_the_dump_of_that_moment_tells(site, dumped, entity):
    assert read(entity, site) == told(entity, dumped)


def test_the_community_has_whatever_could_be_told_wrongly(dumped):
    posts, users = dumped["posts"], {row["Id"] for row in dumped["users"]}
    seen = {
        "closed": [row for row in posts if row["ClosedDate"]],
        "community wiki": [row for row in posts if row["CommunityOwnedDate"]],
        "an owner who left": [row for row in posts if row["OwnerDisplayName"]],
        "an editor who left": [row for row in posts if row["LastEditorDisplayName"]],
        "a commenter who left": [row for row in dumped["comments"] if row["UserDisplayName"]],
        "accepted": [row for row in posts if row["AcceptedAnswerId"]],
        "tag wikis, which are not served": [row for row in posts if row["PostTypeId"] in (4, 5)],
        "deleted posts, which are not served": set(range(1, len(posts))) - {row["Id"] for row in posts},
        "people who left, who are not served": set(range(1, max(users))) - users,
        "a fraction of a second": [row for row in posts if row["CreationDate"].microsecond],
    }
    assert [what for what, rows in seen.items() if not rows] == []


def test_a_window_of_activity_holds_what_was_asked_answered_and_edited_on_its_day(site, dumped):
    days = (CUT - timedelta(days=back) for back in range(60))
    day = next(day for day in days if any(of_day(row, day) for row in dumped["posts"]))
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    window = {"sort": "activity", "order": "asc", "min": str(midnight), "max": str(midnight + 86_399)}
    for entity in ("questions", "answers"):
        found, _ = site.answer(entity, "", window | {"pagesize": "100"}, has_key=True)
        expected = [row for row in dumped["posts"] if row["PostTypeId"] == ENTITIES[entity].post_type]
        assert {item[f"{entity[:-1]}_id"] for item in found} == {
            row["Id"] for row in expected if row["LastActivityDate"].date() == day
        }
    changed = {row["Id"] for row in dumped["posts"] if of_day(row, day)}
    assert changed <= {row["Id"] for row in dumped["posts"] if row["LastActivityDate"].date() >= day}


def of_day(row: Row, day: date) -> bool:
    """Whether the post was written or edited then."""
    return any(moment and moment.date() == day for moment in (row["CreationDate"], row["LastEditDate"]))


def test_a_day_that_passes_brings_new_rows_and_takes_what_was_deleted_and_who_left():
    communities = [found_community(SITE, SEED, PEOPLE, LAUNCH) for _ in range(2)]
    site, alone = map(LivingSite, communities)
    before: set[tuple[str, int]] | None = None
    went, came, changed = set(), set(), set()
    for day in (CUT - timedelta(days=29 - number) for number in range(30)):
        site.reach(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp() + 86_400)
        assert site.today == day, "noon of the next day shows the end of this one"
        now = {(entity, key) for entity, items in site.rows.items() for key in items}
        if before is None:
            alone.live_until(day)
            for each in communities:
                world = each.live_until(day)
                one_leaves(world, [key for key in world.people if key != COMMUNITY])
                person = list(world.people.values())[-1]
                person.seen = datetime.combine(day + timedelta(days=1), time(12))
                edit_profile(world, person.seen, person)
        else:
            went |= {entity for entity, _ in before - now}
            came |= {entity for entity, _ in now - before}
        before = now
        changed |= {key for key, item in site.rows["users"].items() if on(item.get("last_modified_date"), day)}
    assert came == set(ENTITIES)
    assert {"users"} < went, "who left, and what was deleted"
    assert person.id in changed, "who changed a profile is found by it on that day"
    alone.live_until(CUT)
    assert alone.rows == site.rows, "whether days were looked at on the way does not matter"


def on(second: int | None, day: date) -> bool:
    return second is not None and datetime.fromtimestamp(second, UTC).date() == day
