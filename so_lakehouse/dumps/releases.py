"""Releases of the dump: which day each was cut on, which quarter it falls into, which revision it is.

Belongs here: reading `releases.csv`, the names of archive.org's items, and what users write for a quarter. Does not
belong here: where a mirror keeps a release's archives (`mirrors/`).

A release's quarter is the quarter that holds its cut date. Several releases can fall into one; (cut date, revision)
orders them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from so_lakehouse.errors import BadInput

COLUMNS = ("release", "cut_date", "quarter", "revision", "note")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
QUARTER = re.compile(r"(\d{4})-?[Qq]([1-4])")

# Items of archive.org: `stackexchange` is the publisher's own, overwritten with each release until 2024-04; the
# others are copies of one release each, named by a date.
SINGLE_ITEM = "stackexchange"
ITEM = re.compile(r"stackexchange_(\d{8})(?:_(\w+))?")
# A suffix that is neither here nor `rev<N>` names who uploaded the copy (`_sakura`), not a revision.
REVISION_OF_SUFFIX = {"bis": 2}
# From this release on, an item is named by its cut date. Before, by the day of publication, and the cut was on a
# Sunday before it: all cuts of 2014-2024 that are known were Sundays. Where it was not the last Sunday before, it
# stands here.
FIRST_NAMED_BY_CUT = date(2024, 6, 30)
CUT_OF_PUBLICATION = {date(2023, 9, 12): date(2023, 9, 3)}


@dataclass(frozen=True)
class Release:
    """One release of the dump. `folder` is where its mirror keeps it: a folder's name, or an item of archive.org.

    A withdrawn release is only used where it is asked for by name.
    """

    release: str
    cut_date: date
    revision: int = 1
    note: str = ""
    withdrawn: bool = False
    folder: str = ""

    @property
    def quarter(self) -> str:
        return quarter_of(self.cut_date)

    @property
    def order(self) -> tuple[str, int, str]:
        """Later is greater: ISO cut date, revision, and the name so that the order is total."""
        return self.cut_date.isoformat(), self.revision, self.release

    def __str__(self) -> str:
        revision = f" revision {self.revision}" if self.revision > 1 else ""
        return f"{self.release}{revision}{' (withdrawn)' if self.withdrawn else ''}"


def quarter_of(day: date) -> str:
    """First day of the quarter that holds the day, ISO: the key of the partition."""
    return date(day.year, (day.month - 1) // 3 * 3 + 1, 1).isoformat()


def read_quarter(text: str) -> str | None:
    """The quarter's key where the text names a quarter (`2016-10-01`, `2016Q4`), else None (it may name a release)."""
    match = QUARTER.fullmatch(text.strip())
    if match:
        return date(int(match[1]), int(match[2]) * 3 - 2, 1).isoformat()
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return None
    return day.isoformat() if quarter_of(day) == day.isoformat() else None


def read_releases(lines: Iterable[str], source: str) -> list[Release]:
    """The rows of a mirror's `releases.csv` in the order of cuts. A note that starts with "withdrawn" withdraws the
    release.

    Raises `BadInput` with the line where a row cannot be meant: a date, a revision, a name that is no folder, a
    quarter that does not hold the cut date, a release named twice.
    """
    rows = csv.DictReader(lines)
    missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
    if missing:
        raise BadInput(f"{source} lacks the columns {', '.join(missing)}; its first line must be {','.join(COLUMNS)}.")
    found: dict[str, Release] = {}
    for row in rows:
        release = _release_of_row(row, f"{source}, line {rows.line_num}")
        if release.release in found:
            raise BadInput(
                f"{source}, line {rows.line_num}: release {release.release} is named twice; "
                "a re-issue raises its revision."
            )
        found[release.release] = release
    return sorted(found.values(), key=lambda release: release.order)


def _release_of_row(row: dict[str, str], where: str) -> Release:
    name, note = (row["release"] or "").strip(), (row["note"] or "").strip()
    if not NAME.fullmatch(name):
        raise BadInput(
            f"{where}: {name!r} cannot be the name of a release; use letters, digits, dot, dash, underscore."
        )
    try:
        cut, revision = date.fromisoformat((row["cut_date"] or "").strip()), int(row["revision"] or "1")
    except ValueError as error:
        raise BadInput(f"{where}: {error}. Write cut_date as 2016-12-11 and revision as a whole number.") from None
    quarter = (row["quarter"] or "").strip()
    if quarter and quarter != quarter_of(cut):
        raise BadInput(f"{where}: a cut on {cut} lies in the quarter {quarter_of(cut)}, not {quarter}.")
    return Release(name, cut, revision, note, note.lower().startswith("withdrawn"), folder=name)


def release_of_item(identifier: str, published: date | None = None) -> Release | None:
    """The release that an item of archive.org holds; None for an item that is no dump.

    `published` is the newest date of the files of the single item, which its name does not tell.
    """
    if identifier == SINGLE_ITEM:
        return Release(published.isoformat(), cut_of_publication(published), folder=identifier) if published else None
    match = ITEM.fullmatch(identifier)
    if not match:
        return None
    try:
        day = date.fromisoformat(match[1])
    except ValueError:
        return None
    suffix = match[2] or ""
    number = re.fullmatch(r"rev(\d+)", suffix)
    revision = int(number[1]) if number else REVISION_OF_SUFFIX.get(suffix, 1)
    return Release(day.isoformat(), cut_of_publication(day), revision, folder=identifier)


def cut_of_publication(day: date) -> date:
    """The cut date of a release that archive.org names by this day (see the constants above)."""
    if day >= FIRST_NAMED_BY_CUT:
        return day
    return CUT_OF_PUBLICATION.get(day, day - timedelta(days=day.isoweekday()))
