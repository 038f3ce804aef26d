"""Which dump a site and a quarter mean, and what a user is told where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from so_lakehouse.cli.run import wanted
from so_lakehouse.dumps.mirrors import Mirror, open_mirror
from so_lakehouse.dumps.resolve import quarters, resolve
from so_lakehouse.errors import BadInput
from so_lakehouse.settings import Settings

RELEASES = """release,cut_date,quarter,revision,note
2014-09,2014-09-14,2014-07-01,1,
2016-10,2016-10-02,2016-10-01,1,
2016-12,2016-12-11,2016-10-01,1,only one site
2022-06,2022-06-05,2022-04-01,1,
2022-06b,2022-06-06,2022-04-01,1,withdrawn: empty tables
2023-06,2023-06-04,2023-04-01,1,
"""
ARCHIVES = {
    "2014-09": ["meta.avp.stackexchange.com.7z"],
    "2016-10": ["beer.stackexchange.com.7z", "ai.stackexchange.com.7z"],
    "2016-12": ["beer.stackexchange.com.7z"],
    "2022-06": ["beer.stackexchange.com.7z", "avp.meta.stackexchange.com.7z", "meta.avp.stackexchange.com.7z"],
    "2022-06b": ["beer.stackexchange.com.7z"],
    "2023-06": ["stackoverflow.com-Posts.7z", "stackoverflow.com-Users.7z", "stackoverflow.com-Surprise.7z"],
}


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    """Six releases; the archives' content does not matter here."""
    (tmp_path / "releases.csv").write_text(RELEASES)
    for release, names in ARCHIVES.items():
        (tmp_path / release).mkdir()
        for name in names:
            (tmp_path / release / name).write_bytes(b"7z")
    return open_mirror(str(tmp_path), Settings())


@pytest.mark.parametrize(
    ("site", "quarter", "release"),
    [
        ("beer", None, "2022-06"),
        ("beer", "2016-10-01", "2016-12"),
        ("beer", "2016Q4", "2016-12"),
        ("beer", "2016-10", "2016-10"),
        ("ai", "2016Q4", "2016-10"),
        ("ai", None, "2016-10"),
        ("alcohol", "2016-12", "2016-12"),
        ("beer", "2022-06b", "2022-06b"),
    ],
    ids=[
        "newest that has the site",
        "latest of the quarter",
        "quarter by number",
        "an older release by name",
        "latest of the quarter that has the site",
        "newest that has the site, though others are newer",
        "by the API's name",
        "withdrawn, by name only",
    ],
)
def test_the_dump_is(mirror: Mirror, site: str, quarter: str | None, release: str):
    assert resolve(mirror, site, quarter).release.release == release


@pytest.mark.parametrize("release", ["2016-10", "2016-12"])
def test_one_of_several_releases_of_a_quarter_is_taken_where_it_is_named(mirror: Mirror, release: str):
    assert resolve(mirror, "beer", "2016-10-01", release).release.release == release


def test_a_release_of_another_quarter_is_refused_with_what_exists(mirror: Mirror):
    with pytest.raises(BadInput, match=r"no release '2022-06b' in 2016-10-01.*2016-12"):
        resolve(mirror, "beer", "2016-10-01", "2022-06b")


def test_a_run_takes_each_release_that_is_named_in_the_order_of_their_cuts(mirror: Mirror):
    dumps = wanted(mirror, ["beer"], ["2016-12", "2016-10", "2016Q4"])
    assert [dump.release.release for dump in dumps] == ["2016-10", "2016-12"]


def test_the_name_of_the_period_is_preferred_and_the_other_one_found(mirror: Mirror):
    old, new = quarters(mirror, "avp.meta")
    assert [archive.name for archive in old.archives] == ["meta.avp.stackexchange.com.7z"]
    assert [archive.name for archive in new.archives] == ["avp.meta.stackexchange.com.7z"]


def test_stack_overflows_tables_are_the_archives_that_the_schema_knows(mirror: Mirror):
    dump = resolve(mirror, "stackoverflow")
    assert [archive.name for archive in dump.archives] == ["stackoverflow.com-Posts.7z", "stackoverflow.com-Users.7z"]
    assert dump.size == 4


def test_quarters_come_in_the_order_of_cuts_one_dump_each(mirror: Mirror):
    assert [(dump.quarter, dump.release.release) for dump in quarters(mirror, "beer")] == [
        ("2016-10-01", "2016-12"),
        ("2022-04-01", "2022-06"),
    ]
    assert quarters(mirror, "chess") == []


def test_an_unknown_site_is_told_what_there_is(mirror: Mirror):
    with pytest.raises(
        BadInput,
        match=r"no archive of the site 'beeer' .*Did you mean beer\? It has ai, avp.meta, beer, stackoverflow",
    ):
        resolve(mirror, "beeer")


def test_a_quarter_without_the_site_is_told_where_it_is(mirror: Mirror):
    with pytest.raises(BadInput, match=r"has no ai in 2022Q2 .*It has 2016-10-01 \(2016-10\)\."):
        resolve(mirror, "ai", "2022Q2")


@pytest.mark.parametrize("quarter", ["2015Q1", "2015-01-01", "2016-11", "newest"])
def test_an_unknown_quarter_or_release_is_told_what_there_is(mirror: Mirror, quarter: str):
    with pytest.raises(
        BadInput, match=rf"no quarter or release '{quarter}'. It has 2014-07-01 \(2014-09\), 2016-10-01"
    ):
        resolve(mirror, "beer", quarter)


def test_a_long_list_is_cut(tmp_path: Path):
    rows = "".join(f"r{year},{year}-02-01,{year}-01-01,1,\n" for year in range(1990, 2026))
    (tmp_path / "releases.csv").write_text("release,cut_date,quarter,revision,note\n" + rows)
    with pytest.raises(BadInput, match=r"\(r2009\) and 16 more\."):
        resolve(open_mirror(str(tmp_path), Settings()), "beer", "1980Q1")


def test_a_folder_that_is_no_mirror_is_said_to_be_none(tmp_path: Path):
    with pytest.raises(BadInput, match=r"is not a mirror: it has no releases\.csv"):
        resolve(open_mirror(str(tmp_path / "nowhere"), Settings()), "beer")


def test_a_checksum_list_that_is_none_is_refused_with_its_line(mirror: Mirror, tmp_path: Path):
    (tmp_path / "2022-06" / "SHA256SUMS").write_text(f"{'a' * 64}  beer.stackexchange.com.7z\nd41d8cd9  short.7z\n")
    with pytest.raises(BadInput, match="SHA256SUMS, line 2 is not a checksum"):
        resolve(mirror, "beer")


def test_the_setting_names_the_mirror_where_nothing_else_does(mirror: Mirror, tmp_path: Path):
    assert resolve(open_mirror("", Settings(mirror=str(tmp_path))), "ai").release.release == "2016-10"
