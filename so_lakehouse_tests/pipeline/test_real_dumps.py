"""Real dumps of real sites, from their `.7z` to the marts through Dagster: every count against the published table."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from contextlib import nullcontext
from functools import partial

import dagster as dg
import pyarrow.parquet as pq
import pytest

from so_lakehouse.definitions import defs
from so_lakehouse.end_to_end import Dump, raw_to_marts
from so_lakehouse.instance import open_instance
from so_lakehouse.lake.manifests import BronzeManifest
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.progress import listening
from so_lakehouse.runner import Runner
from so_lakehouse.schema import TABLES
from so_lakehouse.schema_forms import silver_columns
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse.query import query_warehouse

# Rows of each real archive, as counted by the people who collected them: site, quarter, {table: rows}; 0 where the
# archive lacks the table. In the order of cuts, so that beer's two quarters follow each other.
PUBLISHED = {
    ("avp.meta", "2014-07-01"): (1_022, 460, 860, 48, 381, 75, 650, 1_385),
    ("beer", "2016-07-01"): (5_216, 1_742, 4_800, 91, 2_008, 134, 3_658, 10_244),
    ("beer", "2016-10-01"): (5_571, 1_860, 5_093, 93, 2_106, 133, 3_948, 10_798),
    ("ai", "2016-10-01"): (3_290, 1_165, 3_612, 101, 1_279, 222, 3_157, 5_323),
    ("quantumcomputing", "2018-07-01"): (4_671, 3_413, 0, 327, 1_986, 154, 3_461, 12_560),
    ("beer.meta", "2022-04-01"): (1_214, 367, 702, 39, 251, 76, 522, 1_211),
    ("bicycles.meta", "2023-07-01"): (6_585, 2_448, 3_994, 189, 1_446, 94, 2_551, 5_671),
    ("datascience.meta", "2024-01-01"): (0, 0, 0, 0, 624, 0, 0, 0),
}
TABLE_ORDER = ("badges", "comments", "post_history", "post_links", "posts", "tags", "users", "votes")
ROWS = {dump: dict(zip(TABLE_ORDER, counts, strict=True)) for dump, counts in PUBLISHED.items()}
NEWEST = {site: counts for (site, _), counts in ROWS.items()}  # the last quarter of a site wins


@pytest.fixture(scope="module")
def home(tmp_path_factory, real_dumps):
    """A lakehouse that took in every real archive, in the order of cuts; the runs are in `runs` beside it."""
    with pytest.MonkeyPatch.context() as patch:
        settings = Settings(home=tmp_path_factory.mktemp("lakehouse"), mirror=str(real_dumps))
        patch.setenv("LAKEHOUSE_HOME", str(settings.home))
        patch.setenv("LAKEHOUSE_MIRROR", str(real_dumps))
        yield settings


def take_in(settings, *dumps, working=lambda title: nullcontext()):
    runner = Runner(defs, open_instance(settings), sys.stdout)
    return raw_to_marts(
        runner,
        [Dump(site, quarter) for site, quarter in dumps],
        settings.mirror,
        accept_shrink=False,
        working=working,
        finished=lambda run: None,
    )


@pytest.fixture(scope="module")
def told():
    """What whoever waits was told of each run: what goes on, how much is done, and of how much."""
    return defaultdict(list)


@pytest.fixture(scope="module")
def runs(home, told):
    def note(title, what, done, total=None):
        told[title].append((what, done, total))

    return take_in(home, *PUBLISHED, working=lambda title: listening(partial(note, title)))


def lake_counts(settings, query) -> dict:
    return {tuple(row.values())[:-1]: row["n"] for row in query_lake(Lake(settings.lake_uri), query).to_pylist()}


def warehouse_rows(settings, query) -> list[dict]:
    return query_warehouse(settings, query).to_pylist()


def test_every_run_succeeds(runs):
    assert [(run.layer, run.partition, run.failed_checks, run.error) for run in runs if not run.succeeded] == []


def test_whoever_waits_is_told_how_far_each_layer_is(runs, told):
    assert {title.partition(" ")[0] for title in told} == {"raw", "bronze", "silver", "warehouse", "marts"}
    for site, quarter in PUBLISHED:
        for layer in ("raw", "bronze"):
            _, amounts, totals = zip(*told[f"{layer} {quarter}|{site}"], strict=True)
            assert list(amounts) == sorted(amounts)
            assert set(totals) == {amounts[-1]}, "bytes, of as many"
            assert len(set(amounts)) > 1 or amounts[-1] < 1 << 20, "on the way, too"
        assert all(0 < done <= total for _, done, total in told[f"silver {site}"])


@pytest.mark.parametrize("table", TABLE_ORDER)
def test_bronze_and_quarantine_together_hold_every_row_of_every_archive(home, runs, table):
    lake = Lake(home.lake_uri)
    for (site, quarter), counts in ROWS.items():
        manifest = BronzeManifest.load(lake, table, quarter, site)
        assert manifest is not None
        assert manifest.present == (counts[table] > 0), f"{table} of {site}"
        assert manifest.rows + manifest.quarantined == counts[table], f"{table} of {site}"
        assert manifest.quarantined == 0


@pytest.mark.parametrize("table", TABLE_ORDER)
def test_silver_and_its_quarantine_hold_the_newest_dump_of_every_site(home, runs, table):
    held = lake_counts(home, f"select site, count(*) as n from silver.{table} group by site")
    refused = lake_counts(
        home,
        "select site, table_name, count(*) as n from quarantine.rows where layer = 'silver' and resolved_at is null "
        "group by site, table_name",
    )
    for site, counts in NEWEST.items():
        assert held.get((site,), 0) + refused.get((site, table), 0) == counts[table], f"{table} of {site}"


@pytest.mark.parametrize(
    ("table", "measure"),
    [
        ("badges", "count(*)"),
        ("comments", "count(*)"),
        ("post_history", "sum(n)"),
        ("post_links", "count(*)"),
        ("posts", "count(*)"),
        ("tags", "count(*)"),
        ("users", "count(*)"),
        ("votes", "sum(n)"),
    ],
)
def test_the_warehouse_holds_what_silver_holds_as_rows_or_as_sums(home, runs, table, measure):
    silver = lake_counts(home, f"select site, count(*) as n from silver.{table} group by site")
    loaded = {
        (row["site"],): row["n"]
        for row in warehouse_rows(home, f"select site, ({measure})::bigint as n from lake.{table} group by site")
    }
    assert loaded == silver


def ledger_row(settings, table: str, quarter: str) -> dict:
    (row,) = query_lake(
        Lake(settings.lake_uri),
        f"select * from silver.ledger where site = 'beer' and table_name = '{table}' and partition = '{quarter}' "
        "and rows_superseded = 0",
    ).to_pylist()
    return row


# Published differences of beer 2016-09 -> 2016-12: new, gone, changed.
BEER_CHANGES = {
    "posts": (134, 36, 657),
    "users": (314, 24, 384),  # of 610: the others differ in what silver leaves out, counted below
    "comments": (132, 14, 13),
    "post_history": (366, 73, 9),
    "tags": (3, 4, 31),
}


@pytest.mark.parametrize("table", BEER_CHANGES)
def test_the_ledger_shows_what_changed_between_two_real_quarters(home, runs, table):
    row = ledger_row(home, table, "2016-10-01")
    assert (row["rows_inserted"], row["rows_deleted"], row["rows_updated"]) == BEER_CHANGES[table]


def test_users_whose_change_silver_does_not_see_changed_only_in_what_is_about_people(home, runs):
    """610 of the users changed: 384 in what silver keeps, the others in these six columns alone."""
    users = TABLES["users"]
    changed = changed_in_bronze(Lake(home.lake_uri), "users", list(users.column_names))
    kept = {column.name for column in silver_columns(users, keep_personal=False)}
    seen = [columns for columns in changed if columns & kept]
    unseen = [columns for columns in changed if not columns & kept]
    assert (len(changed), len(seen)) == (610, BEER_CHANGES["users"][2])
    assert set().union(*unseen) == {"AboutMe", "Age", "DisplayName", "Location", "ProfileImageUrl", "WebsiteUrl"}


def changed_in_bronze(lake: Lake, table: str, columns: list[str]) -> list[set[str]]:
    """For every key of both quarters of beer whose rows differ: the columns in which they do."""
    before, after = (in_bronze(lake, table, quarter, "beer", columns) for quarter in ("2016-07-01", "2016-10-01"))
    differing = [{n for n in columns if before[key][n] != after[key][n]} for key in before.keys() & after.keys()]
    return [names for names in differing if names]


def in_bronze(lake: Lake, table: str, quarter: str, site: str, columns: list[str]) -> dict[int, dict]:
    """The rows of a dump's table by their key, with these columns."""
    manifest = BronzeManifest.load(lake, table, quarter, site)
    read = pq.read_table([lake.path(file) for file in manifest.files], columns=columns)
    return {row["Id"]: row for row in read.to_pylist()}


