"""One small site's silver: a Spark of the run's own against a Spark Connect server

A real site where real dumps are, else a simulated one, each time into an empty lakehouse by the command line; local and
Connect in turn. The server is one for all runs, as a team has it.
"""

from __future__ import annotations

import os
import socket
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.one_site import go, mirror_of
from benchmarks.options import Options, timed
from so_lakehouse.settings import Settings
from so_lakehouse.stack import spark_connect
from so_lakehouse.stack.process import Supervised


@contextmanager
def server(seconds: list[float]) -> Iterator[str]:
    """The address of a server that runs for the block; its start's seconds are added to `seconds`."""
    with TemporaryDirectory(prefix="connect-") as home:
        with socket.create_server(("127.0.0.1", 0)) as one:
            port = one.getsockname()[1]
        settings = Settings(home=Path(home), stack_connect_port=port)
        supervised = Supervised(spark_connect.service(settings), settings.stack_folder / "run")
        seconds.append(timed(supervised.start))
        try:
            yield spark_connect.address(settings)
        finally:
            supervised.stop()


def run(options: Options) -> Iterator[str]:
    """The first run of a site and the same again (nothing is new), silver and in all."""
    if not options.with_spark:
        yield "Left out: --without-spark."
        return
    site, mirror = mirror_of(options)
    starts: list[float] = []
    taken: dict[str, list[list[dict[str, float]]]] = {"a Spark of its own": [], "Spark Connect": []}
    with server(starts) as remote:
        for _ in range(min(options.repeats, 3)):
            for how, address in zip(taken, ("", remote), strict=True):
                taken[how].append(twice(site, mirror, {"LAKEHOUSE_SPARK_REMOTE": address}))
    yield f"| {site} | silver, first run | silver, again | in all, first run | in all, again |"
    yield "|---|---|---|---|---|"
    for how, runs in taken.items():
        medians = [
            statistics.median(run[which][layer] for run in runs) for layer in ("silver", "in all") for which in (0, 1)
        ]
        yield "| " + " | ".join([how, *(f"{seconds:.1f} s" for seconds in medians)]) + " |"
    coldest = taken["Spark Connect"][0][0]["silver"]
    yield ""
    yield f"The server started in {starts[0]:.1f} s; the first run that it served took {coldest:.1f} s for silver."


def twice(site: str, mirror: Path, more: dict[str, str]) -> list[dict[str, float]]:
    """Seconds of the first run into an empty lakehouse, and of the same again."""
    with TemporaryDirectory() as home:
        environment = os.environ | {"LAKEHOUSE_HOME": home} | more
        return [go(site, mirror, environment) for _ in range(2)]
