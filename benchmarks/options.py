"""What all benchmarks are told, and how they time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from so_lakehouse.dumps.streams import usable_cores


@dataclass(frozen=True)
class Options:
    """`folder`: for inputs, which are made once and used again; `megabytes`: XML of the largest input; `most_posts`:
    rows of the largest simulated site."""

    folder: Path
    megabytes: int
    repeats: int
    with_spark: bool
    most_posts: int

    @staticmethod
    def cores() -> int:
        return usable_cores()

    def interleaved(self, *runs: Callable[[], float]) -> list[float]:
        """The median seconds of each, run in turn, so that a change in the machine's load touches all of them."""
        seconds: list[list[float]] = [[] for _ in runs]
        for _ in range(self.repeats):
            for taken, run in zip(seconds, runs, strict=True):
                taken.append(run())
        return [statistics.median(taken) for taken in seconds]


def timed(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
