"""What `run --plan` prints: numbers that mean something, for dumps and for days of the API."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path

import pytest

from so_lakehouse import estimate
from so_lakehouse.cli import parser
from so_lakehouse.cli.report import duration
from so_lakehouse.errors import BadInput
from so_lakehouse.lake.api_raw import WINDOW, FetchManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse_tests.small_archives import small_7z

SMALL, LARGE = 400_000, 90_000_000
UNITS = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "s": 1, "min": 60, "h": 3600}


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """ai with a small archive, beer with a small one and, a quarter later, a large one."""
    folder = tmp_path / "mirror"
    for release, sites in {"2016-09": ("beer",), "2016-12": ("ai", "beer")}.items():
        (folder / release).mkdir(parents=True)
        for site in sites:
            (folder / release / f"{site}.stackexchange.com.7z").write_bytes(small_7z(SMALL))
    os.truncate(folder / "2016-12" / "beer.stackexchange.com.7z", LARGE)  # sparse; a plan reads none of it
    (folder / "releases.csv").write_text(
        "release,cut_date,quarter,revision,note\n2016-09,2016-09-11,,1,\n2016-12,2016-12-11,,1,\n"
    )
    return folder


@pytest.fixture
def planned(monkeypatch, capsys, tmp_path):
    """What a plan prints in a terminal of 200 columns: rows of its table by their first words, and what follows it."""

    def plan(*words: str) -> tuple[dict[str, list[str]], str]:
        monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("COLUMNS", "200")
        arguments = parser().parse_args(["run", "--plan", *words])
        assert importlib.import_module("so_lakehouse.cli.run").main(arguments) == 0
        table, _, rest = capsys.readouterr().out.partition("└")
        cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table.splitlines() if "│" in line]
        return {f"{row[0]} {row[1]}".strip(): row for row in cells}, rest

    return plan


def amounts(row: list[str]) -> list[float]:
    """The last three cells as bytes, bytes and seconds."""
    found = [re.fullmatch(r"([\d.,]+)(?: (\w+))?", cell) for cell in row[-3:]]
    return [float(match[1].replace(",", "")) * UNITS[match[2] or "bytes"] for match in found if match]


def test_a_larger_archive_takes_more_of_everything_and_the_total_is_all_of_it(mirror, planned):
    rows, rest = planned("--site", "ai", "beer", "--mirror", str(mirror))
    small, large, total = (amounts(rows[name]) for name in ("ai 2016-10-01", "beer 2016-10-01", "in all"))
    assert small[0] == pytest.approx(SMALL, rel=0.01)
    assert large[0] == pytest.approx(LARGE, rel=0.01)
    for less, more, both in zip(small, large, total, strict=True):
        assert less < more < both
    assert small[1] > 2 * SMALL, "what bronze and silver make of it lies beside it"
    assert total[2] == pytest.approx(small[2] + large[2] + estimate.ONCE_SECONDS, rel=0.05)
    assert "the network's time" in rest
    assert re.search(r"[\d.]+ GB are free", rest)
    assert not (mirror.parent / "home").exists()


def test_a_quarter_after_another_takes_longer_than_the_first_of_the_same_size(mirror, planned):
    os.truncate(mirror / "2016-09" / "beer.stackexchange.com.7z", LARGE)
    rows, _ = planned("--site", "beer", "--quarter", "2016Q3", "2016Q4", "--mirror", str(mirror))
    assert 2 * amounts(rows["beer 2016-07-01"])[2] < amounts(rows["beer 2016-10-01"])[2]


def test_a_disk_that_could_not_hold_it_is_said_beforehand(mirror, planned, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_DISK_RESERVE", str(10**15))
    assert "too little" in planned("--site", "ai", "--mirror", str(mirror))[1]


def test_days_take_requests_as_a_quiet_day_and_more_days_take_more(planned, monkeypatch):
    monkeypatch.setenv("LAKEHOUSE_NOW", "2026-01-07T06:00:00")
    one, rest = planned("--site", "beer", "--day", "2026-01-06")
    many, _ = planned("--site", "beer", "--days-since", "2026-01-03")
    assert amounts(one["beer 2026-01-06"])[0] == estimate.REQUESTS_OF_A_QUIET_DAY
    for less, more in zip(amounts(one["in all"]), amounts(many["in all"]), strict=True):
        assert 0 < less < more
    assert amounts(many["in all"])[0] == 4 * estimate.REQUESTS_OF_A_QUIET_DAY
    assert "the API's time to answer" in rest


def test_a_busy_sites_days_take_what_its_other_days_took(planned, monkeypatch, tmp_path):
    monkeypatch.setenv("LAKEHOUSE_NOW", "2026-01-07T06:00:00")
    lake = Lake(Settings(home=tmp_path / "home").lake_uri)
    for day, pages in (("2026-01-03", 60), ("2026-01-04", 40)):
        lake.write_bytes(f"raw/{day}", bytes(pages * 7_000))
        at = f"{day}T23:59:59+00:00"
        FetchManifest("beer", day, "questions", WINDOW, "f", at, at, "", pages, 1, f"raw/{day}", "").save(lake)
    rows, _ = planned("--site", "beer", "--day", "2026-01-06")
    assert amounts(rows["beer 2026-01-06"])[:2] == [50, pytest.approx(50 * 7_000, rel=0.01)]


def test_a_duration_is_as_exact_as_an_estimate():
    assert [duration(seconds) for seconds in (54.4, 600, 7_000, 76_000)] == ["54 s", "10.0 min", "1.9 h", "21.1 h"]


def test_the_estimate_of_the_smallest_site_is_what_the_benchmark_measured():
    assert estimate.ONCE_SECONDS + estimate.dump_seconds(300_000, is_first=True) == pytest.approx(54.5, rel=0.02)


@pytest.mark.parametrize("words", [[], ["--days-since", "2026-01-03"]])
def test_again_is_refused_where_no_day_is_named(planned, words):
    with pytest.raises(BadInput, match="--day"):
        planned("--site", "beer", "--again", *words)
