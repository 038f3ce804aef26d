"""Silver: what converging costs, by the size of the site

Simulated posts with bodies, each site in a process of its own with the default settings; Java's start is not counted.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from benchmarks.options import Options
from so_lakehouse.simulate.dumps import DEMO_QUARTERS
from so_lakehouse.simulate.large import write_large_mirror

SIZES = (250_000, 1_000_000, 4_000_000)
CHANGED_ON_A_DAY = 1_500
# Times the seconds, at the largest size.
TO_REACH = {"day, newest keys": 2, "day, spread tail": 4, "day, spread tail, files in order of keys": 4}


def site_of(posts: int, options: Options) -> dict[str, Any]:
    """What each step of `silver_once.py` took at this size."""
    mirror = options.folder / f"posts-{posts}"
    if not (mirror / "releases.csv").exists():
        write_large_mirror(mirror, posts, DEMO_QUARTERS[-2:], tables=("posts",))
    home = options.folder / "silver_home"
    shutil.rmtree(home, ignore_errors=True)
    command = [sys.executable, "-m", "benchmarks.silver_once", str(mirror), str(home), str(CHANGED_ON_A_DAY)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    shutil.rmtree(home)
    return json.loads(done.stdout.splitlines()[-1])


def run(options: Options) -> Iterator[str]:
    """A full first merge, the next quarter's, a run without news, two kinds of a day's changes, and maintenance."""
    if not options.with_spark:
        yield "Left out: --without-spark."
        return
    sizes = [posts for posts in SIZES if posts <= options.most_posts] or [options.most_posts]
    found = {posts: site_of(posts, options) for posts in sizes}
    yield "| step | posts | seconds | rows/s | bytes written | of the table | peak memory |"
    yield "|---|---|---|---|---|---|---|"
    for name in found[sizes[0]]:
        for steps in found.values():
            step = steps[name]
            rate = f"{step['taken_in'] / step['seconds']:,.0f}" if step["taken_in"] else "-"
            yield (
                f"| {name} | {step['rows']:,} | {step['seconds']:.1f} | {rate} "
                f"| {step['written'] / 1e6:,.1f} MB | {step['written'] / step['table']:.1%} "
                f"| {step['peak_mib']:,.0f} MiB |"
            )
    smallest, largest = found[sizes[0]], found[sizes[-1]]
    yield ""
    for name, limit in TO_REACH.items() if len(sizes) > 1 else ():
        ratio, size = largest[name]["seconds"] / smallest[name]["seconds"], sizes[-1] / sizes[0]
        yield f"{name}: {ratio:.1f} times the seconds at {size:.0f} times the size (to reach at 16 times: {limit})."
    yield ""
    yield (
        f"One run each. Rows/s are rows of evidence taken in. A day changes {CHANGED_ON_A_DAY:,} questions: all among "
        "the newest hundredth of the keys, or half of them anywhere. Bytes written are data files, change feed and "
        "deletion vectors."
    )
