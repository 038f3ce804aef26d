"""A look at the lake: the same answers as the lake's own, each file read once, and again when it has changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from so_lakehouse.lake.glance import Glance, Memory
from so_lakehouse.lake.storage import Lake

FILE = "gates/site=beer.json"
LONG_AGO = 1_700_000_000


def write(lake: Lake, content: object, changed_at: int) -> None:
    """The file with this content, as if it was written then."""
    lake.write_json(FILE, content)
    os.utime(Path(lake.path(FILE)), (changed_at, changed_at))


def test_it_lists_and_finds_what_the_lake_does(lake):
    for path in ("a/x/1.json", "a/x/2.json", "a/y/z/3.json", "b/4.json"):
        lake.write_json(path, path)
    look = Glance(lake, ["a", "none"], Memory())
    for folder in ("a", "a/x", "a/y", "a/none", "b", "none"):
        assert look.list(folder) == lake.list(folder)
        assert look.exists(folder) == lake.exists(folder)
    assert look.list("a", recursive=True) == lake.list("a", recursive=True)
    for path in ("a/x/1.json", "a/x/none.json", "b/4.json"):
        assert look.exists(path) == lake.exists(path)
    assert (look.read_json("a/y/z/3.json"), look.read_json("b/4.json")) == ("a/y/z/3.json", "b/4.json")
    assert look.size("a/x/1.json") == lake.size("a/x/1.json")
    with pytest.raises(FileNotFoundError):
        look.read_json("a/x/none.json")


def test_it_is_of_one_moment(lake):
    lake.write_json("a/1.json", 1)
    look = Glance(lake, ["a"], Memory())
    assert look.list("a") == ["a/1.json"]
    lake.write_json("a/2.json", 2)
    assert look.list("a") == ["a/1.json"]
    assert not look.exists("a/2.json")


def test_a_file_is_read_again_only_when_it_has_changed(lake):
    memory = Memory()
    write(lake, "old", LONG_AGO)
    assert Glance(lake, ["gates"], memory).read_json(FILE) == "old"
    write(lake, "new", LONG_AGO)  # of the same size and moment: nobody could tell, so it was not read
    assert Glance(lake, ["gates"], memory).read_json(FILE) == "old"
    write(lake, "new", LONG_AGO + 1)
    assert Glance(lake, ["gates"], memory).read_json(FILE) == "new"


def test_a_file_that_is_young_is_read_every_time_because_a_store_tells_only_the_second_of_a_change(lake):
    memory = Memory()
    lake.write_json(FILE, "old")
    moment = Path(lake.path(FILE)).stat().st_mtime_ns
    assert Glance(lake, ["gates"], memory).read_json(FILE) == "old"
    lake.write_json(FILE, "new")
    os.utime(Path(lake.path(FILE)), ns=(moment, moment))
    assert Glance(lake, ["gates"], memory).read_json(FILE) == "new"


def test_what_a_look_did_not_read_is_forgotten(lake):
    memory = Memory()
    write(lake, "old", LONG_AGO)
    Glance(lake, ["gates"], memory).read_json(FILE)
    assert set(memory.contents) == {FILE}
    Glance(lake, ["gates"], memory)
    assert memory.contents == {}
