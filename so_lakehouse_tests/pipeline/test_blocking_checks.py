"""A failed blocking check stops its site and nothing else, also across runs and grids."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from contextlib import nullcontext
from datetime import UTC, datetime

import dagster as dg
import pytest
from rich.console import Console

from so_lakehouse.api.days import bounds
from so_lakehouse.api.methods import METHODS
from so_lakehouse.cli.run import carry_out, wanted
from so_lakehouse.definitions import defs
from so_lakehouse.dumps.archive import program
from so_lakehouse.dumps.mirrors import open_mirror
from so_lakehouse.end_to_end import Dump, raw_to_marts
from so_lakehouse.instance import open_instance
from so_lakehouse.lake.api_raw import WINDOW, Covered, PageFile
from so_lakehouse.lake.ledger import POSTS
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.partitions import site_day_key
from so_lakehouse.runner import Runner
from so_lakehouse.settings import Settings
from so_lakehouse.simulate.dumps import cut_of, write_checksums, write_mirror
from so_lakehouse.warehouse.query import query_warehouse
from so_lakehouse_tests.pipeline.api_world import question

SOUND, BROKEN = "simulated-brewing", "simulated-databases"
FIRST, SECOND, THIRD = "2025-07-01", "2025-10-01", "2026-01-01"
DAY = "2026-01-05"  # after the second quarter


def spoil_comments(lines):
    """One comment in ten gets an Id that is no number: the file can be read, but not believed."""
    return [re.sub(r' Id="', ' Id="x', line) if number % 10 == 0 else line for number, line in enumerate(lines)]


def lose_comments(lines):
    """Every other comment is missing: each row can be believed, but not the file."""
    return [line for number, line in enumerate(lines) if number % 2 or "<row" not in line]


# Each table costs each run of silver seconds; the archives lack the others.
KEPT = ("Comments.xml", "Posts.xml", "Users.xml")


def rewrite(archive, folder, rewritten):
    """Packs the archive anew: the files that are kept, with other lines of comments."""
    subprocess.run([program(), "x", str(archive), f"-o{folder}", *KEPT], check=True, capture_output=True)
    comments = folder / "Comments.xml"
    comments.write_text("\n".join(rewritten(comments.read_text().split("\n"))))
    archive.unlink()
    subprocess.run(
        [program(), "a", str(archive), *(str(folder / name) for name in KEPT)], check=True, capture_output=True
    )
    write_checksums(archive.parent)


REWRITTEN = {
    (BROKEN, cut_of(SECOND).isoformat()): spoil_comments,
    (SOUND, cut_of(THIRD).isoformat()): lose_comments,
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Two sites: of one the second quarter cannot be believed, of the other the third."""
    folder = tmp_path_factory.mktemp("blocking")
    write_mirror(folder / "mirror", [SOUND, BROKEN], [FIRST, SECOND, THIRD], people=60)
    for archive in (folder / "mirror").glob("*/*.7z"):
        site = archive.name.removesuffix(".stackexchange.com.7z")
        rewritten = REWRITTEN.get((site, archive.parent.name), list)
        rewrite(archive, folder / f"unpacked {site} {archive.parent.name}", rewritten)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEHOUSE_HOME", str(folder / "home"))
        yield Settings(home=folder / "home", mirror=str(folder / "mirror"))


@pytest.fixture(scope="module")
def runner(settings):
    return Runner(defs, open_instance(settings), sys.stdout)


def take_in(settings, runner, dumps):
    return raw_to_marts(
        runner,
        dumps,
        settings.mirror,
        accept_shrink=False,
        working=lambda title: nullcontext(),
        finished=lambda run: None,
    )


def by_command(settings, dump, accept_shrink=False) -> tuple[int, str]:
    """Exit code of `so-lakehouse run`, and what it says at its end."""
    console = Console(file=io.StringIO(), width=1000)
    dumps = wanted(open_mirror(settings.mirror, settings), [dump.site], [dump.quarter])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKEHOUSE_MIRROR", settings.mirror)  # the command sets it for its own process
        return carry_out(console, settings, dumps, settings.mirror, accept_shrink), console.file.getvalue()


@pytest.fixture(scope="module")
def runs(settings, runner):
    return take_in(settings, runner, [Dump(BROKEN, FIRST), Dump(SOUND, SECOND), Dump(BROKEN, SECOND)])


def test_the_failure_names_the_check_the_table_the_site_and_what_to_do(runs):
    (failed,) = [run for run in runs if not run.succeeded]
    assert (failed.layer, failed.partition) == ("bronze", f"{SECOND}|{BROKEN}")
    (sentence,) = failed.failed_checks
    for word in ("bronze/dump/comments", "quarantine_small", BROKEN, "quarantine.rows"):
        assert word in sentence


def test_the_command_ends_with_exit_code_1_and_says_so(settings, runs):
    code, output = by_command(settings, Dump(BROKEN, SECOND))
    assert code == 1
    for word in ("bronze/dump/comments", "quarantine_small", BROKEN, "quarantine.rows"):
        assert word in output


