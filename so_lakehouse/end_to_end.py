"""The order of the whole way: which layer runs when, for which sites, and what a failure stops.

A failure stops its site and nothing else. Quarters of a site run in the order of their cuts; the warehouse follows once
per site, the marts once in all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from so_lakehouse.partitions import site_quarter_key
from so_lakehouse.runner import LayerRun, Runner


@dataclass(frozen=True)
class Dump:
    """One dump to take in: partition keys, in the order of cuts when in a list."""

    site: str
    quarter: str


def raw_to_marts(
    runner: Runner,
    dumps: Sequence[Dump],
    mirror: str,
    accept_shrink: bool,
    working: Callable[[str], AbstractContextManager[None]],
    finished: Callable[[LayerRun], None],
) -> list[LayerRun]:
    """Runs raw, bronze and silver per dump, then the warehouse per site, then the marts. Returns every run.

    `working(title)` wraps each run (a progress bar), `finished` hears of it at once.
    """
    runs: list[LayerRun] = []
    stopped: set[str] = set()
    config: dict[str, dict[str, Any]] = {
        "raw": {"raw__dump": {"mirror": mirror}},
        "silver": {"silver": {"accept_shrink": accept_shrink}},
    }

    def run(layer: str, site: str | None, partition: str | None) -> None:
        with working(" ".join(filter(None, (layer, partition)))):
            done = runner.run(layer, runner.keys_of(layer), partition, config.get(layer))
        runs.append(done)
        finished(done)
        if site and not done.succeeded:
            stopped.add(site)

    for dump in dumps:
        runner.add_site(dump.site)
        key = site_quarter_key(dump.site, dump.quarter)
        for layer, partition in (("raw", key), ("bronze", key), ("silver", dump.site)):
            if dump.site not in stopped:
                run(layer, dump.site, partition)
    sites = list(dict.fromkeys(dump.site for dump in dumps))
    for site in sites:
        if site not in stopped:
            run("warehouse", site, site)
    if len(stopped) < len(sites):
        run("marts", None, None)
    return runs
