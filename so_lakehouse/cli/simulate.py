"""`so-lakehouse simulate`: dumps of simulated communities, and the API that they live on behind."""

from __future__ import annotations

import argparse
import shlex
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from so_lakehouse.errors import BadInput
from so_lakehouse.simulate.archive import LZMA2_PER_TABLE, SOLID_BZIP2, Packing
from so_lakehouse.simulate.dumps import (
    DEMO_PEOPLE,
    DEMO_QUARTERS,
    DEMO_SEED,
    DEMO_SITES,
    LAUNCH,
    cut_of,
    write_mirror,
)
from so_lakehouse.simulate.large import write_large_mirror
from so_lakehouse.simulate.quirks import Quirks, changed, quirks_at
from so_lakehouse.simulate.served import SimulationServer, from_now_on, morning_after
from so_lakehouse.simulate.simulation import FILE, Simulation

PACKINGS = {"lzma2": LZMA2_PER_TABLE, "bzip2": SOLID_BZIP2}
DEMO = Simulation(DEMO_SITES, DEMO_SEED, DEMO_PEOPLE, LAUNCH, cut_of(DEMO_QUARTERS[-1]))
DAYS = timedelta(days=7)  # that have closed since the newest dump, where nobody says what time it is


def main(arguments: argparse.Namespace) -> int:
    return write_dumps(arguments) if arguments.action == "dumps" else serve(arguments)


def write_dumps(arguments: argparse.Namespace) -> int:
    """Writes the mirror and prints what it holds. A folder that has dumps keeps its communities unless told
    otherwise."""
    out, packing, quarters = arguments.out, packing_of(arguments), arguments.quarters or DEMO_QUARTERS
    known = Simulation.load(out) if (out / FILE).exists() else DEMO
    sites = arguments.sites or known.sites
    seed = known.seed if arguments.seed is None else arguments.seed
    if arguments.large is None:
        people = known.people if arguments.users is None else arguments.users
        truth = write_mirror(
            out,
            sites,
            quarters,
            seed=seed,
            people=people,
            launch=known.launch,
            reissued=arguments.reissued or (),
            packing=packing,
            quirks={quarter: changed(quirks_at(cut_of(quarter)), arguments.quirk) for quarter in quarters},
        )
    else:
        fast = replace(packing, level=1)
        quirks = changed(Quirks(), arguments.quirk)
        truth = write_large_mirror(
            out, arguments.large, quarters, site=sites[0], seed=seed, packing=fast, quirks=quirks
        )
    for release, by_site in truth.items():
        for site, tables in by_site.items():
            counts = ", ".join(f"{name} {table['rows_in_file']:,}" for name, table in tables.items())
            print(f"{release} {site}: {counts}")
    return 0


def packing_of(arguments: argparse.Namespace) -> Packing:
    """As the publisher packed in the era of that method, or solid or not as it is said."""
    packing = PACKINGS[arguments.packing]
    return packing if arguments.solid is None else replace(packing, solid=arguments.solid)


def serve(arguments: argparse.Namespace) -> int:
    """Serves until it is interrupted."""
    simulation = Simulation.load(arguments.mirror)
    now = arguments.now or morning_after(simulation.cut + DAYS)
    try:
        server = SimulationServer(simulation, now if "@" in now else from_now_on(now), arguments.port)
    except (OSError, OverflowError) as error:
        raise BadInput(f"Port {arguments.port} of this machine is not to be had: {error}. Choose another.") from error
    settings = {"LAKEHOUSE_MIRROR": str(arguments.mirror.resolve())} | server.settings
    print(f"SIMULATED: {', '.join(simulation.sites)}. Until Ctrl-C. For the shell that uses them:\n")
    print("\n".join(exports(settings)))
    print(f"\nTheir state, another moment, faults: {server.page} (so-lakehouse simulate serve --help)", flush=True)
    with server, suppress(KeyboardInterrupt):
        server.serve_forever()
    return 0


def exports(settings: dict[str, str]) -> list[str]:
    """Lines for a shell."""
    return [f"  export {name}={shlex.quote(value)}" for name, value in settings.items()]
