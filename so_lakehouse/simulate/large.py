"""A mirror with one site of any size, for benchmarks; what is in it comes from `large_site`, row by row, in constant
memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory

from so_lakehouse.errors import BadInput
from so_lakehouse.progress import Progress, silent
from so_lakehouse.schema import TABLES
from so_lakehouse.simulate.archive import LZMA2_PER_TABLE, Packing, pack
from so_lakehouse.simulate.dump_file import write_dump_file
from so_lakehouse.simulate.dumps import DEMO_QUARTERS, Release, cut_of, write_checksums, write_releases
from so_lakehouse.simulate.large_site import BLOCK, LargeSite
from so_lakehouse.simulate.quirks import Quirks
from so_lakehouse.simulate.truth import TableTruth, Truth

LAUNCH = date(2023, 10, 1)  # its own: numbers that were measured speak of these bytes


def write_large_mirror(
    folder: Path,
    posts: int,
    quarters: Sequence[str] = DEMO_QUARTERS[:1],
    *,
    site: str = "simulated-databases",
    seed: int = 1,
    tables: Sequence[str] = tuple(TABLES),
    launch: date = LAUNCH,
    packing: Packing = LZMA2_PER_TABLE,
    quirks: Quirks = Quirks(),  # noqa: B008  # frozen
    progress: Progress = silent,
) -> Truth:
    """Writes a mirror whose first quarter has about `posts` posts; returns how many rows they hold, as `truth.json`.

    `tables` limits the archives to some of the tables. The XML lies beside the archive while that is packed. The same
    arguments give the same bytes. Raises `BadInput` for an unknown site, a quarter that is none, or too few posts.
    """
    if posts < BLOCK:
        raise BadInput(f"A large site needs at least {BLOCK} posts, not {posts}.")
    quarters = sorted(set(quarters))
    large = LargeSite(site, seed, posts, [cut_of(quarter) for quarter in quarters], launch)
    rows_of = {
        "posts": large.posts,
        "users": large.users,
        "comments": large.comments,
        "votes": large.votes,
        "badges": large.badges,
        "post_links": large.post_links,
        "tags": large.tags,
        "post_history": large.post_history,
    }
    releases = [Release(quarter, 1, quirks, packing) for quarter in quarters]
    truth: Truth = {}
    for place, release in enumerate(releases):
        target = folder / release.name
        target.mkdir(parents=True, exist_ok=True)
        counts: dict[str, TableTruth] = {}
        with TemporaryDirectory(prefix=".writing-", dir=target) as scratch:
            files = []
            for done, name in enumerate(tables):
                progress(f"{site} {release.name} {name}", done, len(tables))
                files.append(Path(scratch, TABLES[name].file))
                rows = write_dump_file(files[-1], TABLES[name], rows_of[name](place), quirks)
                counts[name] = {"rows_in_file": rows}
            stamp = datetime.combine(release.cut, time.max, UTC).timestamp()
            pack(files, target / f"{site}.stackexchange.com.7z", packing, stamp)
        write_checksums(target)
        truth[release.name] = {site: counts}
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", "utf-8")
    write_releases(folder, releases)
    return truth
