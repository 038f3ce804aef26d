"""What simulated people earned and what went, as told beside the dump, against the rows of the dump itself."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from datetime import date
from typing import NamedTuple

import pytest

from so_lakehouse.simulate.community import found_community
from so_lakehouse.simulate.known_answers import write_known_answers
from so_lakehouse.simulate.snapshot import Row, rows_at
from so_lakehouse.simulate.world import World

SITE, PEOPLE, LAUNCH = "simulated-databases", 300, date(2021, 1, 1)
EARLIER, CUT = date(2022, 12, 31), date(2023, 9, 30)


class Dump(NamedTuple):
    world: World
    earlier: dict[str, list[Row]]
    rows: dict[str, list[Row]]
    told: dict[str, list[dict[str, str]]]


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> Dump:
    folder = tmp_path_factory.mktemp("truth")
    community = found_community(SITE, 1, PEOPLE, LAUNCH)
    earlier = rows_at(community.live_until(EARLIER), EARLIER)
    rows = rows_at(community.live_until(CUT), CUT)
    write_known_answers(folder, community)
    told = {}
    for name in ("standing", "removed"):
        with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            told[name] = list(csv.DictReader(file))
    return Dump(community.world, earlier, rows, told)


def rebuilt(rows: dict[str, list[Row]]) -> dict[int, int]:
    """User → reputation by what a dump tells: votes, their posts' owners, bounties' givers, who proposed an edit."""
    posts = {post["Id"]: post for post in rows["posts"]}
    days: dict[int, dict[date, Counter]] = defaultdict(lambda: defaultdict(Counter))
    for vote in rows["votes"]:
        post, day = posts.get(vote["PostId"]), vote["CreationDate"].date()
        if vote["VoteTypeId"] == 8 and vote["UserId"] is not None:
            days[vote["UserId"]][day]["exempt"] -= vote["BountyAmount"]
        if post is None or post["OwnerUserId"] is None:
            continue
        owner = days[post["OwnerUserId"]][day]
        wiki = post["CommunityOwnedDate"] is not None and day >= post["CommunityOwnedDate"].date()
        if vote["VoteTypeId"] == 9:
            owner["exempt"] += vote["BountyAmount"]
        elif vote["VoteTypeId"] in (2, 3) and not wiki:
            owner["capped"] += {2: 10, 3: -2}[vote["VoteTypeId"]]
    for vote in (vote for vote in rows["votes"] if vote["VoteTypeId"] == 1 and vote["PostId"] in posts):
        answer, day = posts[vote["PostId"]], vote["CreationDate"].date()
        asker = posts[answer["ParentId"]]["OwnerUserId"]
        if answer["OwnerUserId"] is None or asker != answer["OwnerUserId"]:
            days[answer["OwnerUserId"]][day]["exempt"] += 15
            days[asker][day]["exempt"] += 2
    for entry in (entry for entry in rows["post_history"] if entry["PostHistoryTypeId"] == 24):
        days[int(entry["Comment"].split()[2])][entry["CreationDate"].date()]["capped"] += 2
    found = {}
    for user in (user["Id"] for user in rows["users"]):
        found[user] = 1
        for day in sorted(days[user]):
            gained = days[user][day]
            found[user] = max(1, found[user] + gained["exempt"] + min(200, gained["capped"]))
    return found


def test_reputation_is_what_a_dumps_votes_give_wherever_a_dump_can_tell(dump: Dump) -> None:
    """It cannot tell who voted down, what hidden posts keep for their owners and askers, and who brought a bonus."""
    world = dump.world
    hidden = [post for post in world.posts.values() if not world.is_visible(post)]
    silent = {post.owner for post in hidden} | {world.question_of(post).owner for post in hidden}
    edits = {vote.voter for vote in world.votes.values() if vote.kind == 16 and world.posts[vote.post] in hidden}
    silent |= edits | {user["Id"] for user in dump.rows["users"] if user["DownVotes"]}
    found, compared = rebuilt(dump.rows), Counter()
    for user in dump.rows["users"]:
        bonus = 100 if world.people[user["Id"]].has_bonus else 0
        if user["Id"] not in silent and not bonus:
            assert user["Reputation"] == found[user["Id"]], user["Id"]
            compared["all"] += 1
            compared["earned"] += user["Reputation"] > 1
        elif bonus and user["Id"] not in silent:
            compared["bonus"] += user["Reputation"] == found[user["Id"]] + bonus
    assert compared["all"] > 60
    assert compared["earned"] > 20
    assert compared["bonus"] > 1


def test_what_a_dump_cannot_tell_is_small_for_most_people(dump: Dump) -> None:
    found = rebuilt(dump.rows)
    off = [abs(user["Reputation"] - found[user["Id"]]) / user["Reputation"] for user in dump.rows["users"]]
    assert 0 < sum(share > 0.05 for share in off) < 0.25 * len(off)


def test_reputation_seen_is_the_one_of_that_years_dump(dump: Dump) -> None:
    shown = {user["Id"]: user["Reputation"] for user in dump.earlier["users"]}
    told = {int(row["user_id"]): int(row["reputation_seen"]) for row in dump.told["standing"] if row["year"] == "2022"}
    assert told.keys() <= shown.keys()
    assert told == {user: shown[user] for user in told}
    surviving = {row["user_id"]: row for row in dump.told["standing"] if row["year"] == "2022"}
    assert any(row["reputation_surviving"] != row["reputation_seen"] for row in surviving.values())


def test_the_last_years_reputation_is_the_dumps(dump: Dump) -> None:
    shown = {str(user["Id"]): str(user["Reputation"]) for user in dump.rows["users"] if user["Id"] != -1}
    last = [row for row in dump.told["standing"] if row["year"] == "2023"]
    assert {row["user_id"]: row["reputation_seen"] for row in last} == shown
    assert {row["user_id"]: row["reputation_surviving"] for row in last} == shown


def test_standing_counts_posts_and_acceptances_of_the_dump(dump: Dump) -> None:
    posts = {post["Id"]: post for post in dump.rows["posts"]}
    counts: Counter = Counter()
    for post in (post for post in posts.values() if post["OwnerUserId"] is not None and post["PostTypeId"] in (1, 2)):
        kind = "questions" if post["PostTypeId"] == 1 else "answers"
        counts[post["CreationDate"].year, post["OwnerUserId"], kind] += 1
    for vote in (vote for vote in dump.rows["votes"] if vote["VoteTypeId"] == 1 and vote["PostId"] in posts):
        owner = posts[vote["PostId"]]["OwnerUserId"]
        if owner is not None and posts[posts[vote["PostId"]]["ParentId"]]["OwnerUserId"] != owner:
            counts[vote["CreationDate"].year, owner, "accepted_answers"] += 1
    told = {
        (int(row["year"]), int(row["user_id"]), name): int(row[name])
        for row in dump.told["standing"]
        for name in ("questions", "answers", "accepted_answers")
    }
    assert {key: number for key, number in told.items() if number} == counts


def test_whatever_is_missing_from_the_dump_is_told_to_have_gone(dump: Dump) -> None:
    """Ids are given in turn, so a gap is something that went, or a comment on a post that is not shown."""
    gone = {
        kind: {int(row["id"]) for row in dump.told["removed"] if row["kind"] == kind and not row["restored_at"]}
        for kind in ("account", "post", "comment", "vote")
    }
    assert all(gone.values())
    tables = {"account": "users", "post": "posts", "comment": "comments", "vote": "votes"}
    shown = {kind: {row["Id"] for row in dump.rows[table]} for kind, table in tables.items()}
    missing = {kind: set(range(1, max(ids))) - ids for kind, ids in shown.items()}
    assert missing["account"] == {user for user in gone["account"] if user < max(shown["account"])}
    assert missing["vote"] == {vote for vote in gone["vote"] if vote < max(shown["vote"])}
    hidden = {post.id for post in dump.world.posts.values() if not dump.world.is_visible(post)}
    answers = {post for post in hidden if dump.world.posts[post].parent in gone["post"]}
    assert gone["post"] | answers == hidden == missing["post"] | {post for post in hidden if post > max(shown["post"])}
    unshown = {comment.id for comment in dump.world.comments.values() if comment.post in hidden}
    assert missing["comment"] == {each for each in gone["comment"] | unshown if each < max(shown["comment"])}


def test_each_removal_has_its_moment_and_comes_in_order(dump: Dump) -> None:
    moments = [row["removed_at"] for row in dump.told["removed"]]
    assert moments == sorted(moments)
    for row in dump.told["removed"]:
        assert LAUNCH.isoformat() <= row["created_on"] <= row["removed_at"][:10] <= CUT.isoformat()
        assert not row["restored_at"] or row["removed_at"] < row["restored_at"]
    left = {row["user_id"]: row["removed_at"] for row in dump.told["removed"] if row["kind"] == "account"}
    then = {str(user["Id"]) for user in dump.earlier["users"]}
    assert any(moment > EARLIER.isoformat() for moment in left.values())
    assert all(
        (moment[:10] > EARLIER.isoformat()) == (user in then) for user, moment in left.items() if int(user) < 200
    )
    assert any(row["restored_at"] for row in dump.told["removed"])
    reasons = {row["reason"] for row in dump.told["removed"]}
    assert reasons == {"deleted", "left", "withdrawn", "account left", "another answer accepted", "series reversed"}
