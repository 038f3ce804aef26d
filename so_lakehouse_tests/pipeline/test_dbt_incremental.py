"""Incremental models equal a full refresh, whatever happened in between, and rebuild nothing else."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from so_lakehouse.lake.storage import Lake
from so_lakehouse.warehouse.load import load_site
from so_lakehouse_tests.pipeline.dbt_warehouse import PROJECT, Community, DbtWarehouse, Post, brewery, running_warehouse
from so_lakehouse_tests.pipeline.silver_site import day, small_site

FINE = {"success", "pass"}


@pytest.fixture(scope="module")
def shared_warehouse() -> Iterator[DbtWarehouse]:
    with running_warehouse() as warehouse:
        yield warehouse


@pytest.fixture
def warehouse(shared_warehouse: DbtWarehouse) -> DbtWarehouse:
    shared_warehouse.reset()
    return shared_warehouse


def assert_equals_full_refresh(warehouse: DbtWarehouse) -> None:
    incremental = warehouse.snapshot()
    assert set(warehouse.dbt("run", "--full-refresh").values()) == {"success"}
    full = warehouse.snapshot()
    for table, rows in full.items():
        assert incremental[table] == rows, table


def test_an_empty_warehouse_builds_and_takes_in_its_first_site(warehouse: DbtWarehouse) -> None:
    assert set(warehouse.build().values()) <= FINE
    warehouse.load(brewery("beer"))
    assert set(warehouse.build().values()) <= FINE
    assert warehouse.query("select count(*) from marts_build.activity_month") == [(3,)]


def test_posts_of_days_beyond_what_is_complete_lie_in_the_calendar_and_in_no_complete_month(
    warehouse: DbtWarehouse,
) -> None:
    """The API brings days of a year that no dump has reached, and of days before them one is missing."""
    beer = brewery("beer")
    beer.add(Post(90, "2021-01-05T00:00:00Z"))
    warehouse.load(beer)
    assert set(warehouse.build().values()) <= FINE
    assert warehouse.query("select max(day) from core.dim_date") == [(date(2021, 12, 31),)]
    newest = "select questions, is_complete from marts_build.activity_month where month = '2021-01-01'"
    assert warehouse.query(newest) == [(1, False)]


def test_a_post_of_next_year_is_a_warning_and_holds_up_nobodys_marts(warehouse: DbtWarehouse) -> None:
    next_year = datetime.now(UTC).year + 1
    beer = brewery("beer")
    beer.add(Post(90, f"{next_year}-02-05T00:00:00Z"))
    warehouse.load(beer)
    assert set(warehouse.build().values()) <= FINE
    assert warehouse.query("select max(day) from core.dim_date") == [(date(next_year, 12, 31),)]


def test_edits_deletions_and_a_reload_end_in_the_rows_of_a_full_refresh(warehouse: DbtWarehouse) -> None:
    beer, ai = brewery("beer"), brewery("ai")
    warehouse.load(beer)
    warehouse.load(ai)
    assert set(warehouse.build().values()) <= FINE

    beer.add(Post(9, "2020-02-11T00:00:00Z", parent=6, owner=3))  # an answer to the unanswered question
    beer.edit(1, accepted=None, tags=("ale",))  # no longer accepted, and retagged
    beer.votes -= {(3, 1, "2020-01-06")}
    del beer.posts[7], beer.posts[8]  # the only thread of March
    warehouse.load(beer)
    ai.edit(4, owner=2)
    ai.complete_to = "2020-04-30T23:59:59.999999Z"
    warehouse.load(ai, whole_site=True)
    assert set(warehouse.build().values()) <= FINE

    assert warehouse.query("select count(*) from core.fct_question where site = 'beer' and month = '2020-03-01'") == [
        (0,)
    ]
    assert warehouse.query(
        "select first_answer_id, accepted_answer_id from core.fct_question"
        " where site = 'beer' and question_id in (1, 6) order by question_id"
    ) == [(3, None), (9, None)]
    assert_equals_full_refresh(warehouse)


def test_what_the_loader_takes_from_edits_and_deletions_in_silver_ends_in_the_rows_of_a_full_refresh(
    warehouse: DbtWarehouse, lake: Lake
) -> None:
    silver = small_site(lake, "wine")  # of which `DbtWarehouse.load` has made no partitions
    silver.pass_checks(cut_at=day("2016-06-30"))
    load_site(lake, warehouse.settings, "wine")
    assert set(warehouse.build().values()) <= FINE | {"warn"}
    before = warehouse.snapshot()

    silver.put("posts", {"Id": 1, "PostTypeId": 1, "CreationDate": day("2016-01-10"), "Tags": ["gruit"], "Score": 9})
    silver.put("posts", {"Id": 5, "PostTypeId": 2, "CreationDate": day("2016-05-02"), "ParentId": 1, "OwnerUserId": 8})
    silver.delete("posts", 3, 4)  # the only thread of February
    silver.delete("votes", 1)
    silver.pass_checks(cut_at=day("2016-06-30"))
    loaded = load_site(lake, warehouse.settings, "wine")
    assert (loaded["posts"].how, loaded["votes"].how) == ("changes", "changes")
    assert set(warehouse.build().values()) <= FINE | {"warn"}
    changed = {table for table, rows in warehouse.snapshot().items() if rows != before[table]}
    assert changed >= {"core.fct_question", "core.fct_answer", "marts_build.activity_month", "marts_build.tag_month"}
    assert_equals_full_refresh(warehouse)


def test_random_histories_end_in_the_rows_of_a_full_refresh(warehouse: DbtWarehouse) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    sites = {site: Community(site, "2020-06-30T23:59:59.999999Z") for site in ("beer", "ai")}
    for _ in range(3):
        for community in sites.values():
            for _ in range(12):
                disturb(community, chance)
            warehouse.load(community, whole_site=chance.random() < 0.2)
        assert set(warehouse.build().values()) <= FINE | {"warn"}, seed  # deletions leave references that dangle
    assert_equals_full_refresh(warehouse)


def disturb(community: Community, chance: random.Random) -> None:
    """One event of a site's life: a question, an answer, an edit, an acceptance or a deletion."""
    questions = [post for post in community.posts.values() if post.parent is None]
    moment = f"2020-0{chance.randint(1, 6)}-{chance.randint(10, 28)}T{chance.randint(10, 23)}:00:00Z"
    new_id = max(community.posts, default=0) + 1
    event = chance.choice(["ask", "answer", "answer", "edit", "accept", "delete"]) if questions else "ask"
    if event == "ask":
        tags = tuple(chance.sample(["hops", "malt", "yeast", "ale"], chance.randint(0, 3)))
        community.add(Post(new_id, moment, owner=chance.choice([1, 2, 3, None, -1]), tags=tags))
    elif event == "answer":
        parent = chance.choice(questions).id
        community.add(Post(new_id, moment, parent=parent, owner=chance.choice([1, 2, 3, None, -1])))
    elif event == "edit":
        community.edit(chance.choice(questions).id, tags=("edited",), score=chance.randint(-3, 9))
    elif event == "accept":
        answers = [post for post in community.posts.values() if post.parent in community.posts]
        if answers:
            answer = chance.choice(answers)
            community.edit(answer.thread, accepted=answer.id)
            community.votes.add((answer.id, 1, moment[:10]))
    else:
        del community.posts[chance.choice(list(community.posts))]


