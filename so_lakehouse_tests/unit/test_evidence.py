"""What of bronze is news to silver: what may be read and was not there for the last converge, and nothing else."""

from __future__ import annotations

import pytest

from so_lakehouse.lake import gates, paths
from so_lakehouse.schema import TABLES
from so_lakehouse.spark import clean, evidence
from so_lakehouse_tests.pipeline.evidence import quarter_of, write_dump, write_pages

BEFORE, CUT, NEXT = "2016-09-11", "2016-12-11", "2017-03-12"
POSTS = {"posts": [{"Id": 1}]}
SAID = [("2016-12-20", {"Id": 2})]


@pytest.fixture
def taken(lake):
    """A lake of which silver has taken in everything."""
    write_dump(lake, BEFORE, POSTS)
    write_dump(lake, CUT, POSTS | {"comments": [{"Id": 7}]})
    converge(lake)
    assert news(lake) == []
    return lake


def converge(lake) -> None:
    gates.take_in(lake, "beer", evidence.offered(lake, "beer", keep_personal=False))


def news(lake) -> list[str]:
    return evidence.news(evidence.offered(lake, "beer", keep_personal=False), gates.taken_in(lake, "beer"))


def test_a_lake_without_the_site_has_no_news_of_it(lake):
    write_dump(lake, CUT, POSTS, site="ai")
    assert news(lake) == []


def test_a_dump_is_news_of_the_tables_that_it_has(lake):
    write_dump(lake, CUT, POSTS)
    assert news(lake) == ["posts"]


def test_a_dump_that_was_read_anew_is_news(taken):
    write_dump(taken, CUT, POSTS | {"comments": [{"Id": 8}]}, revision=2)
    assert news(taken) == ["posts", "comments"]


def test_pages_are_news_of_their_table_alone(taken):
    write_pages(taken, "questions", "2016-12-19", SAID, version="q1")
    assert news(taken) == ["posts"]
    converge(taken)
    write_pages(taken, "questions", "2016-12-19", SAID, version="q2")
    assert news(taken) == ["posts"]


@pytest.mark.parametrize("mended", ["2", "1"])
def test_what_a_check_has_refused_is_no_news_before_it_is_mended(taken, mended):
    write_dump(taken, NEXT, POSTS, failed=["posts"])
    write_pages(taken, "questions", "2016-12-19", SAID, version="1", failed=True)
    assert news(taken) == []
    write_pages(taken, "questions", "2016-12-19", SAID, version=mended)
    assert news(taken) == ["posts"]


def test_a_dump_that_was_read_in_part_is_no_news(taken):
    write_dump(taken, NEXT, POSTS)
    taken.delete(paths.bronze_dump_manifest("votes", quarter_of(NEXT), "beer"))
    assert news(taken) == []


def test_what_went_away_is_no_news(taken):
    for table in TABLES:
        taken.delete(paths.bronze_dump(table, quarter_of(BEFORE), "beer"))
    assert news(taken) == []


def test_other_rules_make_all_that_a_table_has_news(taken, monkeypatch):
    monkeypatch.setattr(clean, "RULES", clean.RULES + 1)
    assert news(taken) == ["posts", "comments"]


def test_a_converge_of_one_table_leaves_the_others_news(lake):
    write_dump(lake, CUT, POSTS | {"comments": [{"Id": 7}]})
    gates.take_in(lake, "beer", evidence.offered(lake, "beer", False, ["posts"]))
    assert news(lake) == ["comments"]
