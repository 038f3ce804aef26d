"""What `so-lakehouse sql` prints: every column and row, whatever they are called."""

from __future__ import annotations

import base64
import csv
import json
from datetime import date

import pyarrow as pa
import pytest

from so_lakehouse.cli.sql import PRINTERS
from so_lakehouse.errors import BadInput
from so_lakehouse.lake.storage import Lake

TWO_COUNTS = pa.Table.from_arrays([pa.array([7]), pa.array([3])], names=["count", "count"])
NAMED = pa.table({"site": ["ai", "beer"], "posts": [1, None]})


@pytest.mark.parametrize("form", ["csv", "table"])
def test_two_columns_of_one_name_are_both_printed(form, capsys):
    PRINTERS[form](TWO_COUNTS)
    printed = capsys.readouterr().out
    assert "7" in printed
    assert "3" in printed


def test_json_refuses_two_columns_of_one_name_and_says_what_to_do():
    with pytest.raises(BadInput, match="two columns of one name: count"):
        PRINTERS["json"](TWO_COUNTS)


def test_json_is_one_document_with_an_object_for_each_row(capsys):
    PRINTERS["json"](NAMED)
    assert json.loads(capsys.readouterr().out) == [{"site": "ai", "posts": 1}, {"site": "beer", "posts": None}]


def test_a_result_without_rows_is_still_a_document(capsys):
    PRINTERS["json"](NAMED.slice(0, 0))
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("form", ["csv", "table", "json"])
def test_a_date_that_python_does_not_have_is_said_to_be_out_of_range(form, capsys):
    far = pa.table({"day": pa.array([2**31 - 1, None], pa.int32()).cast(pa.date32())})
    PRINTERS[form](far)
    assert "out of range" in capsys.readouterr().out


def test_json_has_texts_where_it_has_no_numbers(capsys):
    PRINTERS["json"](pa.table({"x": [float("nan"), float("inf"), 1.5]}))
    assert [row["x"] for row in json.loads(capsys.readouterr().out)] == ["nan", "inf", 1.5]


def test_whole_numbers_of_any_length_are_numbers_in_json(capsys):
    PRINTERS["json"](pa.table({"n": pa.array([12345678901234567890, None], pa.decimal256(76, 0))}))
    assert [row["n"] for row in json.loads(capsys.readouterr().out)] == [12345678901234567890, None]


def test_lists_in_csv_are_json(capsys):
    PRINTERS["csv"](pa.table({"tags": [["c#", "o'reilly"]]}))
    assert capsys.readouterr().out.splitlines()[1] == '"[""c#"", ""o\'reilly""]"'


ROW = b'<row Id="7" Body="caf\xc3\xa9" />'
BROKEN = b"<row \xff\xfe/>"


@pytest.mark.parametrize("form", ["csv", "json", "table"])
def test_bytes_are_printed_as_the_text_that_they_are_or_in_base64(form, capsys):
    PRINTERS[form](pa.table({"raw": [ROW, BROKEN, None]}))
    printed = capsys.readouterr().out
    texts = {
        "csv": lambda: [row[0] if row else "" for row in csv.reader(printed.splitlines())][1:],
        "json": lambda: [row["raw"] or "" for row in json.loads(printed)],
        "table": lambda: [line.strip("│ ") for line in printed.splitlines() if line.startswith("│")],
    }[form]()
    assert texts[0] == ROW.decode()
    assert base64.b64decode(texts[1]) == BROKEN
    assert texts[2] == ""


@pytest.mark.parametrize("form", ["csv", "json"])
def test_what_lies_in_structs_lists_and_maps_is_json_too(form, capsys):
    kind = pa.struct({"raw": pa.binary(), "days": pa.list_(pa.date32()), "x": pa.float64()})
    value = {"raw": ROW, "days": [date(2026, 1, 5)], "x": float("nan")}
    columns = {"found": pa.array([value], kind), "named": pa.array([{"a": b"b"}], pa.map_(pa.string(), pa.binary()))}
    PRINTERS[form](pa.table(columns))
    printed = capsys.readouterr().out
    if form == "csv":
        found, named = map(json.loads, list(csv.reader(printed.splitlines()))[1])
    else:
        found, named = json.loads(printed)[0].values()
    assert found == {"raw": ROW.decode(), "days": ["2026-01-05"], "x": "nan"}
    assert named == [["a", "b"]]


@pytest.mark.parametrize("form", ["csv", "json", "table"])
@pytest.mark.parametrize(
    ("interval", "spelled"),
    [
        ((0, 1, 7_384 * 10**9), "1 day 02:03:04"),
        ((14, 0, 0), "1 year 2 mons"),
        ((-13, -3, -1_500_000_000), "-1 years -1 mons -3 days -00:00:01.5"),
        ((14, -3, 14_706_500_000_000), "1 year 2 mons -3 days +04:05:06.5"),
        ((-1, 3, 0), "-1 mons +3 days"),
        ((0, 0, 0), "00:00:00"),
    ],
)
def test_intervals_are_spelled_as_postgres_does(form, interval, spelled, capsys):
    PRINTERS[form](pa.table({"x": pa.array([interval], pa.month_day_nano_interval())}))
    assert spelled in capsys.readouterr().out


def test_a_list_with_a_date_that_python_does_not_have_says_how_to_print_it():
    far = pa.array([[2**31 - 1]], pa.list_(pa.int32())).cast(pa.list_(pa.date32()))
    with pytest.raises(BadInput, match="::text"):
        PRINTERS["csv"](pa.table({"days": far}))


def test_an_address_of_no_kind_is_refused_by_name():
    with pytest.raises(BadInput, match="LAKEHOUSE_LAKE is foo://x"):
        Lake("foo://x")


def test_a_lake_in_an_object_store_is_not_taken_to_be_in_aws_where_nobody_says_so():
    with pytest.raises(TypeError, match="say in which"):
        Lake("s3://bucket/lake")


@pytest.mark.parametrize("name", ["c#", "what?", "100%"])
def test_a_folder_that_no_address_can_name_is_refused(tmp_path, name):
    with pytest.raises(BadInput, match="which Spark and Delta would not"):
        Lake(str(tmp_path / name))
