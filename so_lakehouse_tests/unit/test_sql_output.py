"""What `so-lakehouse sql` prints: every column and row, whatever they are called."""

from __future__ import annotations

import json

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


def test_lists_in_csv_are_json(capsys):
    PRINTERS["csv"](pa.table({"tags": [["c#", "o'reilly"]]}))
    assert capsys.readouterr().out.splitlines()[1] == '"[""c#"", ""o\'reilly""]"'


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
