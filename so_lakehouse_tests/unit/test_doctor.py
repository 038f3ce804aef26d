"""What doctor says of what is not there: whether all work needs it, and what to do."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from so_lakehouse import doctor
from so_lakehouse.doctor import PROBES, State, examine
from so_lakehouse.settings import Settings

NOBODY = "http://127.0.0.1:9"


def test_an_archive_org_that_is_not_reached_stops_no_work_that_does_not_need_it():
    (finding,) = examine(Settings(archive_org=NOBODY), ["mirror"])
    assert finding.state is State.NOT_THERE
    assert "make demo" in finding.detail
    assert "--mirror" in finding.detail


@pytest.mark.parametrize("mirror", [NOBODY, "/no/such/folder"])
def test_a_mirror_that_somebody_named_is_missing_where_it_is_not_there(mirror):
    (finding,) = examine(Settings(mirror=mirror), ["mirror"])
    assert finding.state is State.MISSING
    assert mirror in finding.detail


def test_an_api_that_is_not_reached_is_said_and_stops_no_dump():
    (finding,) = examine(Settings(api=NOBODY, api_key="a-key"), ["API"])
    assert finding.state is State.NOT_THERE
    assert NOBODY in finding.detail
    assert "a-key" not in finding.detail


def test_an_address_of_the_api_that_is_none_is_missing():
    (finding,) = examine(Settings(api="nonsense"), ["API"])
    assert finding.state is State.MISSING
    assert "LAKEHOUSE_API" in finding.detail


def test_another_make_than_gnu_make_is_told_from_it(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert examine(Settings(), ["GNU make"])[0].state is State.NOT_THERE
    (tmp_path / "make").write_text("#!/bin/sh\necho bmake 2024")
    (tmp_path / "make").chmod(0o755)
    (finding,) = examine(Settings(), ["GNU make"])
    assert finding.state is State.NOT_THERE
    assert "bmake 2024" in finding.detail
    (tmp_path / "make").write_text("#!/bin/sh\necho GNU Make 4.4.1")
    assert examine(Settings(), ["GNU make"])[0].state is State.FINE


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        (json.dumps({"metadata": {"dbt_version": "1.0.0"}}), "made by dbt 1.0.0"),
        (json.dumps({"metadata": {"dbt_version": version("dbt-core")}}), ""),
    ],
)
def test_dbts_manifest_is_fine_where_the_installed_dbt_made_it(tmp_path: Path, monkeypatch, content, answer):
    monkeypatch.setattr(doctor, "PROJECT_ROOT", tmp_path)
    (tmp_path / "dbt_project" / "target").mkdir(parents=True)
    if content is not None:
        (tmp_path / "dbt_project" / "target" / "manifest.json").write_text(content)
    (finding,) = examine(Settings(), ["dbt"])
    assert finding.state is (State.MISSING if answer else State.FINE)
    assert answer in finding.detail
    assert "make setup" in finding.detail or not answer


def test_the_prerequisites_of_the_readme_are_looked_at():
    assert {"Python", "GNU make", "Java", "memory", "disk"} <= PROBES.keys()
