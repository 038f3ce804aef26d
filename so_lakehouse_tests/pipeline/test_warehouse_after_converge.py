"""The warehouse after what a converge does: rows that go and come back by pages, and checks that fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from so_lakehouse import failpoints
from so_lakehouse.errors import CheckFailed
from so_lakehouse.lake import gates, silver_tables
from so_lakehouse.spark.converge import converge
from so_lakehouse.warehouse.load import load_site
from so_lakehouse_tests.pipeline.evidence import at, write_dump, write_pages
from so_lakehouse_tests.pipeline.warehouse_catalogue import changed_months, compare_site

BOTH = ("posts", "comments")
DUMP = {
    "posts": [{"Id": 1, "CreationDate": at("2016-01-10")}, {"Id": 2, "CreationDate": at("2016-02-10")}],
    "comments": [
        {"Id": 10, "PostId": 1, "CreationDate": at("2016-03-10")},
        {"Id": 11, "PostId": 2, "CreationDate": at("2016-04-10")},
    ],
}


@pytest.fixture
def site(spark, lake, warehouse):
    class Site:
        def converge(self, name="beer", rebuild=False, **changes):
            return converge(spark, lake, name, BOTH, replace(warehouse, **changes), rebuild=rebuild)

        def load(self, **changes):
            """What a load after a converge did, table by table; the warehouse then equals silver."""
            self.converge(**changes)
            loaded = load_site(lake, warehouse, "beer")
            assert [
                outcome.detail for outcome in compare_site(lake, warehouse, "beer").values() if not outcome.passed
            ] == []
            return {
                name: (loaded[name].how, loaded[name].inserted, loaded[name].updated, loaded[name].deleted)
                for name in BOTH
            }

        def months(self, load):
            return {name: changed_months(warehouse, load, name) for name in BOTH}

    return Site()


def test_what_goes_by_a_sweep_and_comes_back_by_a_page_does_so_in_the_warehouse_with_its_months(lake, site):
    write_dump(lake, "2016-09-11", DUMP)
    site.load()
    write_pages(lake, "questions", "2016-10-05", absent=[("2016-10-06", 1)])
    assert site.load() == {"posts": ("changes", 0, 0, 1), "comments": ("changes", 0, 0, 1)}
    assert site.months(2) == {"posts": ["2016-01"], "comments": ["2016-03"]}
    write_pages(lake, "questions", "2016-10-07", [("2016-10-08", {"Id": 1, "CreationDate": at("2016-01-10")})])
    assert site.load() == {"posts": ("changes", 1, 0, 0), "comments": ("changes", 1, 0, 0)}
    assert site.months(3) == {"posts": ["2016-01"], "comments": ["2016-03"]}
    later = [{"Id": 2, "CreationDate": at("2016-02-10"), "Score": 3}, {"Id": 3, "CreationDate": at("2016-10-20")}]
    write_dump(lake, "2016-12-11", {"posts": later, "comments": DUMP["comments"][1:]})
    assert site.load() == {"posts": ("changes", 1, 1, 1), "comments": ("changes", 0, 0, 1)}
    assert site.months(4) == {"posts": ["2016-01", "2016-02", "2016-10"], "comments": ["2016-03"]}


def double(spark, lake, where):
    """Somebody else writes posts once more that are there."""
    address = silver_tables.uri(lake, "posts")
    twice = spark.read.format("delta").load(address).where(where)
    twice.write.format("delta").mode("append").save(address)


def test_a_repair_names_no_months_of_what_it_repairs_and_an_accepted_shrink_all_of_what_went(spark, lake, site):
    many = [{"Id": key, "CreationDate": at("2016-05-10") if key % 2 else at("2016-07-10")} for key in range(1001, 1103)]
    write_dump(lake, "2016-09-11", {"posts": [*DUMP["posts"], *many], "comments": DUMP["comments"]})
    site.load()
    double(spark, lake, "Id IN (1, 1001)")
    edited = {"Id": 2, "Score": 7, "CreationDate": at("2016-02-10")}
    write_pages(lake, "questions", "2016-10-05", [("2016-10-06", edited)])
    assert [loaded[1:] for loaded in site.load().values()] == [(0, 1, 0), (0, 0, 0)]
    assert site.months(2) == {"posts": ["2016-02"], "comments": []}
    write_dump(lake, "2016-12-11", {"posts": [DUMP["posts"][1], many[0]], "comments": DUMP["comments"]})
    with pytest.raises(CheckFailed, match="deletions_plausible"):
        site.load()
    assert [loaded[1:] for loaded in site.load(accept_shrink=True).values()] == [(0, 1, 102), (0, 0, 0)]
    assert site.months(3) == {"posts": ["2016-01", "2016-02", "2016-05", "2016-07"], "comments": []}


def test_a_check_that_fails_keeps_its_site_out_of_the_warehouse_and_no_other(spark, lake, site, warehouse, monkeypatch):
    for name in ("ai", "beer"):
        write_dump(lake, "2016-09-11", DUMP, site=name)

    def doubled(place):
        """Somebody else writes a row twice while beer's posts are converged."""
        if place == "silver.posts_written":
            monkeypatch.undo()
            double(spark, lake, "site = 'beer' AND Id = 1")

    site.converge("ai")
    monkeypatch.setattr(failpoints, "reach", doubled)
    result = site.converge()["posts"]
    assert {check.name for check in result.checks if not check.passed} == {"keys_unique", "rows_match_ledger"}
    assert not gates.load(lake, "beer")["posts"].passed
    with pytest.raises(CheckFailed, match="keys_unique"):
        load_site(lake, warehouse, "beer")
    assert load_site(lake, warehouse, "ai")["posts"].rows == 2
    site.converge(rebuild=True)
    assert load_site(lake, warehouse, "beer")["posts"].rows == 2
