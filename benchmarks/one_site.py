"""One small site from its dump to the marts, in new processes: seconds per layer, and what they go on

A real site where real dumps are, else a simulated one, each time into an empty lakehouse by the command line.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.options import Options, timed
from benchmarks.reader_inputs import REAL_DUMPS
from so_lakehouse.settings import PROJECT_ROOT
from so_lakehouse.simulate.dumps import DEMO_QUARTERS, DEMO_SITES, write_mirror

COMMAND = str(Path(sys.executable).with_name("so-lakehouse"))
DBT = str(Path(sys.executable).with_name("dbt"))
PROJECT = str(PROJECT_ROOT / "dbt_project")
JVM = (
    "from so_lakehouse.settings import Settings; from so_lakehouse.spark.session import open_session;"
    "open_session(Settings.from_environment()).sql('SELECT 1').collect()"
)
DONE = re.compile(r"^done +(\w+) .*? (\d+\.\d) s", re.MULTILINE)


def mirror_of(options: Options) -> tuple[str, Path]:
    """(site, mirror)"""
    if REAL_DUMPS.is_dir():
        return "beer.meta", REAL_DUMPS
    folder = options.folder / "one_site"
    if not folder.exists():
        write_mirror(folder, DEMO_SITES[:1], DEMO_QUARTERS[1:2])
    return DEMO_SITES[0], folder


def go(site: str, mirror: Path, environment: dict[str, str]) -> dict[str, float]:
    """Seconds of one run: of each layer, and in all."""
    command, said = [COMMAND, "run", "--site", site, "--mirror", str(mirror)], []

    def work() -> None:
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        said.append(done.stdout)

    whole = timed(work)
    return {layer: float(seconds) for layer, seconds in DONE.findall(said[0])} | {"in all": whole}


def commits(home: Path) -> list[tuple[float, str]]:
    """Every commit to silver in order: its moment in seconds, and its operation, as Delta's log has them."""
    found = []
    for log in home.glob("lake/silver/*/_delta_log/*.json"):
        for action in map(json.loads, log.read_text().splitlines()):
            if told := action.get("commitInfo"):
                found.append((told["timestamp"] / 1000, told["operation"]))
    return sorted(found)


def run(options: Options) -> Iterator[str]:
    """The first run of a site, the same again (nothing is new), and the parts that do not depend on the site."""
    if not options.with_spark:
        yield "Left out: --without-spark."
        return
    site, mirror = mirror_of(options)
    first, again = [], []
    committed: list[tuple[float, str]] = []
    for _ in range(min(options.repeats, 3)):
        with TemporaryDirectory() as home:
            environment = os.environ | {"LAKEHOUSE_HOME": home}
            first.append(go(site, mirror, environment))
            committed = commits(Path(home))
            again.append(go(site, mirror, environment))
    yield f"| {site} | first run | again |"
    yield "|---|---|---|"
    for layer in first[0]:
        told = (statistics.median(run[layer] for run in runs) for runs in (first, again))
        yield "| " + " | ".join([layer, *(f"{seconds:.1f} s" for seconds in told)]) + " |"
    with TemporaryDirectory() as home:
        environment = os.environ | {"LAKEHOUSE_HOME": home}

        def process(*command: str) -> float:
            return timed(lambda: subprocess.run(command, env=environment, check=True, capture_output=True))

        of_site = ("run", "--site", site, "--mirror", str(mirror))
        folders = ("--project-dir", PROJECT, "--profiles-dir", PROJECT, "--target-path", f"{home}/target")
        starts: dict[str, tuple[str, ...]] = {
            "the command line, up to the dump that it finds": (COMMAND, *of_site, "--plan"),
            "Spark's JVM, up to its first answer": (sys.executable, "-c", JVM),
            "dbt, without a project": (DBT, "--version"),
            "dbt, with the project as parsed before": (DBT, "--quiet", "parse", *folders),
        }
        medians = options.interleaved(*(partial(process, *command) for command in starts.values()))
    yield ""
    yield "| start of | seconds |"
    yield "|---|---|"
    for what, seconds in zip(starts, medians, strict=True):
        yield f"| {what} | {seconds:.1f} |"
    yield ""
    yield "| commits of silver on the last first run | how many | seconds since the commit before each |"
    yield "|---|---|---|"
    waited: defaultdict[str, float] = defaultdict(float)
    for (before, _), (moment, operation) in pairwise(committed):
        waited[operation] += moment - before
    for operation, times in Counter(operation for _, operation in committed).most_common():
        yield f"| {operation} | {times} | {waited[operation]:.1f} |"
    yield f"| in all, from the first to the last | {len(committed)} | {committed[-1][0] - committed[0][0]:.1f} |"
    yield ""
    yield "The reader's kernel was compiled before (see the reader's start); layers are the seconds that `run` prints."
