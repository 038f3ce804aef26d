"""The demo's parts: its story, which dumps and days it takes in when, what it says of who left, and `dev` after it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from so_lakehouse.cli import demo, dev, report
from so_lakehouse.cli.run import wanted
from so_lakehouse.clock import Clock
from so_lakehouse.dumps.mirrors import open_mirror
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.lake import lock, tombstones
from so_lakehouse.lake.storage import Lake
from so_lakehouse.lake.tombstones import NOT_RETURNED, Tombstone
from so_lakehouse.lake.waiting import Ignored, notes
from so_lakehouse.runner import LayerRun
from so_lakehouse.settings import Settings
from so_lakehouse.simulate import demonstration
from so_lakehouse.simulate.api_server import running
from so_lakehouse.simulate.demonstration import Demonstration
from so_lakehouse.simulate.dumps import DEMO_SITES, write_mirror
from so_lakehouse.simulate.served import SimulationServer
from so_lakehouse.simulate.simulation import Simulation
from so_lakehouse.simulate.snapshot import rows_at
from so_lakehouse_tests.pipeline.silver_site import SilverSite, small_site

SITE = "simulated-brewing"
CUT = date(2025, 12, 31)
SMALL = Simulation((SITE, "simulated-databases"), seed=1, people=60, launch=date(2025, 1, 1), cut=CUT)
STORY = Demonstration(SITE, 7, date(2026, 1, 2), date(2026, 1, 3))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the demo sets is taken back."""
    for name in ("LAKEHOUSE_MIRROR", "LAKEHOUSE_API", "LAKEHOUSE_API_KEY", "LAKEHOUSE_NOW", "LAKEHOUSE_SIMULATED"):
        monkeypatch.setenv(name, "")


def test_the_story_is_of_the_first_who_leaves_and_lasts_until_a_sweep_has_missed_them_twice(tmp_path: Path):
    told: list[str] = []
    story = demonstration.begun(tmp_path, SMALL, lambda what, done, total=None: told.append(what))
    assert told == [f"{site} lives until {CUT}" for site in SMALL.sites], "whoever waits is told for whom"

    def users(day: date) -> set[object]:
        return {row["Id"] for row in rows_at(SMALL.found(story.site).live_until(day), day)["users"]}

    assert story.left > CUT
    assert story.user in users(CUT)
    assert story.user in users(story.left - timedelta(days=1))
    assert story.user not in users(story.left)
    assert story.left < story.last_day >= CUT + timedelta(days=7)
    first, second = story.mornings
    assert (first[:10], second[:10]) == (story.last_day.isoformat(), str(story.last_day + timedelta(days=1)))
    assert demonstration.begun(tmp_path, replace(SMALL, seed=2)) == story, "it is told once"


def test_the_clock_runs_from_the_second_morning_on_once_all_was_shown(tmp_path: Path):
    STORY.save(tmp_path)
    assert dev.demo_clock(tmp_path) == ""
    demonstration.finished(tmp_path, STORY)
    shown = demonstration.load(tmp_path)
    assert shown is not None
    assert abs(Clock(shown.now).now() - datetime(2026, 1, 4, 6, tzinfo=UTC)) < timedelta(minutes=1)
    demonstration.finished(tmp_path, shown)
    assert dev.demo_clock(tmp_path) == shown.now


def test_a_demo_of_an_earlier_release_is_refused_with_what_to_do(tmp_path: Path):
    folder = demonstration.mirror_of(tmp_path)
    folder.mkdir()
    (folder / "releases.csv").write_text("release,cut_date,quarter,revision,note\n")
    with pytest.raises(BadInput, match=r"earlier release has made the demo.*another LAKEHOUSE_HOME"):
        demonstration.prepared(tmp_path)


def test_a_demo_whose_communities_would_live_on_otherwise_today_is_refused_before_anything_starts(tmp_path: Path):
    folder = demonstration.mirror_of(tmp_path)
    folder.mkdir()
    (folder / "releases.csv").write_text("release,cut_date,quarter,revision,note\n")
    SMALL.save(folder)
    assert demonstration.prepared(tmp_path) == SMALL
    kept = json.loads((folder / "simulation.json").read_text())
    (folder / "simulation.json").write_text(json.dumps(kept | {"simulator": "another"}))
    expected = r"earlier release.*another LAKEHOUSE_HOME.*set LAKEHOUSE_MIRROR"
    with pytest.raises(BadInput, match=expected):
        demonstration.prepared(tmp_path)
    with pytest.raises(BadInput, match=expected):
        dev.on_the_simulation(Settings(home=tmp_path), "2026-01-04T06:00:00", ["false"])