def test_the_other_site_goes_all_the_way(settings, runs):
    published = query_warehouse(settings, "select distinct site from marts.activity_month").to_pylist()
    assert {row["site"] for row in published} == {SOUND}
    assert [run.partition for run in runs if run.layer == "warehouse"] == [SOUND]


def test_a_table_that_the_archive_lacks_is_missing_in_every_layer_and_not_empty(runs):
    """Here a row count of 0 would say that somebody had looked and found nothing."""
    of_sound = {run.layer: run.materialised for run in runs if SOUND in (run.partition or "")}
    counted = {
        layer: {
            name.rpartition("/")[2] for name, told in of_sound[layer].items() if "dagster/partition_row_count" in told
        }
        for layer in ("bronze", "silver", "warehouse")
    }
    kept = {"comments", "posts", "users"}
    assert counted["bronze"] == counted["silver"] == kept
    assert kept < counted["warehouse"]
    assert not {"badges", "tags", "votes"} & counted["warehouse"]
    assert of_sound["bronze"]["bronze/dump/tags"]["missing"].endswith("has no tags")
    assert "missing" in of_sound["silver"]["silver/tags"]


def fetch_question(lake):
    """A fetch of the day: one question, asked after the dump that cannot be believed."""
    begin, end = bounds(DAY)
    pages = PageFile()
    told = question(9_999, begin + 3_600)
    del told["is_answered"]  # nobody asks for it
    items = json.dumps({"items": [told]})
    pages.add(
        {"path": METHODS["questions"].path, "parameters": {}}, datetime(2026, 1, 6, 1, tzinfo=UTC), 200, {}, items
    )
    pages.items += 1
    covered = tuple(Covered(order.sort, begin, end) for order in METHODS["questions"].walks)
    pages.save(lake, "http://127.0.0.1", BROKEN, DAY, "questions", WINDOW, covered=covered)


def test_a_newer_day_that_passes_does_not_open_the_gate_for_the_failed_dump(settings, runner, runs):
    """The gate is in the data: that nobody remembers the failed run changes nothing, nor does what came on another grid
    since."""
    fetch_question(Lake(settings.lake_uri))
    day = runner.run("bronze api", runner.keys_of("bronze api"), site_day_key(BROKEN, DAY))
    assert (day.succeeded, day.warnings) == (True, ()), day
    again = runner.run("silver", runner.keys_of("silver"), BROKEN)
    assert again.succeeded, again
    inputs = f"select distinct source, partition from silver.ledger where site = '{BROKEN}' and source <> '{POSTS}'"
    applied = {(row["source"], row["partition"]) for row in query_lake(Lake(settings.lake_uri), inputs).to_pylist()}
    assert applied == {("dump", FIRST), ("api/questions", DAY)}
    assert "quarantine_small" in str(again.materialised["silver/comments"]["note"])


def test_what_passed_earlier_can_still_be_loaded(settings, runner, runs):
    loaded = runner.run("warehouse", runner.keys_of("warehouse"), BROKEN)
    assert loaded.succeeded, loaded
    (row,) = query_warehouse(settings, f"select count(*) as n from lake.posts where site = '{BROKEN}'").to_pylist()
    assert row["n"] > 0


def shown(runner, check) -> dict[str, bool]:
    """What Dagster's page shows of a check of the sound site's tables: whether its newest evaluation passed."""
    found = {}
    for table in ("comments", "posts", "users"):
        key = dg.AssetCheckKey(dg.AssetKey(["silver", table]), check)
        of_newest = runner.instance.event_log_storage.get_asset_check_execution_history(key, limit=20)
        evaluations = [record.evaluation for record in of_newest if record.evaluation]
        found[table] = next(told.passed for told in evaluations if told.partition == SOUND)
    return found


def test_a_dump_that_would_delete_too_much_stops_its_site_until_it_is_accepted(settings, runner, runs):
    comments = f"select count(*) as n from lake.comments where site = '{SOUND}'"
    (before,) = query_warehouse(settings, comments).to_pylist()
    code, output = by_command(settings, Dump(SOUND, THIRD))
    assert code == 1
    for word in (SOUND, "deletions_plausible", cut_of(THIRD).isoformat(), "rows of comments", "--accept-shrink"):
        assert word in output
    assert query_warehouse(settings, comments).to_pylist() == [before]
    assert shown(runner, "deletions_plausible") == {"comments": False, "posts": True, "users": True}

    code, output = by_command(settings, Dump(SOUND, THIRD), accept_shrink=True)
    assert code == 0, output
    assert shown(runner, "deletions_plausible") == {"comments": True, "posts": True, "users": True}
    assert shown(runner, "deletions_told") == {"comments": True, "posts": True, "users": True}
    (after,) = query_warehouse(settings, comments).to_pylist()
    assert 0 < after["n"] < 0.7 * before["n"]
