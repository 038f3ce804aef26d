"""A changed rule makes silver anew from bronze: by itself, in one commit, or not at all where bronze lacks evidence."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from pyspark.sql import functions as F

from so_lakehouse.errors import BadInput
from so_lakehouse.lake import gates, paths, silver_tables
from so_lakehouse.lake.query import query_lake
from so_lakehouse.spark import clean
from so_lakehouse.spark.converge import converge
from so_lakehouse.warehouse.load import load_site
from so_lakehouse.warehouse.query import query_warehouse
from so_lakehouse_tests.pipeline.evidence import quarter_of, tombstones, write_dump, write_pages
from so_lakehouse_tests.pipeline.warehouse_catalogue import compare_site

SEPTEMBER, DECEMBER = "2016-09-11", "2016-12-11"
LEDGER = "select source, partition, rule_version, rows_in, rows_inserted, rows_updated, rows_unchanged, rows_deleted"


@pytest.fixture
def silver(spark, lake, settings, monkeypatch):
    class Silver:
        def converge(self, *tables, **options):
            result = converge(spark, lake, "beer", list(tables or ("posts",)), settings, **options)
            failed = [c.detail for r in result.values() for c in r.checks if c.blocking and not c.passed]
            assert failed == []
            return result

        def titles(self):
            rows = query_lake(lake, "select Id, Title from silver.posts where site = 'beer'").to_pylist()
            return {row["Id"]: row["Title"] for row in rows}

        def ledger(self):
            return query_lake(lake, f"{LEDGER} from silver.ledger order by applied_at, source, partition").to_pylist()

        def change_a_rule(self):
            """From now on titles are spelled in capitals."""
            real = clean._value
            capitals = lambda name, type: F.upper(name) if name == "Title" else real(name, type)  # noqa: E731
            monkeypatch.setattr(clean, "_value", capitals)
            monkeypatch.setattr(clean, "RULES", clean.RULES + 1)

    return Silver()


def title(key, text, **columns):
    return {"Id": key, "Title": text} | columns


def prune(lake, cut):
    lake.delete(paths.bronze_dump("posts", quarter_of(cut), "beer"))


def test_a_changed_rule_rebuilds_dump_and_pages_at_the_next_converge(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [title(1, "ale", FavoriteCount=4), title(2, "hops"), title(3, "malt")]})
    silver.converge()
    write_dump(lake, DECEMBER, {"posts": [title(1, "ale", FavoriteCount=5), title(2, "hops"), title(3, "malt")]})
    said = [("2016-12-21", title(2, "yeast")), ("2016-12-21", title(4, "mash"))]
    write_pages(lake, "questions", "2016-12-20", said, absent=[("2016-12-21", 3)])
    silver.converge()
    before = silver.ledger()
    prune(lake, SEPTEMBER)  # as maintenance does with older quarters

    silver.change_a_rule()
    result = silver.converge()["posts"]
    assert silver.titles() == {1: "ALE", 2: "YEAST", 4: "MASH"}
    assert query_lake(lake, "select FavoriteCount from silver.posts where Id = 1").to_pylist() == [{"FavoriteCount": 5}]
    assert [(t.id, t.reason) for t in tombstones(lake)] == [(3, "not returned by API")]
    assert {(row.source, row.rule_version) for row in result.applied} == {
        ("dump", clean.rule_version(clean.POSTS, False)),
        ("api/questions", clean.rule_version(clean.POSTS, False)),
    }
    assert silver.ledger()[: len(before)] == before, "what was applied by the old rule stays on record"
    assert silver.converge()["posts"].applied == ()


def test_pages_alone_are_rebuilt_too(lake, silver):
    write_pages(lake, "questions", "2016-12-20", [("2016-12-21", title(1, "ale"))])
    silver.converge()
    silver.change_a_rule()
    silver.converge()
    assert silver.titles() == {1: "ALE"}


def test_what_somebody_else_wrote_is_made_right_by_the_next_converge_and_nothing_else_changes(spark, lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [title(1, "ale"), title(2, "hops")]})
    write_pages(lake, "questions", "2016-10-01", [("2016-10-02", title(2, "yeast"))])
    silver.converge()
    spark.sql(f"UPDATE {silver_tables.quoted_path(silver_tables.uri(lake, 'posts'))} SET Title = 'gin' WHERE Id = 1")
    repaired = silver.converge()["posts"]
    assert silver.titles() == {1: "ale", 2: "yeast"}
    assert {row.source: (row.rows_updated, row.rows_unchanged) for row in repaired.applied} == {
        "dump": (1, 0),
        "api/questions": (0, 1),
    }
    assert silver.converge()["posts"].applied == ()
    again = silver.converge(rebuild=True)["posts"]
    assert (again.version, again.data_version) == (repaired.version, repaired.data_version)
    assert [row.rows_in for row in again.applied] == [2, 1], "the ledger tells of it all the same"


def test_a_rebuild_without_its_evidence_is_refused_and_loses_nothing(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [title(1, "ale"), title(2, "hops")]})
    silver.converge()
    write_dump(lake, DECEMBER, {"posts": [title(1, "ale")]}, unread={"posts": [2]})
    write_pages(lake, "questions", "2016-12-20", [("2016-12-21", title(3, "mash"))])
    silver.converge()
    before = silver.titles(), silver.ledger()
    assert set(before[0]) == {1, 2, 3}
    silver.change_a_rule()
    lost = {
        "dump 2016-10-01": paths.bronze_dump("posts", quarter_of(DECEMBER), "beer"),
        "dump 2016-07-01": paths.bronze_dump("posts", quarter_of(SEPTEMBER), "beer"),  # 2 came from there
        "api/questions 2016-12-20": paths.bronze_api("questions", "2016-12-20", "beer"),
    }
    for named, folder in lost.items():
        lake.fs.move(lake.path(folder), lake.path("elsewhere"))
        with pytest.raises(BadInput, match=f"rest on: {named}\\."):
            silver.converge()
        assert (silver.titles(), silver.ledger()) == before
        lake.fs.move(lake.path("elsewhere"), lake.path(folder))
    silver.converge()
    assert silver.titles() == {1: "ALE", 2: "HOPS", 3: "MASH"}


def test_pages_of_a_day_before_the_cut_that_were_fetched_after_it_are_evidence(lake, silver):
    write_dump(lake, DECEMBER, {"posts": [title(1, "ale")]})
    write_pages(lake, "questions", "2016-12-05", [("2016-12-21", title(2, "hops"))])
    silver.converge()
    lake.delete(paths.bronze_api("questions", "2016-12-05", "beer"))
    silver.change_a_rule()
    with pytest.raises(BadInput, match="rest on: api/questions 2016-12-05"):
        silver.converge()
    assert silver.titles() == {1: "ale", 2: "hops"}


def test_readers_see_the_old_rows_or_the_new_ones(lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [title(key, "ale") for key in range(1, 401)]})
    before = silver.converge()["posts"].version
    silver.change_a_rule()
    seen, done = [], threading.Event()

    def read() -> None:
        while True:
            last = done.is_set()
            rows = query_lake(lake, "select Title, count(*) as n from silver.posts group by Title").to_pylist()
            seen.append({row["Title"]: row["n"] for row in rows})
            if last:
                return

    reader = threading.Thread(target=read)
    reader.start()
    after = silver.converge()["posts"].version
    done.set()
    reader.join()
    assert after == before + 1, "between two commits there is something half to see, if only for a moment"
    assert [state for state in seen if state not in ({"ale": 400}, {"ALE": 400})] == []
    assert (seen[0], seen[-1]) == ({"ale": 400}, {"ALE": 400})


def test_the_warehouse_follows_a_rebuild_and_hears_nothing_of_one_that_changes_nothing(lake, silver, warehouse):
    write_dump(lake, SEPTEMBER, {"posts": [title(1, "ale", Score=1), title(2, "hops", Score=2)]})
    silver.converge()
    load_site(lake, warehouse, "beer")
    silver.converge(rebuild=True)
    assert {done.how for done in load_site(lake, warehouse, "beer").values()} == {"unchanged", "absent"}

    silver.change_a_rule()  # of a column that the warehouse does not keep
    silver.converge()
    posts = load_site(lake, warehouse, "beer")["posts"]
    assert (posts.how, posts.inserted, posts.updated, posts.deleted) == ("changes", 0, 0, 0)
    assert query_warehouse(warehouse, "select distinct load_id from lake.changed").to_pylist() == [{"load_id": 1}]
    assert [
        o.detail for name, o in compare_site(lake, warehouse, "beer").items() if name == "posts" and not o.passed
    ] == []


def test_a_rule_version_moves_with_columns_codes_fabricated_posts_and_what_pages_tell(monkeypatch):
    posts = clean.POSTS
    today = clean.rule_version(posts, False)
    fewer = replace(posts, columns=posts.columns[:-1])
    codes = replace(
        posts, columns=tuple(replace(c, allowed={1: "question"}) if c.allowed else c for c in posts.columns)
    )
    assert len({today, clean.rule_version(posts, True), clean.rule_version(fewer, False)}) == 3
    assert clean.rule_version(codes, False) != today
    described = replace(posts, columns=tuple(replace(c, description="Else.") for c in posts.columns))
    assert clean.rule_version(described, False) == today
    with monkeypatch.context() as patch:
        patch.setattr(clean, "FABRICATED_POST_IDS", frozenset({*clean.FABRICATED_POST_IDS, 2_000_000_001}))
        assert clean.rule_version(posts, False) != today
    monkeypatch.setattr(clean, "entities_of", lambda table: ())
    assert clean.rule_version(posts, False) != today


def test_rows_lost_or_doubled_behind_the_ledgers_back_are_repaired_by_the_next_converge(spark, lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [title(1, "ale"), title(2, "hops"), title(3, "malt"), title(4, "mash")]})
    silver.converge()
    address = silver_tables.uri(lake, "posts")
    spark.sql(f"DELETE FROM {silver_tables.quoted_path(address)} WHERE Id IN (1, 4)")
    twice = spark.read.format("delta").load(address).where("Id = 2")
    twice.write.format("delta").mode("append").save(address)
    write_dump(lake, DECEMBER, {"posts": [title(1, "ale"), title(2, "yeast"), title(3, "malt"), title(4, "mash")]})

    repaired = silver.converge()["posts"]
    assert silver.titles() == {1: "ale", 2: "yeast", 3: "malt", 4: "mash"}
    assert {row.source: (row.rows_inserted, row.rows_updated, row.rows_deleted) for row in repaired.applied} == {
        "found": (0, 0, 2),
        "dump": (2, 1, 0),
    }
    assert silver.converge()["posts"].applied == ()


def test_rows_that_a_rebuild_cannot_bring_back_pass_no_gate(spark, lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [title(1, "ale"), title(2, "hops")]})
    silver.converge()
    spark.sql(f"DELETE FROM {silver_tables.quoted_path(silver_tables.uri(lake, 'posts'))} WHERE Id = 1")
    bronze = paths.bronze_dump("posts", quarter_of(SEPTEMBER), "beer")
    lake.fs.move(lake.path(bronze), lake.path("elsewhere"))
    gate = gates.load(lake, "beer")["posts"]
    for _ in range(2):
        with pytest.raises(BadInput, match="rest on: dump 2016-07-01"):
            silver.converge()
    assert gates.load(lake, "beer")["posts"] == gate, "readers stay at the version before"
    lake.fs.move(lake.path("elsewhere"), lake.path(bronze))
    silver.converge()
    assert silver.titles() == {1: "ale", 2: "hops"}


def test_a_table_that_was_removed_or_set_back_is_said_to_be(spark, lake, silver):
    write_dump(lake, SEPTEMBER, {"posts": [title(1, "ale")]})
    silver.converge()
    lake.delete("silver/posts")
    with pytest.raises(BadInput, match=r"silver/posts is gone, but version \d+ of it was recorded.*remove all of"):
        silver.converge()
    lake.delete("silver")
    silver.converge()
    assert silver.titles() == {1: "ale"}
