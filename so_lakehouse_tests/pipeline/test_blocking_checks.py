"""A failed blocking check stops its site and nothing else, also across runs and grids; the command line says so."""

from __future__ import annotations

import re
import subprocess
from typing import NamedTuple

import pytest

from so_lakehouse.dumps.archive import program
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.simulate.dumps import cut_of, write_checksums, write_mirror
from so_lakehouse.warehouse.query import query_warehouse
from so_lakehouse_tests.pipeline.command_line import call, said

SOUND, BROKEN, SHRUNK = "simulated-brewing", "simulated-databases", "simulated-gardening"
FIRST, SECOND = "2025-07-01", "2025-10-01"


def spoil_comments(lines):
    """One comment in ten gets an Id that is no number: the file can be read, but not believed."""
    return [re.sub(r' Id="', ' Id="x', line) if number % 10 == 0 else line for number, line in enumerate(lines)]


def lose_comments(lines):
    """Every other comment is missing: each row can be believed, but not the file."""
    return [line for number, line in enumerate(lines) if number % 2 or "<row" not in line]


def rewrite_comments(archive, folder, rewritten):
    subprocess.run([program(), "x", str(archive), f"-o{folder}"], check=True, capture_output=True)
    comments = folder / "Comments.xml"
    comments.write_text("\n".join(rewritten(comments.read_text().split("\n"))))
    archive.unlink()
    files = sorted(str(file) for file in folder.glob("*.xml"))
    subprocess.run([program(), "a", str(archive), *files], check=True, capture_output=True)
    write_checksums(archive.parent)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Three sites: of two the second quarter cannot be believed, for either reason."""
    folder = tmp_path_factory.mktemp("blocking")
    write_mirror(folder / "mirror", [SOUND, BROKEN, SHRUNK], [FIRST, SECOND], people=60)
    for site, rewritten in ((BROKEN, spoil_comments), (SHRUNK, lose_comments)):
        archive = folder / "mirror" / cut_of(SECOND).isoformat() / f"{site}.stackexchange.com.7z"
        rewrite_comments(archive, folder / f"unpacked {site}", rewritten)
    return Settings(home=folder / "home", mirror=str(folder / "mirror"))


class After(NamedTuple):
    """What a command said, and what was in the tables when it had ended."""

    done: subprocess.CompletedProcess[str]
    published: set[str]  # sites in the marts
    loaded: dict[str, int]  # comments in the warehouse by site
    comments: dict[str, int]  # and in silver
    applied: dict[str, set[str]]  # quarters in the ledger by site

    def line(self, *words: str) -> str:
        """The one line that begins with these words."""
        (found,) = [line for line in self.done.stdout.splitlines() if line.split()[: len(words)] == list(words)]
        return found

    def partitions(self, layer: str) -> list[str]:
        """Of which the command says that it ran this layer."""
        lines = (line.split() for line in self.done.stdout.splitlines())
        return [words[2] for words in lines if words[:2] == ["done", layer]]


def after(settings, *words):
    done = call(settings.home, "run", *words, "--mirror", settings.mirror)
    lake = Lake(settings.lake_uri)
    count = "select site, count(*) as n from {} group by site"
    published = query_warehouse(settings, "select distinct site from marts.activity_month").to_pylist()
    loaded = query_warehouse(settings, count.format("lake.comments")).to_pylist()
    comments = query_lake(lake, count.format("silver.comments")).to_pylist()
    ledger = query_lake(lake, "select distinct site, partition from silver.ledger").to_pylist()
    return After(
        done,
        {row["site"] for row in published},
        {row["site"]: row["n"] for row in loaded},
        {row["site"]: row["n"] for row in comments},
        {site: {row["partition"] for row in ledger if row["site"] == site} for site in (SOUND, BROKEN, SHRUNK)},
    )


@pytest.fixture(scope="module")
def stopped(settings):
    return after(settings, "--site", SOUND, BROKEN, SHRUNK, "--quarter", FIRST, SECOND)


@pytest.fixture(scope="module")
def accepted(settings, stopped):
    """A later command, which knows nothing of the first. It names the quarter that can be read of both: silver takes in
    whatever waits in bronze.
    """
    return after(settings, "--site", BROKEN, SHRUNK, "--quarter", FIRST, "--accept-shrink")


def test_the_command_fails_and_names_the_check_the_table_the_site_and_what_to_do(stopped):
    assert stopped.done.returncode == 1, said(stopped.done)
    sentence = stopped.line("failed", "bronze", f"{SECOND}|{BROKEN}:")
    for word in ("bronze/dump/comments", "quarantine_small", f"comments of {BROKEN}", "so-lakehouse sql", "re-issue"):
        assert word in sentence
    assert "Traceback" not in said(stopped.done)


def test_the_other_site_goes_all_the_way(stopped):
    assert stopped.published == {SOUND}
    assert stopped.partitions("warehouse") == [SOUND]
    assert stopped.applied[SOUND] == {FIRST, SECOND}


def test_a_dump_that_would_delete_too_much_stops_its_site_and_the_command_says_how_to_accept_it(stopped):
    sentence = stopped.line("failed", "silver", f"{SHRUNK}:")
    for word in ("deletions_plausible", cut_of(SECOND).isoformat(), "rows of comments", SHRUNK, "--accept-shrink"):
        assert word in sentence
    assert stopped.applied[SHRUNK] == {FIRST}
    assert SHRUNK not in stopped.loaded


def test_a_later_run_of_silver_still_reads_nothing_of_the_failed_dump(accepted):
    """The gate is in the data: that nobody remembers the failed run changes nothing."""
    assert accepted.applied[BROKEN] == {FIRST}
    assert "quarantine_small" in accepted.line("done", "silver", BROKEN)


def test_what_passed_earlier_can_still_be_loaded(stopped, accepted):
    assert BROKEN not in stopped.loaded
    assert accepted.loaded[BROKEN] == stopped.comments[BROKEN] > 0


def test_once_accepted_the_deletions_go_to_the_marts_and_the_command_succeeds(stopped, accepted):
    assert accepted.done.returncode == 0, said(accepted.done)
    assert accepted.partitions("silver") == accepted.partitions("warehouse") == [BROKEN, SHRUNK]
    assert accepted.applied[SHRUNK] == {FIRST, SECOND}
    assert 0 < accepted.loaded[SHRUNK] < 0.7 * stopped.comments[SHRUNK]
    assert accepted.published == {SOUND, BROKEN, SHRUNK}
