"""A mirror of simulated releases: archives, checksums, `releases.csv`, and the truth beside them.

    <folder>/releases.csv                                release, cut_date, quarter, revision, note
    <folder>/<release>/<site>.stackexchange.com.7z
    <folder>/<release>/SHA256SUMS                        as `sha256sum` writes it
    <folder>/truth.json                                  what the archives hold (`truth`)

The world at a cut depends on site, seed, people and launch only, so a mirror that gets a further quarter keeps every
byte of the older ones. The folder belongs to the simulator: what it writes replaces what was there.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from so_lakehouse.errors import BadInput
from so_lakehouse.progress import Progress, silent
from so_lakehouse.schema import FABRICATED_POST_IDS, TABLES
from so_lakehouse.simulate.archive import LZMA2_PER_TABLE, Packing, pack
from so_lakehouse.simulate.community import found_community
from so_lakehouse.simulate.dump_file import LICENCE_COMMENT, write_dump_file
from so_lakehouse.simulate.quirks import Quirks, note, quirks_at
from so_lakehouse.simulate.snapshot import Row, rows_at
from so_lakehouse.simulate.truth import Truth, truth_of
from so_lakehouse.simulate.world import COMMUNITY

DEMO_SITES = ("simulated-brewing", "simulated-databases")
DEMO_QUARTERS = ("2025-07-01", "2025-10-01")
DEMO_PEOPLE = 400
LAUNCH = date(2023, 10, 1)


@dataclass(frozen=True)
class Release:
    """One line of `releases.csv`. A simulated release is cut at the end of its quarter and named after that day."""

    release: str
    cut_date: date
    quarter: str
    revision: int
    note: str


def write_mirror(
    folder: Path,
    sites: Sequence[str] = DEMO_SITES,
    quarters: Sequence[str] = DEMO_QUARTERS,
    *,
    seed: int = 1,
    people: int = DEMO_PEOPLE,
    launch: date = LAUNCH,
    packing: Packing = LZMA2_PER_TABLE,
    quirks: Mapping[str, Quirks] | None = None,
    progress: Progress = silent,
) -> Truth:
    """Writes a mirror; returns what is true of it, also kept in `truth.json`. The same arguments give the same bytes.

    `quarters` are keys such as 2025-07-01, `people` is each site's size two years after `launch`, `quirks` replaces the
    publisher's spelling of a quarter. Raises `BadInput` for unknown sites and for quarters that end before the launch.
    """
    quarters = sorted(set(quarters))
    spelling = {quarter: (quirks or {}).get(quarter) or quirks_at(cut_of(quarter)) for quarter in quarters}
    for quarter in quarters:
        if cut_of(quarter) < launch:
            raise BadInput(
                f"Quarter {quarter} ends before the simulated sites were launched on {launch}; choose a later one."
            )
    releases = [_release(quarter, spelling[quarter], packing) for quarter in quarters]
    snapshots: dict[tuple[str, str], dict[str, list[Row]]] = {}
    for site in sites:
        community = found_community(site, seed, people, launch)
        for done, release in enumerate(releases):
            progress(f"{site} {release.release}", done, len(releases))
            rows = rows_at(community.live_until(release.cut_date), release.cut_date)
            snapshots[site, release.release] = rows
            published = _as_published(rows, spelling[release.quarter], release, f"{seed}/{site}/{release.release}")
            target = folder / release.release / f"{site}.stackexchange.com.7z"
            _write_archive(target, published, spelling[release.quarter], packing, release.cut_date)
    for release in releases:
        write_checksums(folder / release.release)
    truth = truth_of(snapshots, spelling={release.release: spelling[release.quarter] for release in releases})
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", "utf-8")
    write_releases(folder, releases)
    return truth


def cut_of(quarter: str) -> date:
    """The last day of a quarter given by its first; `BadInput` for what is no quarter's first day."""
    try:
        first = date.fromisoformat(quarter)
    except ValueError:
        first = date.min
    if first.day != 1 or first.month % 3 != 1 or first == date.min:
        raise BadInput(f"{quarter!r} is not a quarter. Write its first day, such as 2025-07-01.")
    return (first + timedelta(days=95)).replace(day=1) - timedelta(days=1)


def write_checksums(release_folder: Path) -> None:
    """`SHA256SUMS` of a release's archives."""
    lines = []
    for archive in sorted(release_folder.glob("*.7z")):
        with archive.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {archive.name}\n")
    (release_folder / "SHA256SUMS").write_text("".join(lines), "ascii")


def write_releases(folder: Path, releases: Iterable[Release]) -> None:
    """`releases.csv`, in order of the cut; written last, so that a listed release is whole."""
    part = folder / "releases.csv.part"
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([entry.name for entry in fields(Release)])
        writer.writerows(
            astuple(release) for release in sorted(releases, key=lambda each: (each.cut_date, each.revision))
        )
    part.replace(folder / "releases.csv")


def _release(quarter: str, quirks: Quirks, packing: Packing) -> Release:
    cut = cut_of(quarter)
    return Release(cut.isoformat(), cut, quarter, 1, f"{note(quirks)}; {packing.note}")


def _as_published(rows: dict[str, list[Row]], quirks: Quirks, release: Release, seed: str) -> dict[str, list[Row]]:
    """The rows as the publisher would hand them out: fabricated posts among them, and in whatever order."""
    posts = list(rows["posts"])
    if quirks.fabricated_posts:
        posts += fabricated_posts(release.cut_date)
    if not quirks.posts_by_id:
        Random(seed).shuffle(posts)
    return {**rows, "posts": posts}


def fabricated_posts(cut: date) -> list[Row]:
    """A question and an answer that nobody wrote, as in the dumps of 2025-06-30."""
    question, answer = sorted(FABRICATED_POST_IDS)
    moment = datetime.combine(cut.replace(day=1), time(1, 2, 3))
    base: Row = {
        "CreationDate": moment,
        "LastActivityDate": moment,
        "Score": 0,
        "OwnerUserId": COMMUNITY,
        "CommentCount": 0,
    }
    return [
        {
            **base,
            "Id": question,
            "PostTypeId": 1,
            "Title": "Nobody asked this",
            "Body": "<p>Nobody.</p>\n",
            "AnswerCount": 1,
        },
        {**base, "Id": answer, "PostTypeId": 2, "ParentId": question, "Body": "<p>Nobody.</p>\n"},
    ]


def _write_archive(target: Path, rows: dict[str, list[Row]], quirks: Quirks, packing: Packing, cut: date) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".writing-", dir=target.parent) as scratch:
        files = []
        for name, table in TABLES.items():
            files.append(Path(scratch, table.file))
            write_dump_file(files[-1], table, rows[name], quirks)
        if quirks.licence_comment:
            files.append(Path(scratch, "license.txt"))
            files[-1].write_text("\n".join(LICENCE_COMMENT[1:-1]) + "\n", "utf-8")
        pack(files, target, packing, stamp=datetime.combine(cut, time.max, UTC).timestamp())
