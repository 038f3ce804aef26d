"""A change of few rows, written without Spark: what readers and followers of the table see is what Spark's would be."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from so_lakehouse import schema
from so_lakehouse.lake import lock, paths, silver_tables, tiny
from so_lakehouse.lake.ledger import open_delta
from so_lakehouse.lake.storage import Lake
from so_lakehouse.spark import write
from so_lakehouse.spark.session import SMALL_ROWS, fit_to_rows

POSTS = silver_tables.silver_table(schema.table("posts"), keep_personal=False)
CREATED = datetime(2016, 1, 1, 12, 30, 15, 250_000, UTC)
FORM = pa.schema([pa.field(c.name, silver_tables.ARROW[c.type]) for c in POSTS.columns if c.name != "site"])
FEED = ["Id", "Score", "Title", "Tags", "CreationDate", "site", "_change_type", "_commit_version"]
LOG = f"{paths.silver('posts')}/_delta_log"
CHECKPOINT_AFTER = int(POSTS.properties["delta.checkpointInterval"])


def post(key: int, **told) -> dict:
    required = {c.name: False for c in POSTS.columns if c.type == "BOOLEAN" and not c.nullable}
    return required | {"Id": key, "PostTypeId": 1, "CreationDate": CREATED, "Score": 0, "Tags": ["ale", "c++"]} | told


def change(spark, lake: Lake, site: str, changes: list[tuple[str, dict]], name: str) -> None:
    """Merges changes as a converge stages them."""
    folder = paths.staging(site, name)
    lake.make_folder(folder)
    staged = pa.Table.from_pylist([row for _, row in changes], schema=FORM)
    staged = staged.append_column(tiny.ACTION, pa.array([action for action, _ in changes]))
    pq.write_table(staged, lake.path(f"{folder}/part-0.parquet"), filesystem=lake.fs)
    write.merge(spark, folder, lake, POSTS, site, "")


def history(spark, lake: Lake) -> None:
    """Two sites' first rows, then a day of one of them."""
    write.create(spark, lake, POSTS)
    for site in ("ai", "beer"):
        rows = spark.createDataFrame(pa.Table.from_pylist([post(key, Title="a'b") for key in range(1, 6)], schema=FORM))
        write.load_site(rows, tiny.Size(5, 5_000), lake, POSTS, site, "")
    day = [
        ("update", post(1, Score=7, Title='"quoted"', Tags=None)),
        ("advance", post(2, _as_of=CREATED)),
        ("delete", {"Id": 3}),
        ("insert", post(8, Title="ü \\ 🍺", Tags=[], LastEditDate=datetime(9999, 12, 31, tzinfo=UTC))),
    ]
    change(spark, lake, "beer", day, "day")


def seen(lake: Lake) -> tuple[list, list]:
    """All rows, and all changes, in an order of their own."""
    rows = [row for site in ("ai", "beer") for row in tiny.rows(lake, "posts", site).to_pylist()]
    delta = open_delta(lake, "posts")
    assert delta is not None
    feed = pa.table(delta.load_cdf(starting_version=1)).select(FEED).to_pylist()
    return sorted(rows, key=lambda row: (row["site"], row["Id"])), sorted(feed, key=lambda row: str([*row.values()]))


@pytest.fixture
def two_lakes(spark, tmp_path, monkeypatch):
    """The same history, written by Spark and without it."""
    fit_to_rows(spark, SMALL_ROWS)
    monkeypatch.setattr(lock, "require", lambda lake, part: None)
    by_spark, without = Lake(str(tmp_path / "spark")), Lake(str(tmp_path / "without"))
    history(spark, without)
    with monkeypatch.context() as patch:
        patch.setattr(tiny, "TINY_ROWS", 0)
        history(spark, by_spark)
    return by_spark, without


def test_rows_and_change_feed_are_those_of_sparks_merge(spark, two_lakes):
    by_spark, without = map(seen, two_lakes)
    assert [row["Id"] for row in without[0] if row["site"] == "beer"] == [1, 2, 4, 5, 8]
    assert without == by_spark
    engines = [delta.history(1)[0].get("engineInfo", "") for lake in two_lakes if (delta := open_delta(lake, "posts"))]
    assert [engine.partition("-")[0].partition("/")[0] for engine in engines] == ["Apache", "delta"]
    assert "Spark" in engines[0]
    assert "delta-rs" in engines[1]


def test_spark_reads_what_was_written_without_it(spark, two_lakes):
    _, without = two_lakes
    read = spark.read.format("delta").load(silver_tables.uri(without, "posts")).toArrow()
    assert sorted(read.to_pylist(), key=lambda row: (row["site"], row["Id"])) == seen(without)[0]


def test_rows_that_spark_has_marked_as_gone_stay_gone(spark, two_lakes):
    """In files of another site, in files that are written anew, and by a checkpoint."""
    by_spark, _ = two_lakes
    spark.sql(f"DELETE FROM {silver_tables.quoted_path(silver_tables.uri(by_spark, 'posts'))} WHERE Id IN (4, 5)")
    assert tiny.held(by_spark, "posts", "ai").rows == 5, "they are marked: their file is as it was"
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(
        spark._jsparkSession, silver_tables.uri(by_spark, "posts")
    ).checkpoint()
    assert by_spark.exists(f"{LOG}/._last_checkpoint.crc")
    for number in range(CHECKPOINT_AFTER):
        change(spark, by_spark, "beer", [("update", post(1, Score=number))], f"day {number}")
    assert len([name for name in by_spark.list(LOG) if "checkpoint.parquet" in name]) > 1
    assert not by_spark.exists(f"{LOG}/._last_checkpoint.crc"), "Spark would take the new one for damaged"
    held = spark.read.format("delta").load(silver_tables.uri(by_spark, "posts")).select("site", "Id").collect()
    assert sorted(map(tuple, held)) == [("ai", 1), ("ai", 2), ("ai", 3), ("beer", 1), ("beer", 2), ("beer", 8)]
    assert sorted(row["Id"] for row in tiny.rows(by_spark, "posts", "ai").to_pylist()) == [1, 2, 3]


def test_a_change_is_tiny_by_what_is_held_and_what_changes_of_the_site(two_lakes, monkeypatch):
    _, without = two_lakes
    monkeypatch.setattr(tiny, "TINY_ROWS", 10)
    assert tiny.is_tiny(without, "posts", "beer", tiny.Size(5, 9))
    assert not tiny.is_tiny(without, "posts", "beer", tiny.Size(6, 9))
    assert tiny.is_tiny(without, "posts", "a site that is not there", tiny.Size(10, 9))
    assert not tiny.is_tiny(without, "posts", "a site that is not there", tiny.Size(11, 9))
    monkeypatch.setattr(tiny, "TINY_BYTES", tiny.held(without, "posts", "beer").packed_bytes + 9)
    assert tiny.is_tiny(without, "posts", "beer", tiny.Size(5, 9))
    assert not tiny.is_tiny(without, "posts", "beer", tiny.Size(5, 10))


def test_a_row_without_what_the_table_requires_is_refused_whole(spark, two_lakes):
    _, without = two_lakes
    before = seen(without)
    with pytest.raises(Exception, match="OwnerIsDeleted"):
        change(spark, without, "beer", [("insert", {"Id": 10, "CreationDate": CREATED})], "broken")
    assert seen(without) == before