def test_only_dumps_that_silver_has_not_reached_are_taken_in(lake: Lake, settings: Settings, tmp_path: Path):
    write_mirror(tmp_path / "mirror", [SITE], ["2025-07-01", "2025-10-01"], people=10)
    dumps = wanted(open_mirror(str(tmp_path / "mirror"), settings), [SITE], ["2025-07-01", "2025-10-01"])
    assert demo.not_in_silver(lake, dumps) == dumps
    silver = small_site(lake, SITE)
    silver.pass_checks(cut_at=datetime(2025, 9, 30, 23, 59, 59, tzinfo=UTC))
    assert [dump.quarter for dump in demo.not_in_silver(lake, dumps)] == ["2025-10-01"]
    silver.pass_checks(cut_at=datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert demo.not_in_silver(lake, dumps) == []


@pytest.mark.usefixtures("environment")
def test_days_are_given_by_mornings_and_the_clock_moves_in_between(lake: Lake):
    with running(SimulationServer(SMALL, STORY.mornings[0])) as server:
        given = [
            (day.site, day.day, Clock(os.environ["LAKEHOUSE_NOW"]).now().date().isoformat())
            for day in demo.days_by_mornings(lake, server, STORY)
        ]
        assert os.environ["LAKEHOUSE_API"] == server.address
    first = [(site, day, "2026-01-03") for site in DEMO_SITES for day in ("2026-01-01", "2026-01-02")]
    assert given[: len(first)] == first
    assert given[len(first) :] == [
        (site, day, "2026-01-04") for site in DEMO_SITES for day in ("2026-01-01", "2026-01-02", "2026-01-03")
    ], "nobody has fetched them meanwhile"


def test_the_deletion_is_told_from_silver_and_one_that_did_not_happen_is_an_error(lake: Lake, settings: Settings):
    silver = SilverSite(lake, SITE)
    silver.put("users", {"Id": 7}, {"Id": 8})
    with pytest.raises(Unavailable, match="silver still has the account"):
        demo.the_deletion(lake, STORY)
    silver.delete("users", 7)
    assert "a later dump has confirmed it since" in demo.the_deletion(lake, STORY)
    gone = Tombstone(7, datetime(2026, 1, 4, 6, tzinfo=UTC), NOT_RETURNED, None)
    with lock.writing(lake, ["silver.tombstones"], "a test", settings):
        tombstones.save(lake, SITE, {"users": tombstones.table([gone])})
    told = demo.the_deletion(lake, STORY)
    assert "user 7" in told
    assert "not returned by API, 2026-01-04 06:00" in told


def test_runs_of_days_are_one_line_per_layer_and_site():
    facts = {"bronze/api/users": {"dagster/partition_row_count": 3, "quarantined": 1}}
    days = [
        LayerRun("bronze api", f"2026-01-0{day}|{site}", 1.5, "", facts) for day in (1, 2) for site in ("ai", "beer")
    ]
    silver = [LayerRun("silver", "ai", 2.0, ""), LayerRun("silver", "ai", 3.0, "")]
    found = report.days_together([silver[0], *days, silver[1]])
    assert [(run.partition, run.seconds) for run in found] == [
        ("ai", 2.0),
        ("2 days|ai", 3.0),
        ("2 days|beer", 3.0),
        ("ai", 3.0),
    ]
    assert [run.total("dagster/partition_row_count") for run in found] == [0, 6, 6, 0]


def test_the_rows_of_marts_are_those_of_the_marts_and_not_of_what_they_rest_on():
    row_counts = {"core/dim_user": 50, "marts/tag_month": 7, "marts/top_tags": 3, "staging/stg_posts": 900}
    built = {asset: {"dagster/row_count": rows} for asset, rows in row_counts.items()}
    table = report.summary([LayerRun("marts", None, 1.0, "", built)])
    assert list(table.columns[2].cells) == ["10"]


def test_settled_days_are_counted_and_everything_that_is_not_settled_is_told():
    settled = [Ignored("api/questions", f"2026-01-0{day}", 1, "already applied", settled=True) for day in (1, 2, 3)]
    dump = Ignored("dump", "2025-10-01", 9, "is already applied", settled=True)
    blocked = Ignored("api/answers", "2026-01-02", 1, "blocked by checks of bronze: a")
    days = "pages of 3 days from 2026-01-01 to 2026-01-03: applied or superseded before"
    assert notes([dump, blocked, *settled], has_news=False) == [
        "2025-10-01: is already applied",
        "2026-01-02: blocked by checks of bronze: a",
        days,
    ]
    assert notes([dump, blocked, *settled], has_news=True) == ["2026-01-02: blocked by checks of bronze: a"]


ASK = """
import os, requests
from so_lakehouse.clock import Clock
parameters = {"site": "%s", "key": os.environ["LAKEHOUSE_API_KEY"]}
found = requests.get(os.environ["LAKEHOUSE_API"] + "/users", parameters, timeout=30).json()["items"]
mirror = os.environ["LAKEHOUSE_MIRROR"]
is_told = mirror.endswith("demo_mirror") and os.environ["LAKEHOUSE_SIMULATED"] == "true"
raise SystemExit(3 if found and is_told and Clock(os.environ["LAKEHOUSE_NOW"]).now() else 1)
"""


@pytest.fixture
def handlers() -> Iterator[None]:
    """Whoever handles signals now does so again afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_dev_after_a_demo_runs_on_its_communities_and_its_clock(settings: Settings, capsys):
    mirror = demonstration.mirror_of(settings.home)
    mirror.mkdir()
    SMALL.save(mirror)
    code = dev.on_the_simulation(settings, "2026-01-04T06:00:00", [sys.executable, "-c", ASK % SITE])
    assert code == 3, "the command's own"
    assert "export LAKEHOUSE_API=" in capsys.readouterr().out