@pytest.mark.parametrize(("notation", "between"), [("<", "><"), ("|", "|")])
def test_tags_of_either_notation_are_lists_in_silver(home, runs, notation, between):
    """The newest release here writes `|a|b|`, all others `<a><b>`."""
    lake, newest = Lake(home.lake_uri), dict(PUBLISHED.keys())
    for site in (site for site in newest if (site == "datascience.meta") == (notation == "|")):
        published = in_bronze(lake, "posts", newest[site], site, ["Id", "Tags"])
        assert {row["Tags"][0] for row in published.values() if row["Tags"]} == {notation}, site
        silver = query_lake(lake, f"select Id, Tags from silver.posts where site = '{site}'").to_pylist()
        for row in silver:
            text = published[row["Id"]]["Tags"]
            assert row["Tags"] == (text and text[1:-1].split(between)), f"post {row['Id']} of {site}"
        assert any(row["Tags"] and len(row["Tags"]) > 1 for row in silver), site


def test_an_older_quarter_again_changes_nothing_and_says_why(home, runs):
    before = lake_counts(home, "select table_name, count(*) as n from silver.ledger where site = 'beer' group by 1")
    posts = query_lake(Lake(home.lake_uri), "select * from silver.posts where site = 'beer' order by \"Id\"")
    again = take_in(home, ("beer", "2016-07-01"))
    assert all(run.succeeded for run in again)
    silver = next(run for run in again if run.layer == "silver")
    assert silver.total("inserted") == silver.total("updated") == silver.total("deleted") == 0
    older = r"2016-07-01: 2016-09 \(cut .*\) is not newer than the applied cut 2016-12-\d\d: superseded"
    newest = r"2016-10-01: 2016-12 \(cut .*\) is already applied"
    for table, metadata in silver.materialised.items():
        assert re.fullmatch(f"{older}; {newest}", str(metadata["note"])), table
    after = query_lake(Lake(home.lake_uri), "select * from silver.posts where site = 'beer' order by \"Id\"")
    assert after.equals(posts)
    assert before == lake_counts(
        home, "select table_name, count(*) as n from silver.ledger where site = 'beer' group by 1"
    )


def test_marts_are_published_under_one_build_for_every_site_with_posts(home, runs):
    sites = {row["site"] for row in warehouse_rows(home, "select distinct site from marts.activity_month")}
    assert sites == set(NEWEST)
    totals = warehouse_rows(
        home,
        "select site, sum(questions)::bigint as questions, sum(answers)::bigint as answers from marts.activity_month "
        "where site = 'ai' group by site",
    )
    assert totals == [{"site": "ai", "questions": 421, "answers": 749}]  # PostTypeId 1 and 2 in the archive


def test_every_layer_can_be_seen_in_the_instance(home, runs):
    instance = open_instance(home)
    assert set(instance.get_dynamic_partitions("site")) == set(NEWEST)
    partitions = instance.get_materialized_partitions(dg.AssetKey(["bronze", "dump", "posts"]))
    assert partitions == {f"{quarter}|{site}" for site, quarter in PUBLISHED}