def test_only_changed_months_and_sites_are_rewritten(warehouse: DbtWarehouse) -> None:
    beer = brewery("beer")
    warehouse.load(beer)
    warehouse.load(brewery("ai"))
    warehouse.build()

    def versions(table: str) -> dict[tuple, str]:
        """Which transaction wrote the rows of a site and month."""
        rows = warehouse.query(f"select site, month, max(xmin::text) from {table} group by 1, 2")
        return {(site, month): xmin for site, month, xmin in rows}

    def rewritten(table: str) -> set[tuple]:
        return {key for key, version in versions(table).items() if before[table].get(key) != version}

    tables = ("core.fct_question", "marts_build.tag_month", "marts_build.activity_month")
    before = {table: versions(table) for table in tables}
    beer.edit(6, score=7)  # asked in February
    warehouse.load(beer)
    warehouse.build()
    assert rewritten("core.fct_question") == {("beer", date(2020, 2, 1))}
    assert rewritten("marts_build.tag_month") == {("beer", date(2020, 2, 1))}
    assert {site for site, _ in rewritten("marts_build.activity_month")} == {"beer"}


def test_a_load_that_commits_while_dbt_runs_comes_with_the_next_run_its_days_too(warehouse: DbtWarehouse) -> None:
    beer = brewery("beer")
    first = warehouse.load(beer)
    warehouse.build()
    questions = "select month, is_complete, questions from marts_build.activity_month where month > '2020-02-01'"
    march = (date(2020, 3, 1), True, 1)
    assert warehouse.query(questions) == [march]

    assert warehouse.dbt("run", "--select", "int_load_status") == {"int_load_status": "success"}
    beer.edit(6, score=7)
    beer.add(Post(9, "2020-04-10T10:00:00Z", owner=1, tags=("hops",)))
    beer.complete_to = "2020-05-31T23:59:59.999999Z"
    second = warehouse.load(beer)
    assert set(warehouse.build("--exclude", "int_load_status").values()) <= FINE
    assert warehouse.query("select score from core.fct_question where question_id = 6") == [(0,)]
    assert warehouse.query(questions) == [march], "no month without its questions is said to be complete"
    reached = "select distinct complete_to::date from marts_build.load_status"
    assert warehouse.query(reached) == [(date(2020, 3, 31),)]
    assert warehouse.query("select distinct load_id from core.watermark") == [(first,)]

    assert set(warehouse.build().values()) <= FINE
    assert warehouse.query("select score from core.fct_question where question_id = 6") == [(7,)]
    assert sorted(warehouse.query(questions)) == [march, (date(2020, 4, 1), True, 1), (date(2020, 5, 1), True, 0)]
    assert warehouse.query(reached) == [(date(2020, 5, 31),)]
    assert warehouse.query("select distinct load_id from core.watermark") == [(second,)]


