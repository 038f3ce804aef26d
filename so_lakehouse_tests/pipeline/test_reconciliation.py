"""The next dump against what was predicted for it: each way of differing by a row of its own, through Dagster."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import pytest

from so_lakehouse.definitions import defs
from so_lakehouse.lake import reconciliation
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.reconcilable import due, is_due
from so_lakehouse.lake.storage import Lake
from so_lakehouse.runner import LayerRun, Runner
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.settings import Settings
from so_lakehouse.spark import clean, examine
from so_lakehouse.spark.cascade import DEPENDENTS
from so_lakehouse.spark.overlay import ALIVE, DECISION
from so_lakehouse.spark.predict import Evidence, posts_of, predicted
from so_lakehouse.warehouse.reconciliation import load_reconciliations
from so_lakehouse_tests.pipeline.evidence import Row, at, write_dump, write_pages
from so_lakehouse_tests.pipeline.site_history import SiteHistory
from so_lakehouse_tests.pipeline.warehouse_catalogue import run

EARLIEST, BEFORE, NEXT, QUARTER = "2016-06-05", "2016-09-28", "2016-10-03", "2016-10-01"
DAYS = ("2016-09-29", "2016-09-30", "2016-10-01", "2016-10-02", "2016-10-03")
UNHEARD = "2016-10-06T06:00:00"  # more than a day after the cut
NEW = at("2016-10-01T09:00:00.123")

POSTS_BEFORE: list[Row] = [
    {"Id": 1},
    {"Id": 2, "PostTypeId": 2, "ParentId": 1, "ViewCount": 3},
    {"Id": 20, "Score": 1},
    {"Id": 21, "Score": 1},
    {"Id": 22, "Score": 1},
    {"Id": 30},
    {"Id": 31},
    {"Id": 40, "FavoriteCount": 4},
    {"Id": 51},
    {"Id": 70, "FavoriteCount": 1},
    {"Id": 81, "PostTypeId": 5},
    {"Id": 90},
]
KEPT: Row = {"Id": 95, "Score": 7}  # the dump before holds it unreadably, and the one before that tells it
POSTS_NEXT: list[Row] = [
    {"Id": 1},
    {"Id": 2, "PostTypeId": 2, "ParentId": 1, "ViewCount": None},
    {"Id": 20, "Score": 5},
    {"Id": 21, "Score": 6},
    {"Id": 22, "Score": 2},
    {"Id": 40, "FavoriteCount": 4},
    {"Id": 50},
    {"Id": 51},
    {"Id": 60, "CreationDate": NEW},
    {"Id": 61, "CreationDate": at("2016-10-03T20:00:00.5")},
    {"Id": 70, "FavoriteCount": 2},
    {"Id": 80, "PostTypeId": 4},
    KEPT,
]
COMMENTS_BEFORE: list[Row] = [{"Id": 1}, {"Id": 100, "PostId": 30}, {"Id": 101, "PostId": 31}]


class Reconciled(NamedTuple):
    """A site's second dump, reconciled through Dagster."""

    lake: Lake
    run: LayerRun
    checks: dict[str, dg.AssetCheckEvaluation]
    silver: dict[str, dict[int, Row]]  # what it held before the second dump, of pages fetched in time
    foretold: dict[str, dict[int, Row]]  # what is predicted from bronze
    known: bool  # whether it was still due afterwards


