"""The index of a site's pages: it names what bronze holds, and what it does not name does not exist for a reader."""

from __future__ import annotations

from so_lakehouse.lake import paths
from so_lakehouse.lake.api_pages import PagesManifest, forget_removed, index_of, pages_of
from so_lakehouse.lake.storage import Lake
from so_lakehouse_tests.pipeline.evidence import write_pages

SAID = [("2016-12-20", {"Id": 2})]


def days(lake: Lake, entity: str = "questions", site: str = "beer") -> list[str]:
    return [manifest.day for manifest in pages_of(lake, entity, site)]


def test_it_names_each_day_of_each_entity_of_its_site(lake):
    for day in ("2016-12-19", "2016-12-18"):
        write_pages(lake, "questions", day, SAID)
    write_pages(lake, "comments", "2016-12-17", SAID)
    write_pages(lake, "questions", "2016-12-16", SAID, site="ai")
    assert days(lake) == ["2016-12-18", "2016-12-19"]
    assert days(lake, "comments") == ["2016-12-17"]
    assert days(lake, site="ai") == ["2016-12-16"]
    assert days(lake, site="coffee") == []


def test_whoever_looks_at_one_site_asks_for_no_day_of_another(lake, monkeypatch):
    for number in range(1, 21):
        write_pages(lake, "questions", f"2016-12-{number:02}", SAID, site="ai")
    write_pages(lake, "questions", "2016-12-19", SAID)
    read: list[str] = []
    original = Lake.read_bytes
    monkeypatch.setattr(Lake, "read_bytes", lambda self, path: read.append(path) or original(self, path))
    assert days(lake) == ["2016-12-19"]
    assert len(read) == 2


def test_a_day_that_was_saved_and_not_named_does_not_count_until_it_is(lake):
    write_pages(lake, "questions", "2016-12-19", SAID)
    lake.delete(paths.bronze_api_index("beer"))  # as if the run had been killed before it
    assert days(lake) == []
    saved = PagesManifest.load(lake, "questions", "2016-12-19", "beer")
    assert saved is not None
    saved.name(lake)
    assert days(lake) == ["2016-12-19"]


def test_a_day_that_was_removed_is_forgotten(lake):
    for day in ("2016-12-18", "2016-12-19"):
        write_pages(lake, "questions", day, SAID)
    lake.delete(paths.bronze_api("questions", "2016-12-18", "beer"))
    assert days(lake) == ["2016-12-19"]
    forget_removed(lake, "beer")
    assert list(index_of(lake, "beer")["questions"]) == ["2016-12-19"]
