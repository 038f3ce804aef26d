"""Which day a release was cut on, which quarter holds it, and which of several comes last."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from so_lakehouse.dumps.releases import Release, quarter_of, read_quarter, read_releases, release_of_item
from so_lakehouse.errors import BadInput

HEADER = "release,cut_date,quarter,revision,note"


@pytest.mark.parametrize(
    ("day", "quarter"),
    [
        (date(2016, 12, 11), "2016-10-01"),
        (date(2024, 3, 31), "2024-01-01"),
        (date(2024, 4, 1), "2024-04-01"),
        (date(2025, 12, 31), "2025-10-01"),
    ],
)
def test_the_quarter_is_the_one_that_holds_the_cut(day: date, quarter: str):
    assert quarter_of(day) == quarter


@pytest.mark.parametrize(
    ("text", "quarter"),
    [
        ("2016-10-01", "2016-10-01"),
        ("2016Q4", "2016-10-01"),
        ("2016-q1", "2016-01-01"),
        ("2016-12", None),
        ("2024-06-30", None),
        ("2016-11-01", None),
        ("2016Q5", None),
        ("posts", None),
    ],
)
def test_a_quarter_is_its_first_day_or_its_number_and_all_else_may_be_a_release(text: str, quarter: str | None):
    assert read_quarter(text) == quarter


def test_releases_come_in_the_order_of_cut_and_revision():
    rows = [HEADER, "2016-12,2016-12-11,2016-10-01,1,", "odd,2016-10-02,2016-10-01,1,", "2016-09,2016-09-04,,3,BZip2"]
    found = read_releases(rows, "releases.csv")
    assert [release.release for release in found] == ["2016-09", "odd", "2016-12"]
    assert found[0] == Release("2016-09", date(2016, 9, 4), 3, "BZip2", folder="2016-09")
    assert Release("a", date(2016, 9, 4), 2).order > Release("a", date(2016, 9, 4), 1).order


def test_a_note_can_withdraw_a_release():
    (release,) = read_releases([HEADER, "2016-12,2016-12-11,2016-10-01,1,Withdrawn: wrong votes"], "releases.csv")
    assert release.withdrawn
    assert str(release) == "2016-12 (withdrawn)"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("2016-12,11.12.2016,2016-10-01,1,", r"releases.csv, line 2: .*Write cut_date as 2016-12-11"),
        ("2016-12,2016-12-11,2016-07-01,1,", "lies in the quarter 2016-10-01, not 2016-07-01"),
        ("2016-12,2016-12-11,2016-10-01,one,", "revision as a whole number"),
        ("../etc,2016-12-11,2016-10-01,1,", "cannot be the name of a release"),
        (",2016-12-11,2016-10-01,1,", "cannot be the name of a release"),
        (
            "2016-12,2016-12-11,2016-10-01,1,\n2016-12,2016-12-11,2016-10-01,2,",
            "line 3: release 2016-12 is named twice",
        ),
        ("2016-12", "Write cut_date"),
    ],
)
def test_a_row_that_cannot_be_meant_is_refused_with_its_line(row: str, why: str):
    with pytest.raises(BadInput, match=why):
        read_releases([HEADER, *row.split("\n")], "releases.csv")


def test_a_list_without_its_columns_is_refused():
    with pytest.raises(BadInput, match="lacks the columns cut_date, quarter, revision, note"):
        read_releases(["release,day", "2016-12,2016-12-11"], "releases.csv")


@pytest.mark.parametrize(
    ("item", "release", "cut", "revision"),
    [
        ("stackexchange_20240630", "2024-06-30", date(2024, 6, 30), 1),
        ("stackexchange_20250630_rev2", "2025-06-30", date(2025, 6, 30), 2),
        ("stackexchange_20260630_sakura", "2026-06-30", date(2026, 6, 30), 1),
        ("stackexchange_20240402_bis", "2024-04-02", date(2024, 3, 31), 2),
        ("stackexchange_20220606", "2022-06-06", date(2022, 6, 5), 1),
        ("stackexchange_20230912", "2023-09-12", date(2023, 9, 3), 1),
    ],
)
def test_an_item_of_archive_org_tells_its_release(item: str, release: str, cut: date, revision: int):
    found = release_of_item(item)
    assert found == Release(release, cut, revision, folder=item)


@pytest.mark.parametrize(
    "item", ["stackexchange_2024", "stackexchange_20249999", "stackexchange-posts", "stackexchange"]
)
def test_an_item_that_tells_no_date_is_no_release(item: str):
    assert release_of_item(item) is None


def test_the_cuts_of_real_releases_agree_with_the_rule_for_items_named_by_publication(real_dumps: Path):
    with (real_dumps / "releases.csv").open() as lines:
        real = {release.cut_date for release in read_releases(lines, "releases.csv")}
    by_rule = {
        release.cut_date
        for item in ("20220606", "20230912", "20240402")
        if (release := release_of_item(f"stackexchange_{item}"))
    }
    assert by_rule <= real
    assert {cut.isoweekday() for cut in real} == {7}, "the rule rests on cuts being Sundays"
