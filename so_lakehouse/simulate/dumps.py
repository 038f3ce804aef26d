"""A mirror of simulated releases: archives, checksums, `releases.csv`, and the truth beside them.

    <folder>/releases.csv                                release, cut_date, quarter, revision, note
    <folder>/<release>/<site>.stackexchange.com.7z
    <folder>/<release>/SHA256SUMS                        as `sha256sum` writes it
    <folder>/truth.json                                  what the archives hold (`truth`)
    <folder>/simulation.json                             what the communities were made with (`simulation`)
    <folder>/truth/<site>/                               what analyses should find (`known_answers`)

The world at a cut depends on site, seed, people, launch and plan only, so a mirror that gets a further quarter keeps
every byte of the older ones. The folder belongs to the simulator: what it writes replaces what was there.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
from so_lakehouse.simulate.known_answers import write_known_answers
from so_lakehouse.simulate.plans import Plan
from so_lakehouse.simulate.quirks import Quirks, note, quirks_at
from so_lakehouse.simulate.simulation import FILE as SIMULATION_FILE
from so_lakehouse.simulate.simulation import Simulation
from so_lakehouse.simulate.snapshot import Row, rows_at
from so_lakehouse.simulate.topics import topic_of
from so_lakehouse.simulate.truth import Truth, truth_of
from so_lakehouse.simulate.world import COMMUNITY

DEMO_SITES = ("simulated-brewing", "simulated-databases", "simulated-engineering")
DEMO_QUARTERS = ("2025-04-01", "2025-07-01", "2025-10-01")
DEMO_PEOPLE = 200  # a site's size costs each of the demo's waves seconds
# One with which somebody leaves in the days after the last quarter: whoever changes what people do looks for another,
# because the demo asks for days until somebody has left (`demonstration`).
DEMO_SEED = 3
FEWEST_PEOPLE = 10
LAUNCH = date(2021, 1, 1)


COLUMNS = ("release", "cut_date", "quarter", "revision", "note")


@dataclass(frozen=True)
class Release:
    """A simulated release: cut at the end of its quarter and named after that day."""

    quarter: str
    revision: int
    quirks: Quirks
    packing: Packing

    @property
    def cut(self) -> date:
        return cut_of(self.quarter)

    @property
    def name(self) -> str:
        return self.cut.isoformat() + (f"_rev{self.revision}" if self.revision > 1 else "")

    @property
    def line(self) -> tuple[str, ...]:
        """As it stands in `releases.csv`, under `COLUMNS`."""
        remarks = f"{note(self.quirks)}; {self.packing.note}"
        return (self.name, self.cut.isoformat(), self.quarter, str(self.revision), remarks)


def write_mirror(
    folder: Path,
    sites: Sequence[str] = DEMO_SITES,
    quarters: Sequence[str] = DEMO_QUARTERS,
    *,
    seed: int = 1,
    people: int = DEMO_PEOPLE,
    launch: date = LAUNCH,
    reissued: Sequence[str] = (),
    packing: Packing = LZMA2_PER_TABLE,
    quirks: Mapping[str, Quirks] | None = None,
    plans: Mapping[str, Plan] | None = None,
    progress: Progress = silent,
) -> Truth:
    """Writes a mirror; returns what is true of it, also kept in `truth.json`. The same arguments give the same bytes.

    `quarters` are keys such as 2025-07-01, `people` is each site's size two years after `launch`, `quirks` replaces the
    publisher's spelling of a quarter, `plans` what is meant to be true of a site; a quarter in `reissued` is published
    twice, the second time without quirks.
    Raises `BadInput` for unknown sites and for quarters that end before the launch.
    """
    if people < FEWEST_PEOPLE:
        raise BadInput(f"A simulated site needs at least {FEWEST_PEOPLE} people, not {people}.")
    for site in sites:
        topic_of(site)  # an unknown one is refused before anything is written
    releases = []
    for quarter in sorted(set(quarters)):
        if cut_of(quarter) < launch:
            raise BadInput(
                f"Quarter {quarter} ends before the simulated sites' launch on {launch}; choose a later one."
            )
        releases.append(Release(quarter, 1, (quirks or {}).get(quarter) or quirks_at(cut_of(quarter)), packing))
        if quarter in reissued:
            releases.append(Release(quarter, 2, Quirks(), packing))
    truth: Truth = {release.name: {} for release in releases}
    for site in sites:
        community = found_community(site, seed, people, launch, (plans or {}).get(site))
        before: dict[str, list[Row]] | None = None
        for done, release in enumerate(releases):
            progress(f"{site} {release.name}", done, len(releases))
            rows = rows_at(community.live_until(release.cut), release.cut)
            truth[release.name][site] = truth_of(rows, before, release.quirks)
            before = rows
            target = folder / release.name / f"{site}.stackexchange.com.7z"
            _write_archive(target, _as_published(rows, release, f"{seed}/{site}/{release.name}"), release)
        write_known_answers(folder / "truth" / site, community)
    for release in releases:
        write_checksums(folder / release.name)
    if plans is None:  # others are not in that file, and would be served as something else
        Simulation(tuple(sites), seed, people, launch, releases[-1].cut).save(folder)
    else:
        (folder / SIMULATION_FILE).unlink(missing_ok=True)
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
        writer.writerow(COLUMNS)
        writer.writerows(release.line for release in sorted(releases, key=lambda each: (each.cut, each.revision)))
    part.replace(folder / "releases.csv")


def _as_published(rows: dict[str, list[Row]], release: Release, seed: str) -> dict[str, list[Row]]:
    """The rows as the publisher would hand them out: fabricated posts among them, and in whatever order."""
    posts = list(rows["posts"])
    if release.quirks.fabricated_posts:
        posts += fabricated_posts(release.cut)
    if not release.quirks.posts_by_id:
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


def _write_archive(target: Path, rows: dict[str, list[Row]], release: Release) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".writing-", dir=target.parent) as scratch:
        files = []
        for name, table in TABLES.items():
            files.append(Path(scratch, table.file))
            write_dump_file(files[-1], table, rows[name], release.quirks)
        if release.quirks.licence_comment:
            files.append(Path(scratch, "license.txt"))
            files[-1].write_text("\n".join(LICENCE_COMMENT[1:-1]) + "\n", "utf-8")
        pack(files, target, release.packing, stamp=datetime.combine(release.cut, time.max, UTC).timestamp())
