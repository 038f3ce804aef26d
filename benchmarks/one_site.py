"""One small site from its dump to the marts, in new processes: seconds per layer, and what they go on

A real site where real dumps are, else a simulated one, each time into an empty lakehouse by the command line.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.options import Options, timed
from benchmarks.reader_inputs import REAL_DUMPS
from so_lakehouse.simulate.dumps import DEMO_QUARTERS, DEMO_SITES, write_mirror

COMMAND = str(Path(sys.executable).with_name("so-lakehouse"))
DBT = str(Path(sys.executable).with_name("dbt"))
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
        write_mirror(folder, DEMO_SITES[:1], DEMO_QUARTERS[:1])
    return DEMO_SITES[0], folder


def go(site: str, mirror: Path, environment: dict[str, str]) -> dict[str, float]:
    """Seconds of one run: of each layer, and in all."""
    command, said = [COMMAND, "run", "--site", site, "--mirror", str(mirror)], []

    def work() -> None:
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        said.append(done.stdout)

    whole = timed(work)
    return {layer: float(seconds) for layer, seconds in DONE.findall(said[0])} | {"in all": whole}


def run(options: Options) -> Iterator[str]:
    """The first run of a site, the same again (nothing is new), and the parts that do not depend on the site."""
    if not options.with_spark:
        yield "Left out: --without-spark."
        return
    site, mirror = mirror_of(options)
    first, again, commits = [], [], 0
    for _ in range(min(options.repeats, 3)):
        with TemporaryDirectory() as home:
            environment = os.environ | {"LAKEHOUSE_HOME": home}
            first.append(go(site, mirror, environment))
            commits = len(list(Path(home).glob("lake/silver/*/_delta_log/*.json")))
            again.append(go(site, mirror, environment))
    yield f"| {site} | first run | again |"
    yield "|---|---|---|"
    for layer in first[0]:
        medians = (statistics.median(run[layer] for run in runs) for runs in (first, again))
        yield "| " + " | ".join([layer, *(f"{seconds:.1f} s" for seconds in medians)]) + " |"
    with TemporaryDirectory() as home:
        environment = os.environ | {"LAKEHOUSE_HOME": home}

        def process(*command: str) -> float:
            return timed(lambda: subprocess.run(command, env=environment, check=True, capture_output=True))

        start, java, dbt = options.interleaved(
            lambda: process(COMMAND, "run", "--site", site, "--mirror", str(mirror), "--plan"),
            lambda: process(sys.executable, "-c", JVM),
            lambda: process(DBT, "--version"),
        )
    yield ""
    yield (
        f"Of these: {start:.1f} s start the command line and find the dump, {java:.1f} s start Spark's JVM up to its "
        f"first answer, {dbt:.1f} s start dbt without a project. Silver makes {commits} commits on a first run."
    )
    yield ""
    yield "The reader's kernel was compiled before (see the reader's start); layers are the seconds that `run` prints."
