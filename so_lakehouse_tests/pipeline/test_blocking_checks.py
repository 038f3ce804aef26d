"""A failed blocking check stops its site and nothing else, also across runs and grids."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import nullcontext

import pytest

from so_lakehouse.definitions import defs
from so_lakehouse.dumps.archive import program
from so_lakehouse.end_to_end import Dump, raw_to_marts
from so_lakehouse.instance import open_instance
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.runner import Runner
from so_lakehouse.settings import Settings
from so_lakehouse.simulate.dumps import write_checksums, write_mirror
from so_lakehouse.warehouse.query import query_warehouse

SOUND, BROKEN = "simulated-brewing", "simulated-databases"
FIRST, SECOND = "2025-07-01", "2025-10-01"


def break_comments(archive, folder):
    """One comment in ten gets an Id that is no number: the file can be read, but not believed."""
    subprocess.run([program(), "x", str(archive), f"-o{folder}"], check=True, capture_output=True)
    comments = folder / "Comments.xml"
    numbered = iter(range(10**6))
    spoiled = re.sub(r' Id="', lambda found: ' Id="x' if next(numbered) % 10 == 0 else found[0], comments.read_text())
    comments.write_text(spoiled)
    archive.unlink()
    files = sorted(str(file) for file in folder.glob("*.xml"))
    subprocess.run([program(), "a", str(archive), *files], check=True, capture_output=True)
    write_checksums(archive.parent)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Two sites; one has two quarters, of which the second is broken."""
    folder = tmp_path_factory.mktemp("blocking")
    write_mirror(folder / "mirror", [SOUND, BROKEN], [FIRST, SECOND], people=60)
    broken = folder / "mirror" / "2025-12-31" / f"{BROKEN}.stackexchange.com.7z"
    break_comments(broken, folder / "unpacked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEHOUSE_HOME", str(folder / "home"))
        yield Settings(home=folder / "home", mirror=str(folder / "mirror"))


@pytest.fixture(scope="module")
def runner(settings):
    return Runner(defs, open_instance(settings), sys.stdout)


@pytest.fixture(scope="module")
def runs(settings, runner):
    return raw_to_marts(
        runner,
        [Dump(BROKEN, FIRST), Dump(SOUND, SECOND), Dump(BROKEN, SECOND)],
        settings.mirror,
        accept_shrink=False,
        working=lambda title: nullcontext(),
        finished=lambda run: None,
    )


def test_the_failure_names_the_check_the_table_the_site_and_what_to_do(runs):
    (failed,) = [run for run in runs if not run.succeeded]
    assert (failed.layer, failed.partition) == ("bronze", f"{SECOND}|{BROKEN}")
    (sentence,) = failed.failed_checks
    for word in ("bronze/dump/comments", "quarantine_small", BROKEN, "quarantine.rows"):
        assert word in sentence


def test_the_other_site_goes_all_the_way(settings, runs):
    published = query_warehouse(settings, "select distinct site from marts.activity_month").to_pylist()
    assert {row["site"] for row in published} == {SOUND}
    assert [run.partition for run in runs if run.layer == "warehouse"] == [SOUND]


def test_a_later_run_of_silver_still_reads_nothing_of_the_failed_dump(settings, runner, runs):
    """The gate is in the data: that nobody remembers the failed run changes nothing."""
    again = runner.run("silver", runner.keys_of("silver"), BROKEN)
    assert again.succeeded, again
    applied = query_lake(
        Lake(settings.lake_uri),
        f"select distinct partition from silver.ledger where site = '{BROKEN}'",
    ).to_pylist()
    assert applied == [{"partition": FIRST}]
    assert "quarantine_small" in str(again.materialised["silver/comments"]["note"])


def test_what_passed_earlier_can_still_be_loaded(settings, runner, runs):
    loaded = runner.run("warehouse", runner.keys_of("warehouse"), BROKEN)
    assert loaded.succeeded, loaded
    (row,) = query_warehouse(settings, f"select count(*) as n from lake.posts where site = '{BROKEN}'").to_pylist()
    assert row["n"] > 0