def test_a_site_that_arrives_while_dbt_runs_comes_whole_with_the_next_run(warehouse: DbtWarehouse) -> None:
    warehouse.load(brewery("beer"))
    warehouse.dbt("run", "--select", "+int_load_status")
    warehouse.load(brewery("ai"))
    assert set(warehouse.build("--exclude", "int_load_status").values()) <= FINE
    sites = "select distinct site from marts_build.activity_month order by 1"
    assert warehouse.query(sites) == [("beer",)]
    assert set(warehouse.build().values()) <= FINE
    assert warehouse.query(sites) == [("ai",), ("beer",)]
    assert_equals_full_refresh(warehouse)


def test_more_complete_data_closes_months_without_a_changed_row(warehouse: DbtWarehouse) -> None:
    beer = brewery("beer")
    beer.complete_to, beer.counters_complete_to = "2020-03-30T23:59:59.999999Z", "2020-03-10T23:59:59.999999Z"
    warehouse.load(beer)
    warehouse.build()
    march = (
        "select activity.is_complete, activity.questions_7_days_old, tag.is_complete"
        " from marts_build.activity_month as activity"
        " join marts_build.tag_month as tag using (site, month)"
        " where month = '2020-03-01'"
    )
    accepted = "select questions_30_days_old, acceptance_complete_to from marts_build.activity_month"
    february = f"{accepted} where month = '2020-02-01'"
    assert warehouse.query(march) == [(False, 0, False)]
    warehouse.query(
        "update lake.load_status set complete_to = '2020-04-15T23:59:59.999999Z' where table_name = 'posts';"
        "update lake.load_status set complete_to = '2020-03-12T23:59:59.999999Z' where table_name = 'votes'"
    )
    warehouse.build()
    assert warehouse.query(march) == [(True, 1, True)]
    assert warehouse.query(february) == [(0, date(2020, 3, 10))], "asked on 10 February; the counters end first"
    warehouse.query("update lake.load_status set counters_complete_to = '2020-03-15T23:59:59.999999Z'")
    warehouse.dbt("run", "--select", "int_load_status", "dim_site", "activity_month")
    assert warehouse.query(february) == [(1, date(2020, 3, 12))], "now the votes do"
    assert_equals_full_refresh(warehouse)


def test_a_model_that_fails_keeps_its_rows_and_its_watermark(warehouse: DbtWarehouse) -> None:
    beer = brewery("beer")
    first = warehouse.load(beer)
    warehouse.build()
    before = warehouse.snapshot()
    beer.edit(6, score=7)
    second = warehouse.load(beer)
    # Fails after the old rows are deleted and the new ones inserted, at the very end of the model's transaction.
    warehouse.query(
        "create function core.refuse() returns trigger language plpgsql"
        " as $$ begin raise exception 'disk full'; end $$;"
        "create constraint trigger refuse after insert on core.fct_question initially deferred"
        " for each row execute function core.refuse()"
    )
    statuses = warehouse.build()
    assert (statuses["fct_question"], statuses["activity_month"]) == ("error", "skipped")
    assert warehouse.snapshot()["core.fct_question"] == before["core.fct_question"]
    assert warehouse.query("select load_id from core.watermark where model = 'fct_question'") == [(first,)]

    warehouse.query("drop trigger refuse on core.fct_question")
    assert set(warehouse.build().values()) <= FINE
    assert warehouse.query("select load_id from core.watermark where model = 'fct_question'") == [(second,)]
    assert_equals_full_refresh(warehouse)


def test_a_changed_rule_rebuilds_all_rows_by_itself(warehouse: DbtWarehouse, tmp_path: Path) -> None:
    warehouse.load(brewery("beer"))
    warehouse.build()
    kinds = "select answerer_kind, count(*) from core.fct_answer group by 1 order by 1"
    assert warehouse.query(kinds) == [("person", 4)]
    changed = tmp_path / "changed_project"
    shutil.copytree(PROJECT, changed, ignore=shutil.ignore_patterns("target", "logs"))
    rule = changed / "macros" / "author_kind.sql"
    assert "> 0 then 'person'" in rule.read_text()
    rule.write_text(rule.read_text().replace("> 0 then 'person'", "> 1 then 'person'"))
    assert warehouse.build("--select", "+fct_answer", project=changed)["fct_answer"] == "success"
    assert warehouse.query(kinds) == [("deleted", 2), ("person", 2)]
