"""Pages become rows of the dump's tables: every item is a row or in quarantine, and nothing is guessed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from so_lakehouse import failpoints
from so_lakehouse.api.bronze import dead_attempts, read_pages
from so_lakehouse.api.due import days_due
from so_lakehouse.api.fetch import fetch_day
from so_lakehouse.api.fields import FIELDS
from so_lakehouse.api.items import Unreadable, read_item
from so_lakehouse.lake import paths
from so_lakehouse.lake.api_pages import PagesManifest, forget_removed, page_schema
from so_lakehouse.lake.prune import prune
from so_lakehouse.lake.query import query_lake
from so_lakehouse.schema import TABLES
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse_tests.pipeline.api_world import DAY, MIDNIGHT, answer, comment, question, user
from so_lakehouse_tests.pipeline.silver_site import SilverSite

GONE = {"user_type": "does_not_exist", "display_name": "user99"}


def bronze(api, lake, entity, items, again=False) -> tuple[PagesManifest, list[dict]]:
    api.site.put(entity, items)
    fetch_day(lake, api.client(), "beer", DAY, entity, api.settings, again)
    manifest = read_pages(lake, "beer", DAY, entity, api.settings)
    return manifest, pq.read_table(lake.path(manifest.files[0])).to_pylist()


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=ENTITIES)
def test_a_page_tells_exactly_the_columns_that_silver_takes_from_it(entity):
    fields = FIELDS[entity.name]
    constant = ["PostTypeId"] if entity.post_type else []
    assert sorted([*fields.columns.values(), *fields.people.values(), *constant]) == sorted(entity.columns)
    assert fields.always <= fields.known


def test_a_question_reads_as_in_the_dump(api, lake):
    made = question(7, MIDNIGHT + 3, last_editor=GONE, accepted_answer_id=8, closed_reason="off-topic", owner=GONE)
    manifest, (row,) = bronze(api, lake, "questions", [made])
    assert (manifest.rows, manifest.items, manifest.quarantined, manifest.passed) == (1, 1, 0, True)
    assert row["Id"] == 7
    assert row["PostTypeId"] == 1
    assert row["CreationDate"] == datetime(2026, 1, 5, 0, 0, 3, tzinfo=UTC)
    assert row["Title"] == 'What is "7" & why?', "as in the dump, not encoded"
    assert row["Body"] == "<p>a &lt; b</p>"
    assert row["Tags"] == "|stout|c++|"
    assert (row["AcceptedAnswerId"], row["OwnerUserId"], row["OwnerDisplayName"]) == (8, None, "user99")
    assert row["LastEditorDisplayName"] == "user99"
    assert row["ClosedDate"] is None
    assert ("closed_reason", '"off-topic"') in row["_extra"]
    assert row["_present"]
    assert row["_as_of"] == manifest.newest <= api.clock.now()
    assert (row["FavoriteCount"], row["ParentId"]) == (None, None), "what pages do not tell"


def test_answers_comments_and_users_read_as_in_the_dump(api, lake):
    _, (row,) = bronze(api, lake, "answers", [answer(8, MIDNIGHT, 7)])
    assert (row["Id"], row["PostTypeId"], row["ParentId"], row["OwnerUserId"]) == (8, 2, 7, 4)
    assert row["OwnerDisplayName"] is None, "the name of an account that is there is told by its own row"
    _, (row,) = bronze(api, lake, "comments", [comment(9, MIDNIGHT, 7)])
    assert (row["Id"], row["PostId"], row["Text"], row["UserId"]) == (9, 7, "see `x`", 4)
    _, rows = bronze(api, lake, "users", [user(-1, MIDNIGHT, location="Köln")])
    assert [(row["Id"], row["Location"], row["AccountId"]) for row in rows] == [(-1, "Köln", 999)] * len(rows)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"score": "many"}, "wrong_type"),
        ({"score": True}, "wrong_type"),
        ({"score": 2**31}, "out_of_range"),
        ({"tags": "stout"}, "wrong_type"),
        ({"title": "half \ud83d"}, "bad_text"),
        ({"owner": 4}, "wrong_type"),
        ({"last_edit_date": 10**15}, "out_of_range"),
        ({"body": None}, "missing_field"),
        ({"question_id": None}, "no_key"),
        ({"question_id": 2**63}, "no_key"),
    ],
)
def test_an_item_that_cannot_be_read_is_refused_with_its_reason(change, reason):
    with pytest.raises(Unreadable) as refused:
        read_item(ENTITIES["questions"], question(7, MIDNIGHT) | change)
    assert refused.value.reason == reason
    assert refused.value.key == (None if reason == "no_key" else 7)


def test_every_item_is_a_row_or_in_quarantine_with_its_text(api, lake):
    api.site.put("questions", [question(1, MIDNIGHT)])
    api.site.rows["questions"][2] = question(2, MIDNIGHT) | {"score": 1.5}
    manifest, rows = bronze(api, lake, "questions", [])
    assert (manifest.items, manifest.rows, manifest.quarantined) == (2, 1, 1)
    (refused,) = pq.read_table(lake.path(manifest.quarantine_file)).to_pylist()
    assert (refused["id"], refused["reason"]) == (2, "wrong_type")
    assert json.loads(refused["raw"])["score"] == 1.5
    assert {row["_offset"] for row in rows} | {refused["byte_offset"]} == {0, 1}
    assert {check.name for check in manifest.checks if not check.passed} == {"quarantine_empty"}
    told = query_lake(lake, "select layer, source, partition, reason, id from quarantine.rows").to_pylist()
    assert told == [{"layer": "bronze", "source": "api/questions", "partition": DAY, "reason": "wrong_type", "id": 2}]


def test_more_unreadable_items_than_a_healthy_api_has_close_the_gate(api, lake):
    api.site.rows["questions"].update({key: question(key, MIDNIGHT) | {"tags": 1} for key in range(1, 12)})
    manifest, rows = bronze(api, lake, "questions", [question(99, MIDNIGHT)])
    assert len(rows) == 1
    assert not manifest.passed


def test_all_fetches_of_a_day_are_read_and_a_day_without_news_is_not_read_again(api, lake):
    first, _ = bronze(api, lake, "questions", [question(1, MIDNIGHT), question(2, MIDNIGHT)])
    assert read_pages(lake, "beer", DAY, "questions", api.settings) == first
    api.clock.sleep(3600)
    second, rows = bronze(api, lake, "questions", [question(2, MIDNIGHT, score=9)], again=True)
    assert sorted((row["Id"], row["Score"]) for row in rows) == [(1, 1), (1, 1), (2, 1), (2, 9)]
    assert second.data_version != first.data_version
    assert second.newest > first.newest
    assert second.whole_at == first.whole_at == first.newest_as_of, "the first fetch had all of the day"


def test_a_day_without_rows_is_read_too_and_one_without_a_fetch_is_not(api, lake):
    assert read_pages(lake, "beer", DAY, "questions", api.settings) is None
    manifest, rows = bronze(api, lake, "questions", [])
    assert (rows, manifest.rows, manifest.passed, manifest.is_whole) == ([], 0, True, True)
    assert pq.read_schema(lake.path(manifest.files[0])).equals(page_schema(TABLES["posts"]))


def test_a_field_that_nobody_asked_for_is_kept_and_named(api, lake):
    row = read_item(ENTITIES["questions"], question(7, MIDNIGHT) | {"mood": {"of": "day"}})
    assert ("mood", '{"of": "day"}') in row["_extra"]
    assert not any("display_name" in name for name, _ in row["_extra"])


def test_a_read_that_fails_leaves_what_was_there(api, lake, monkeypatch):
    first, _ = bronze(api, lake, "questions", [question(1, MIDNIGHT)])
    api.clock.sleep(3600)
    fetch_day(lake, api.client(), "beer", DAY, "questions", api.settings, again=True)

    def dies(place: str) -> None:
        raise KeyboardInterrupt(place)

    with monkeypatch.context() as patched:
        patched.setattr(failpoints, "reach", dies)
        with pytest.raises(KeyboardInterrupt, match="before_bronze_manifest"):
            read_pages(lake, "beer", DAY, "questions", api.settings)
    assert PagesManifest.load(lake, "questions", DAY, "beer") == first
    assert dead_attempts(lake, "questions", DAY, "beer") == []
    read_pages(lake, "beer", DAY, "questions", api.settings)
    (replaced,) = dead_attempts(lake, "questions", DAY, "beer")
    assert first.files[0].startswith(replaced)
    soon, later = (prune(lake, "beer", api.settings, datetime.now(UTC) + timedelta(hours=hours)) for hours in (1, 25))
    assert soon == []
    assert [removal.folders for removal in later] == [(replaced,)]


def test_a_day_that_a_later_dump_has_overtaken_is_not_due_when_maintenance_has_removed_it(api, lake):
    for entity in ENTITIES:
        bronze(api, lake, entity, [])
    assert days_due(lake, "beer", [DAY]) == []
    for entity in ENTITIES:
        lake.delete(paths.bronze_api(entity, DAY, "beer"))
    forget_removed(lake, "beer")
    assert days_due(lake, "beer", [DAY]) == [DAY]
    silver = SilverSite(lake)
    for table in ("posts", "comments", "users"):
        silver.put(table, {"Id": 1})
    now, tomorrow = api.clock.now(), api.clock.now() + timedelta(days=1)
    silver.pass_checks(cut_at=now - timedelta(days=9), posts_complete_to=tomorrow)
    assert days_due(lake, "beer", [DAY]) == [DAY], "what days make whole overtakes none of them"
    silver.pass_checks(cut_at=tomorrow)
    assert days_due(lake, "beer", [DAY]) == []