def pages(lake: Lake, late: bool) -> None:
    """Every day of every entity, asked for whole on the next morning; but comments of one day. `late`: with what was
    fetched too late to be heard."""
    said: defaultdict[tuple[str, str], list] = defaultdict(list)
    absent: defaultdict[tuple[str, str], list] = defaultdict(list)
    for entity in ENTITIES:
        for day in DAYS:
            said[entity, day] = [(morning(day), {"Id": 2 if entity == "answers" else 1})]
    in_order = {day: [morning(day)] for day in DAYS}

    def question(day: str, **row: Any) -> None:
        said["questions", day].append((in_order[day][0], row))

    question(DAYS[2], Id=20, Score=5)  # edited, as the dump has it
    question(DAYS[2], Id=21, Score=5)  # edited, and once more that no page saw
    absent["questions", DAYS[1]].append((morning(DAYS[1]), 30))  # deleted, and noticed
    absent["questions", DAYS[1]].append((morning(DAYS[1]), 40))  # deleted, and back a day later
    question(DAYS[2], Id=40)
    question(DAYS[2], Id=60, CreationDate=NEW.replace(microsecond=0))  # new
    question(DAYS[4], Id=61, CreationDate=at("2016-10-03T20:00:00"))  # new on the day of the cut, fetched after it
    question(DAYS[4], Id=10, CreationDate=at("2016-10-04T05:00:00"))  # created after the cut
    if late:
        said["questions", DAYS[3]].append((UNHEARD, {"Id": 50}))
        absent["questions", DAYS[3]].append((UNHEARD, 51))
    for (entity, day), rows in said.items():
        write_pages(
            *(lake, entity, day, rows, absent[entity, day]),
            version=f"late {late}",
            is_whole=(entity, day) != ("comments", DAYS[1]),
            whole_at=morning(day),
        )


def morning(day: str) -> str:
    return f"{date.fromisoformat(day) + timedelta(days=1)}T06:00:00"


@pytest.fixture(scope="module")
def reconciled(spark, tmp_path_factory) -> Iterator[Reconciled]:
    home: Path = tmp_path_factory.mktemp("reconciled")
    site = SiteHistory(spark, home)
    users = [{"Id": 1, "Reputation": 1}]
    write_dump(site.lake, EARLIEST, {"posts": [KEPT]})
    before = {"posts": POSTS_BEFORE, "comments": COMMENTS_BEFORE, "users": users}
    write_dump(site.lake, BEFORE, before, unread={"posts": [KEPT["Id"]]})
    pages(site.lake, late=False)
    held = site.converge("posts", "comments").rows
    pages(site.lake, late=True)
    following = {"posts": POSTS_NEXT, "comments": [{"Id": 1}], "users": [{"Id": 1, "Reputation": 2}]}
    write_dump(site.lake, NEXT, following, unread={"posts": [90]})
    foretold = predictions(spark, site)
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.setenv("LAKEHOUSE_HOME", str(home))
        runner = Runner(defs, instance, sys.stdout)
        runner.add_site("beer")
        done = runner.run("reconciliation", runner.keys_of("reconciliation"), "beer")
        checks = {evaluation.check_name: evaluation for evaluation in evaluations(instance, done)}
        yield Reconciled(site.lake, done, checks, held, foretold, is_due(site.lake, "beer"))


