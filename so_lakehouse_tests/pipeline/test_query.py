"""SQL on the lake and on the warehouse: everything can be asked, nothing written, and errors say what there is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import CommitProperties, DeltaTable

from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.lake import delta, ledger, paths
from so_lakehouse.lake.ledger import LedgerRow
from so_lakehouse.lake.manifests import BronzeManifest
from so_lakehouse.lake.quarantine import CleaningManifest
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TAGS
from so_lakehouse.schema_forms import QUARANTINE_SCHEMA, bronze_schema
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse.load import load_site
from so_lakehouse.warehouse.query import query_warehouse
from so_lakehouse_tests.pipeline.silver_site import small_site


def put_bronze(lake: Lake, quarter: str, names: list[str], refused: int = 0, site: str = "beer") -> BronzeManifest:
    """One dump of Tags in bronze, with `refused` rows in quarantine."""
    folder = f"bronze/dump/tags/quarter={quarter}/site={site}/attempt=1"
    lake.make_folder(folder)
    rows = [{"Id": number, "TagName": name, "_offset": number} for number, name in enumerate(names, 1)]
    pq.write_table(pa.Table.from_pylist(rows, schema=bronze_schema(TAGS)), lake.path(f"{folder}/rows.parquet"))
    broken = [{"byte_offset": n, "reason": "no id", "raw": b"<row/>"} for n in range(refused)]
    if broken:
        table = pa.Table.from_pylist(broken, schema=QUARANTINE_SCHEMA)
        pq.write_table(table, lake.path(f"{folder}/quarantine.parquet"))
    manifest = BronzeManifest(
        site=site,
        quarter=quarter,
        table="tags",
        release=quarter[:7],
        revision=1,
        cut_date=quarter,
        raw_version="raw",
        reader_version="reader-1",
        present=True,
        files=(f"{folder}/rows.parquet",),
        quarantine_file=f"{folder}/quarantine.parquet" if broken else "",
        written_at=f"{quarter}T10:00:00+00:00",
    )
    manifest.save(lake)
    return manifest


def rows(lake: Lake, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in query_lake(lake, sql).to_pylist()]


def test_silver_is_asked_with_the_publishers_names(lake: Lake) -> None:
    small_site(lake)
    sql = "SELECT PostTypeId, COUNT(*) AS n FROM silver.posts WHERE site = 'beer' GROUP BY PostTypeId ORDER BY 1"
    assert rows(lake, sql) == [(1, 2), (2, 2)]


def test_a_table_can_be_joined_with_itself(lake: Lake) -> None:
    small_site(lake)
    sql = "SELECT q.Id, a.Id FROM silver.posts q JOIN silver.posts a ON a.ParentId = q.Id ORDER BY 1"
    assert query_lake(lake, sql).columns[1].to_pylist() == [2, 4]


def change_score(lake: Lake, site: str, score: int) -> None:
    """As a converge does it: the commit says which site it is about."""
    told = ledger.commit_metadata([LedgerRow(site, "posts", "dump", "2016-10-01", "v", "r", datetime.now(UTC))])
    table = delta.open_table(lake, paths.silver("posts"))
    where = f"site = '{site}' AND \"Id\" = 1"
    commit = CommitProperties(custom_metadata={"userMetadata": told})
    table.update({"Score": str(score)}, predicate=where, commit_properties=commit)


def test_a_site_that_is_being_written_is_shown_as_it_passed_its_checks_last(lake: Lake) -> None:
    beer, ai = small_site(lake), small_site(lake, "ai")
    beer.pass_checks()
    scores = "SELECT site, Score FROM silver.posts WHERE Id = 1 ORDER BY 1"
    change_score(lake, "beer", 77)
    assert rows(lake, scores) == [("ai", 5), ("beer", 5)]
    change_score(lake, "ai", 6)
    assert rows(lake, scores) == [("ai", 5), ("beer", 5)]
    ai.pass_checks()
    assert rows(lake, scores) == [("ai", 6), ("beer", 5)]
    beer.pass_checks(refused="posts")
    assert rows(lake, scores) == [("ai", 6), ("beer", 77)], "what failed can be looked at"


def test_bronze_holds_what_the_manifests_name_with_site_and_quarter(lake: Lake) -> None:
    put_bronze(lake, "2016-07-01", ["ale", "hops"])
    put_bronze(lake, "2016-10-01", ["ale"])
    dead = lake.path("bronze/dump/tags/quarter=2016-10-01/site=beer/attempt=dead.parquet")
    pq.write_table(pa.Table.from_pylist([{"Id": 9, "TagName": "dead", "_offset": 1}], schema=bronze_schema(TAGS)), dead)
    assert rows(lake, "SELECT site, quarter, release, revision, TagName FROM bronze.tags ORDER BY 2, 5") == [
        ("beer", "2016-07-01", "2016-07", 1, "ale"),
        ("beer", "2016-07-01", "2016-07", 1, "hops"),
        ("beer", "2016-10-01", "2016-10", 1, "ale"),
    ]


def test_bronze_files_of_an_older_reader_lack_a_column_and_still_belong(lake: Lake) -> None:
    put_bronze(lake, "2016-07-01", ["ale"])
    newer = put_bronze(lake, "2016-10-01", ["hops"])
    table = pq.read_table(lake.path(newer.files[0]))
    pq.write_table(table.append_column("IsNew", pa.array([True])), lake.path(newer.files[0]))
    assert rows(lake, "SELECT TagName, IsNew FROM bronze.tags ORDER BY 1") == [("ale", None), ("hops", True)]


def test_quarantine_joins_both_layers_and_a_newer_dump_resolves(lake: Lake) -> None:
    put_bronze(lake, "2016-07-01", ["ale"], refused=2)
    put_bronze(lake, "2016-10-01", ["ale"], refused=1)
    folder = "quarantine/silver/tags/site=beer/source=api/tags/partition=2026-01-01"
    lake.make_folder(folder)
    refused = [{"byte_offset": 7, "reason": "equal key", "id": 1, "raw": b"{}"}]
    pq.write_table(pa.Table.from_pylist(refused, schema=QUARANTINE_SCHEMA), lake.path(f"{folder}/rows.parquet"))
    CleaningManifest(
        site="beer",
        table="tags",
        source="api/tags",
        partition="2026-01-01",
        data_version="v",
        rule_version="rules-1",
        rows_in=5,
        quarantined=1,
        files=(f"{folder}/rows.parquet",),
        written_at="2026-01-02T08:00:00+00:00",
    ).save(lake)
    found = rows(
        lake,
        "SELECT site, table_name, layer, source, partition, rule_version, reason, byte_offset, first_seen, resolved_at"
        " FROM quarantine.rows ORDER BY first_seen, byte_offset",
    )
    july, october = datetime(2016, 7, 1, 10), datetime(2016, 10, 1, 10)
    read = ("beer", "tags", "bronze", "dump")
    assert found == [
        (*read, "2016-07-01", "reader-1", "no id", 0, july, october),
        (*read, "2016-07-01", "reader-1", "no id", 1, july, october),
        (*read, "2016-10-01", "reader-1", "no id", 0, october, None),
        ("beer", "tags", "silver", "api/tags", "2026-01-01", "rules-1", "equal key", 7, datetime(2026, 1, 2, 8), None),
    ]


def test_a_table_that_its_only_dump_lacks_has_no_quarantine(lake: Lake) -> None:
    replace(put_bronze(lake, "2016-07-01", ["ale"]), present=False, files=()).save(lake)
    assert rows(lake, "SELECT COUNT(*) FROM quarantine.rows") == [(0,)]


def test_an_empty_quarantine_is_a_table_without_rows(lake: Lake) -> None:
    assert rows(lake, "SELECT COUNT(*) FROM quarantine.rows WHERE reason = 'no id'") == [(0,)]
    assert query_lake(lake, "SELECT raw, id FROM quarantine.rows").schema.types == [pa.binary(), pa.int64()]


def test_a_table_that_is_not_there_is_refused_with_those_there_are(lake: Lake) -> None:
    small_site(lake)
    put_bronze(lake, "2016-07-01", ["ale"])
    for name in ("silver.post", "bronze.posts", "quarantine.posts"):
        with pytest.raises(BadInput, match=rf"no table {name}.*silver\.posts.*bronze\.tags, quarantine\.rows"):
            query_lake(lake, f"SELECT * FROM {name}")
    with pytest.raises(BadInput, match=r"posts.*not found.*silver\.posts"):
        query_lake(lake, "SELECT * FROM posts")


def test_only_the_tables_that_the_query_names_are_opened(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    small_site(lake)
    opened: list[str] = []

    open_table = delta.open_table

    def watched(lake: Lake, path: str) -> DeltaTable:
        opened.append(path.rpartition("/")[2])
        return open_table(lake, path)

    monkeypatch.setattr(delta, "open_table", watched)
    sql = "SELECT Name AS \"silver.votes\" FROM silver.badges -- not silver.users\nWHERE Name <> 'silver.comments'"
    assert rows(lake, sql) == [("Teacher",)]
    assert "badges" in opened
    assert "users" not in opened
    assert "comments" not in opened


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO 'x.csv'",
        "INSERT INTO silver.posts SELECT * FROM silver.posts",
        "EXPLAIN ANALYZE INSERT INTO silver.posts SELECT * FROM silver.posts",
        "/* SELECT */ DROP TABLE silver.posts",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "SELECT 1; DROP TABLE silver.posts",
        "",
    ],
)
def test_the_lake_is_only_read(lake: Lake, sql: str) -> None:
    small_site(lake)
    with pytest.raises(BadInput):
        query_lake(lake, sql)
    assert rows(lake, "SELECT COUNT(*) FROM silver.posts") == [(4,)]


def test_a_misspelt_column_of_the_lake_is_answered_with_the_right_one(lake: Lake) -> None:
    small_site(lake)
    with pytest.raises(BadInput, match=r"No field named score.*Score"):
        query_lake(lake, "SELECT score FROM silver.posts")


def test_the_warehouse_answers_with_plain_types(warehouse: Settings, lake: Lake) -> None:
    small_site(lake)
    load_site(lake, warehouse, "beer")
    table = query_warehouse(
        warehouse, "SELECT site, sum(n) AS votes, avg(n) AS mean, min(day) AS first FROM lake.votes GROUP BY 1 -- all"
    )
    assert table.schema.types == [pa.string(), pa.int64(), pa.float64(), pa.date32()]
    assert table.to_pylist()[0]["votes"] == 6
    assert table.to_pylist()[0]["mean"] == pytest.approx(1.2)
    assert query_warehouse(warehouse, "SHOW timezone").to_pylist() == [{"TimeZone": "UTC"}]
    assert query_warehouse(warehouse, "EXPLAIN SELECT 1").num_rows > 0


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("'infinity'::timestamptz", "infinity"),
        ("'-infinity'::timestamp", "-infinity"),
        ("'infinity'::date", "infinity"),
        ("'-infinity'::date", "-infinity"),
        ("'2026-01-05'::date", date(2026, 1, 5)),
        ("12345678901234567890::numeric", Decimal("12345678901234567890")),
        ("-999999999999999999::numeric", -999999999999999999),
        ("'{\"a\": 1}'::jsonb", '{"a": 1}'),
        ("'\\x00ff'::bytea", b"\x00\xff"),
    ],
)
def test_a_value_of_the_warehouse_is_what_postgres_holds(postgres, sql, found):
    assert query_warehouse(postgres, f"SELECT {sql} AS x").to_pylist() == [{"x": found}]


def test_infinities_stand_beside_other_moments(postgres):
    moments = "array['2026-01-05 10:00', 'infinity', NULL, '12026-01-05']::timestamptz[]"
    told = query_warehouse(postgres, f"SELECT unnest({moments}) AS x").column("x").to_pylist()
    assert told == ["2026-01-05 10:00:00+00:00", "infinity", None, "12026-01-05 00:00:00.000000Z"]


@pytest.mark.parametrize("value", ["row(1, 'a')", "int4range(1, 5)", "array[int4range(1, 5)]"])
def test_what_arrow_has_no_type_for_is_refused_with_the_way_to_print_it(postgres, value):
    with pytest.raises(BadInput, match="::text"):
        query_warehouse(postgres, f"SELECT {value}")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DELETE FROM lake.posts", "cannot execute DELETE in a read-only transaction"),
        ("CREATE TABLE mine (n int)", "read-only"),
        ("SELECT score FROM lake.nothing", r'relation "lake.nothing" does not exist'),
        ("SELECT nothing FROM lake.posts", r'column "nothing" does not exist'),
        ("SELECT 1; SELECT 2", "multiple commands"),
        ("SELEC 1", "syntax error"),
        ("SELECT 1 / 0", "^division by zero$"),
    ],
)
def test_what_postgres_refuses_comes_in_its_own_words(warehouse: Settings, lake: Lake, sql: str, said: str) -> None:
    small_site(lake)
    load_site(lake, warehouse, "beer", ["posts"])
    with pytest.raises(BadInput, match=said) as refused:
        query_warehouse(warehouse, sql)
    assert "SQLSTATE" not in str(refused.value)


def test_a_warehouse_that_is_gone_says_so(settings: Settings) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        query_warehouse(replace(settings, postgres="postgresql://127.0.0.1:1/warehouse"), "SELECT 1")


@pytest.mark.parametrize(
    "sql",
    [
        "copy (select 1) to program 'true'",
        "select pg_read_file('/etc/hostname')",
        "do $$ begin reset role; end $$; select 1",
    ],
)
def test_a_query_reaches_no_program_and_no_file_of_the_server(postgres, sql):
    with pytest.raises(BadInput):
        query_warehouse(postgres, sql)


def test_an_empty_query_is_said_to_be_none(postgres):
    with pytest.raises(BadInput, match="There is no query"):
        query_warehouse(postgres, " ")
