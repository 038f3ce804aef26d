"""A simulation behind the API: its days arrive in bronze as its dumps tell them, its clock and its faults obey, and who
left is missed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import requests

from so_lakehouse.api.bronze import read_pages
from so_lakehouse.api.by_ids import ask_again
from so_lakehouse.api.client import Client
from so_lakehouse.api.days import newest_closed
from so_lakehouse.api.fetch import fetch_day
from so_lakehouse.cli import parser, simulate
from so_lakehouse.clock import Clock
from so_lakehouse.errors import Unavailable
from so_lakehouse.lake.api_raw import fetches_of
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.settings import PROJECT_ROOT, Settings
from so_lakehouse.simulate.api_server import running
from so_lakehouse.simulate.dumps import write_mirror
from so_lakehouse.simulate.faults import FAULTS
from so_lakehouse.simulate.served import KEY, SimulationServer, from_now_on
from so_lakehouse.simulate.simulation import Simulation
from so_lakehouse.simulate.snapshot import rows_at
from so_lakehouse_tests.pipeline.api_world import StillClock, World
from so_lakehouse_tests.pipeline.silver_site import SilverSite

SITE = "simulated-brewing"
CUT = date(2025, 12, 31)
SIMULATION = Simulation((SITE,), seed=1, people=600, launch=date(2025, 1, 1), cut=CUT)
A_DAY = timedelta(days=1)


@cache
def busy_day() -> date:
    """The first day on which, and on whose eve, somebody wrote something of each kind."""
    rows = dumped(CUT + 60 * A_DAY)
    written: dict[object, set[date]] = {"comment": {row["CreationDate"].date() for row in rows["comments"]}}
    for row in rows["posts"]:
        written.setdefault(row["PostTypeId"], set()).add(row["CreationDate"].date())
    every = written[1] & written[2] & written["comment"]
    return min(day for day in every if day > CUT + A_DAY and day - A_DAY in every)


@pytest.fixture
def api(settings: Settings) -> Iterator[World]:
    """The simulation on the morning after the day, for a clock that only waiting moves."""
    clock = StillClock(f"{busy_day() + A_DAY}T06:00:00")
    with running(SimulationServer(SIMULATION, "")) as server:
        server.now = lambda: clock.now().timestamp()
        server.sites[SITE].live_until(busy_day())
        yield World(server, clock, replace(settings, api=server.address, api_key=KEY), server.sites[SITE])
        assert server.violations == []


def client(api: World) -> Client:
    return Client(api.settings, api.clock)


def fetched(api: World, lake: Lake, entity: str, day: date) -> list[dict[str, Any]]:
    """What bronze has of the day once it was asked for."""
    assert fetch_day(lake, client(api), SITE, day.isoformat(), entity, api.settings).missing == ""
    manifest = read_pages(lake, SITE, day.isoformat(), entity, api.settings)
    assert manifest is not None
    assert manifest.quarantined == 0
    return pq.read_table(lake.path(manifest.files[0])).to_pylist()


def dumped(day: date) -> dict[str, list[dict[str, Any]]]:
    return rows_at(SIMULATION.found(SITE).live_until(day), day)


@pytest.mark.parametrize(("entity", "moment"), [("questions", "LastActivityDate"), ("comments", "CreationDate")])
def test_a_day_of_the_api_is_in_bronze_what_a_dump_of_its_end_tells(api, lake, entity, moment):
    rows = {row["Id"]: row for row in fetched(api, lake, entity, busy_day())}
    kind = ENTITIES[entity]
    expected = {
        row["Id"]: row
        for row in dumped(busy_day())[kind.table]
        if row[moment].date() == busy_day() and kind.post_type in (None, row.get("PostTypeId"))
    }
    assert expected
    assert rows.keys() == expected.keys()
    for key, row in expected.items():
        for column in {"Score", "ViewCount", "Body", "Text", "OwnerUserId", "UserId", "CommentCount"} & row.keys():
            assert rows[key][column] == row[column], (key, column)


def test_days_pass_with_the_clock_and_a_day_that_is_not_over_is_not_served(api, lake):
    fetched(api, lake, "questions", busy_day())
    assert api.site.today == busy_day()
    before = dict(api.site.rows["questions"])
    api.clock.sleep(17 * 3600)
    newest = {"site": SITE, "sort": "activity", "pagesize": "1"}
    headers = {"Authorization": f"Bearer {KEY}"}
    requests.get(f"{api.server.address}/questions", newest, headers=headers, timeout=30).raise_for_status()
    assert api.site.rows["questions"] == before, "23 o'clock"
    api.clock.sleep(7 * 3600)
    rows = fetched(api, lake, "questions", busy_day() + A_DAY)
    assert api.site.today == busy_day() + A_DAY
    assert {row["LastActivityDate"].date() for row in rows} == {api.site.today}


# What is left is the day's quota, or nothing: those have a test of their own.
HARMLESS = sorted(FAULTS.keys() - {"no-quota", "wrong-key", "endless"})


@pytest.mark.parametrize("name", HARMLESS)
def test_a_fault_that_was_asked_for_happens_and_the_day_is_whole_all_the_same(api, lake, name):
    assert fetched(api, lake, "answers", busy_day() - A_DAY), "an answer before, for the fault that repeats it"
    api.server.faults = FAULTS[name].faults(api.server)
    rows = fetched(api, lake, "answers", busy_day())
    assert api.server.faults == []
    whole = {
        row["Id"]
        for row in dumped(busy_day())["posts"]
        if row["PostTypeId"] == 2 and row["LastActivityDate"].date() == busy_day()
    }
    if name == "changing":  # what was active again on the next day belongs to that
        assert {row["Id"] for row in rows} <= whole
    else:
        assert {row["Id"] for row in rows} == whole


def test_without_quota_nothing_comes_and_a_wrong_key_is_said(api, lake):
    api.server.faults = FAULTS["wrong-key"].faults(api.server)
    with pytest.raises(Unavailable, match="key"):
        fetch_day(lake, client(api), SITE, busy_day().isoformat(), "answers", api.settings)
    api.server.faults = FAULTS["no-quota"].faults(api.server)
    day = fetch_day(lake, client(api), SITE, busy_day().isoformat(), "answers", api.settings)
    assert day.fetches == ()
    assert day.missing
    api.server.violations.clear()  # who asks with no quota left could not know


def test_who_leaves_is_missed_on_two_mornings_and_then_gone(api, lake):
    silver = SilverSite(lake, SITE)
    users = dumped(CUT)["users"]
    silver.put("users", *({"Id": row["Id"], "CreationDate": row["CreationDate"].replace(tzinfo=UTC)} for row in users))
    silver.apply_dump(datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC))
    silver.pass_checks(cut_at=datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC))
    api.site.live_until(busy_day())
    left = {row["Id"] for row in users if row["Id"] > 0} - api.site.accounts
    while not left:
        api.clock.sleep(24 * 3600)
        api.site.reach(api.clock.now().timestamp())
        left = {row["Id"] for row in users if row["Id"] > 0} - api.site.accounts
    gone: list[set[int]] = []
    for _ in range(2):
        day = newest_closed(api.clock.now())
        fetch_day(lake, client(api), SITE, day, "users", api.settings)
        ask_again(lake, client(api), SITE, day, "users", api.settings)
        gone.append({row.id for fetch in fetches_of(lake, "users", day, SITE) for row in fetch.gone})
        api.clock.sleep(24 * 3600)
    assert gone == [set(), left]


def test_its_page_moves_the_clock_and_takes_faults_and_refuses_what_cannot_be(settings):
    with running(SimulationServer(SIMULATION, from_now_on("2026-01-04T06:00:00"))) as server:

        def page(**form: str) -> tuple[int, dict[str, Any]]:
            answer = requests.post(server.page, form, timeout=30)
            return answer.status_code, answer.json()

        def questions() -> requests.Response:
            parameters = {"site": SITE, "pagesize": "1", "key": KEY}
            return requests.get(f"{server.address}/questions", parameters, timeout=30)

        assert questions().status_code == 200
        assert requests.get(server.page, timeout=30).json()["sites"] == {SITE: "as of the end of 2026-01-03"}
        status, told = page(now="2026-01-15T06:00:00")
        assert status == 200
        assert abs(Clock(told["LAKEHOUSE_NOW"]).now() - datetime(2026, 1, 15, 6, tzinfo=UTC)) < timedelta(minutes=1)
        assert questions().json()["items"][0]["last_activity_date"] < datetime(2026, 1, 15, tzinfo=UTC).timestamp()
        assert server.sites[SITE].today == date(2026, 1, 14)
        status, told = page(now="2026-01-10T06:00:00")
        assert (status, "2026-01-14 already" in told["error"]) == (400, True)

        assert page(fault="gateway")[1]["faults_to_come"] == 3
        assert questions().status_code == 502
        assert page(fault="none")[1]["faults_to_come"] == 0
        assert questions().status_code == 200
        status, told = page(fault="fire")
        assert (status, "gateway" in told["error"]) == (400, True)
        assert page(now="soon")[0] == 400


@pytest.mark.parametrize("words", [["simulate"], ["simulate", "serve"]])
def test_its_help_explains_what_is_simulated_and_lists_every_fault(words, capsys):
    with pytest.raises(SystemExit, match="0"):
        parser().parse_args([*words, "--help"])
    told = capsys.readouterr().out
    expected = (
        [*FAULTS, "none", "--now", "LAKEHOUSE_NOW"] if "serve" in words else ["role", "truth.json", "--seed", "faults"]
    )
    assert [name for name in expected if name not in told] == []


def test_the_command_serves_the_communities_whose_dumps_it_wrote(tmp_path: Path):
    truth = write_mirror(tmp_path, [SITE], ["2025-10-01"], people=30)
    command = [sys.executable, "-m", "so_lakehouse", "simulate", "serve", "--mirror", str(tmp_path), "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT_ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*command, "--now", "2026-01-01T06:00:00"], env=environment, stdout=subprocess.PIPE, text=True
    ) as served:
        assert served.stdout is not None
        try:
            said = list(islice(served.stdout, 8))
            exported = dict(line.split()[1].split("=", 1) for line in said if "export" in line)
            assert exported["LAKEHOUSE_MIRROR"] == str(tmp_path)
            headers = {"Authorization": f"Bearer {exported['LAKEHOUSE_API_KEY']}"}
            ids = set()
            for page in range(1, 4):
                parameters = {"site": SITE, "pagesize": "100", "page": str(page), "sort": "creation"}
                answer = requests.get(
                    f"{exported['LAKEHOUSE_API']}/users", parameters, headers=headers, timeout=30
                ).json()
                ids |= {item["user_id"] for item in answer["items"]}
            in_dump = truth["2025-12-31"][SITE]["users"]["rows_in_file"]
            assert len(ids) == in_dump - 1, "all but the Community user"
        finally:
            served.send_signal(signal.SIGINT)
            served.wait(30)
    assert served.returncode == 0
    assert json.loads((tmp_path / "simulation.json").read_text("utf-8"))["people"] == 30


def test_a_further_quarter_is_of_the_communities_that_the_folder_has(tmp_path: Path, capsys):
    write_mirror(tmp_path, [SITE], ["2025-07-01"], people=20, seed=5)
    before = (tmp_path / "2025-09-30" / f"{SITE}.stackexchange.com.7z").read_bytes()
    simulate.main(
        parser().parse_args(["simulate", "dumps", "--out", str(tmp_path), "--quarters", "2025-07-01", "2025-10-01"])
    )
    assert f"2025-12-31 {SITE}: posts" in capsys.readouterr().out
    assert (tmp_path / "2025-09-30" / f"{SITE}.stackexchange.com.7z").read_bytes() == before
    kept = Simulation.load(tmp_path)
    assert (kept.sites, kept.seed, kept.people, kept.cut) == ((SITE,), 5, 20, CUT)
