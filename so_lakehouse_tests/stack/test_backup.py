"""The objects of a backup, on either maker's server: out into a folder and into another bucket they are the same lake.
(All of a stack, by the page's own lines: test_stack_backup.py.)"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from so_lakehouse.errors import BadInput
from so_lakehouse.lake import delta, paths
from so_lakehouse.lake.query import query_lake, tables
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.stack import objects
from so_lakehouse_tests.pipeline.evidence import write_dump
from so_lakehouse_tests.stack.object_store import Server


def places(lake: Lake) -> objects.Places:
    return {"lake": (lake.root, lake.fs)}


def test_a_restored_lake_answers_as_the_first_did(object_store: Server, s3_settings: Settings, tmp_path: Path) -> None:
    lake, backup = Lake.of(s3_settings), tmp_path / "backup"
    write_dump(lake, "2016-09-11", {"posts": [{"Id": 1, "Title": "one"}, {"Id": 2}]}, unread={"posts": [3]})
    delta.make_reachable(lake)  # as whoever reads a dump does
    place, options = lake.uri(paths.silver("ledger")), lake.options
    for number in range(3):
        write_deltalake(place, pa.table({"n": [number]}), mode="append", storage_options=options)
    DeltaTable(place, storage_options=options).delete("n = 1")

    restored = Lake.of(object_store.settings(replace(s3_settings, home=tmp_path), object_store.new_bucket()))
    with pytest.raises(BadInput, match="is no backup"):
        objects.copy_in(places(restored), backup)
    objects.copy_out(places(lake), backup)
    objects.copy_in(places(restored), backup)
    assert [(file.path, file.bytes) for file in restored.files("")] == [(f.path, f.bytes) for f in lake.files("")]
    assert tables(restored) == tables(lake)
    for name in ("silver.ledger", "bronze.posts", "quarantine.rows"):
        answers = [query_lake(one, f"SELECT * FROM {name}").to_pylist() for one in (lake, restored)]
        assert answers[0]
        assert sorted(map(str, answers[0])) == sorted(map(str, answers[1]))

    with pytest.raises(BadInput, match="is not empty"):
        objects.copy_in(places(restored), backup)
    with pytest.raises(BadInput, match="is not empty"):
        objects.copy_out(places(lake), backup)


def test_an_empty_lake_has_an_empty_backup(object_store: Server, s3_settings: Settings, tmp_path: Path) -> None:
    lake = Lake.of(s3_settings)
    objects.copy_out(places(lake), tmp_path)
    objects.copy_in(places(lake), tmp_path)
    assert not lake.files("")