def evaluations(instance: dg.DagsterInstance, done: LayerRun) -> list[dg.AssetCheckEvaluation]:
    """What a run's checks found."""
    events = instance.all_logs(done.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    return [event.dagster_event.asset_check_evaluation_data for event in events if event.dagster_event]


def predictions(spark, site: SiteHistory) -> dict[str, dict[int, Row]]:
    """The predicted rows by table and key, as silver has them."""
    (found,) = due(site.lake, "beer")
    posts, foretold = None, {}
    by_table = {pair.table.name: pair for pair in found.pairs}
    for pair in (by_table["posts"], by_table["comments"]):
        rules = clean.rule_version(pair.table, False)
        dumps = [examine.examined(spark, site.lake, pair.table, manifest, rules) for manifest in pair.older]
        rests_on = dumps if dumps[-1].is_open else dumps[-1:]
        of = Evidence(pair.table, tuple(rests_on), pair.pages, pair.until, keep_personal=False)
        prediction = predicted(spark, site.lake, of, posts if pair.table.name in DEPENDENTS else None)
        posts = posts or posts_of(prediction)
        rows = prediction.rows.where(ALIVE).drop(*DECISION).toArrow().to_pylist()
        foretold[pair.table.name] = {row["Id"]: row for row in rows}
    return foretold


def totals(lake: Lake, table: str) -> dict[str, Any]:
    (row,) = query_lake(lake, f"select * from reconciliation.tables where table_name = '{table}'").to_pylist()
    return row


def column(lake: Lake, table: str, name: str) -> tuple:
    """Whether it is followed, rows compared and agreeing, and the same of those that a page told."""
    sql = f"select * from reconciliation.columns where table_name = '{table}' and column_name = '{name}'"
    (row,) = query_lake(lake, sql).to_pylist()
    parts = ("compared", "agreeing", "compared_of_pages", "agreeing_of_pages")
    return (row["is_followed"], *(row[f"rows_{part}"] for part in parts))


@pytest.mark.parametrize("table", ["posts", "comments"])
def test_what_is_predicted_from_bronze_is_what_silver_held(reconciled, table):
    held = {key: {name: row[name] for name in row if name != "site"} for key, row in reconciled.silver[table].items()}
    assert held
    assert reconciled.foretold[table] == held


def test_rows_are_counted_by_what_the_next_dump_made_of_them(reconciled):
    posts = totals(reconciled.lake, "posts")
    counted = {name.removeprefix("rows_"): value for name, value in posts.items() if name.startswith("rows_")}
    # Present: 1, 2, 20, 21, 22, 40, 51, 60, 61, 70, 95.
    # Not predicted: 30, which a sweep found gone, and 10, which was created after the cut.
    assert counted == {"predicted": 13, "present": 11, "missing": 1, "untold": 1, "extra": 1, "unfollowed": 1}


def test_a_comment_goes_along_with_a_post_that_is_predicted_to_be_gone(reconciled):
    comments = totals(reconciled.lake, "comments")
    assert (comments["rows_predicted"], comments["rows_present"], comments["rows_missing"]) == (2, 1, 1)


def test_it_tells_what_was_compared_with_what(reconciled):
    posts = totals(reconciled.lake, "posts")
    told = {name: posts[name] for name in ("site", "quarter", "release", "cut_date", "previous_cut_date", "days")}
    assert told == {
        "site": "beer",
        "quarter": date.fromisoformat(QUARTER),
        "release": NEXT[:7],
        "cut_date": date.fromisoformat(NEXT),
        "previous_cut_date": date.fromisoformat(BEFORE),
        "days": 5,
    }
    assert posts["pages_until"] == at("2016-10-04T23:59:59.999999")


def test_days_that_were_not_asked_for_whole_in_time_are_counted_by_table(reconciled):
    missing = {table: totals(reconciled.lake, table)["days_missing"] for table in ("posts", "comments", "users")}
    assert missing == {"posts": 0, "comments": 1, "users": 0}


def test_a_column_that_pages_tell_is_compared_apart_where_a_page_told_it(reconciled):
    # All eleven posts; 21 and 22 differ, and no page spoke of 22, 51, 70 and 95.
    assert column(reconciled.lake, "posts", "Score") == (True, 11, 9, 7, 6)


def test_a_column_that_no_page_tells_is_reported_as_such(reconciled):
    assert column(reconciled.lake, "posts", "FavoriteCount") == (False, 11, 10, 0, 0)


def test_a_column_is_compared_for_the_kinds_of_posts_whose_pages_tell_it(reconciled):
    assert column(reconciled.lake, "posts", "ViewCount") == (True, 10, 10, 6, 6), "no page tells an answer's views"
    assert column(reconciled.lake, "posts", "ParentId")[1] == 1


def test_dates_agree_where_they_are_the_same_second(reconciled):
    assert column(reconciled.lake, "posts", "CreationDate") == (True, 11, 11, 7, 7)


def test_every_column_of_silver_is_reported_and_no_other(reconciled):
    sql = "select table_name, column_name from reconciliation.columns where table_name <> 'users'"
    reported = {(row["table_name"], row["column_name"]) for row in query_lake(reconciled.lake, sql).to_pylist()}
    assert reported == {
        (table, name)
        for table, rows in reconciled.silver.items()
        for name in next(iter(rows.values()))
        if name not in ("site", "Id") and not name.startswith("_")
    }


def test_what_differs_is_an_error_that_stops_nothing_and_missing_days_are_a_warning(reconciled):
    posts, days = reconciled.checks["posts_present"], reconciled.checks["days_whole"]
    assert (posts.passed, posts.severity, posts.blocking) == (False, dg.AssetCheckSeverity.ERROR, False)
    assert "91.67% of 12 predicted posts are in the next dump (1 are not)" in posts.description
    assert (days.passed, days.severity, days.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
    assert DAYS[1] in days.description
    assert reconciled.run.succeeded
    assert len(reconciled.run.warnings) == 2


def test_the_checks_lie_in_the_lake_beside_what_they_speak_of(reconciled):
    (found,) = reconciliation.of_site(reconciled.lake, "beer")
    assert {check.name: check.passed for check in found.checks} == {"posts_present": False, "days_whole": False}
    assert totals(reconciled.lake, "users")["data_version"] == found.data_version


def test_what_was_compared_is_not_compared_again(reconciled):
    assert not reconciled.known


def test_a_site_with_nothing_to_reconcile_has_no_result_and_no_check_passes(settings: Settings, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_HOME", str(settings.home))
    with dg.DagsterInstance.ephemeral() as instance:
        runner = Runner(defs, instance, sys.stdout)
        runner.add_site("beer")
        done = runner.run("reconciliation", runner.keys_of("reconciliation"), "beer")
        assert done.succeeded
        assert done.materialised == {}
        assert evaluations(instance, done) == []


def test_the_warehouse_takes_in_what_is_new_and_leaves_the_rest(reconciled, warehouse: Settings):
    first = load_reconciliations(reconciled.lake, warehouse, "beer")
    written = "SELECT count(DISTINCT xmin::text), max(xmin::text::bigint) FROM lake.reconciliation_column"
    before = run(warehouse, written)
    again = load_reconciliations(reconciled.lake, warehouse, "beer")
    assert (first.changed, again.changed) == ((QUARTER,), ())
    assert run(warehouse, written) == before
    assert first.rows == again.rows
    assert first.data_version == again.data_version
    for results in reconciliation.ALL:
        names = [field.name for field in results.fields]
        in_lake = query_lake(reconciled.lake, f"select {', '.join(names)} from reconciliation.{results.name}")
        in_warehouse = run(warehouse, f"SELECT {', '.join(names)} FROM lake.{results.warehouse_name}")
        assert sorted(in_warehouse) == sorted(tuple(row.values()) for row in in_lake.to_pylist())
        assert len(in_warehouse) == first.rows[results.warehouse_name]


def test_another_version_replaces_its_quarter_in_the_warehouse_and_other_sites_stay(reconciled, warehouse: Settings):
    load_reconciliations(reconciled.lake, warehouse, "beer")
    run(warehouse, "UPDATE lake.reconciliation SET data_version = 'earlier', rows_extra = 99")
    copy = "INSERT INTO lake.reconciliation SELECT 'ai', quarter, table_name, release, cut_date, previous_cut_date,"
    rest = ", ".join(field.name for field in reconciliation.TABLES.fields[6:])
    run(warehouse, f"{copy} {rest} FROM lake.reconciliation")
    assert load_reconciliations(reconciled.lake, warehouse, "beer").changed == (QUARTER,)
    extra = "SELECT site, sum(rows_extra)::int FROM lake.reconciliation GROUP BY 1 ORDER BY 1"
    assert run(warehouse, extra) == [("ai", 297), ("beer", 1)]
