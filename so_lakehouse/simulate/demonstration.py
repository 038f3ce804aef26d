"""The demo's story: which communities, which days, and who leaves in them. Its files lie below the lakehouse's home.

Belongs here: what the demo shows and remembers. Not here: carrying it out (`cli/demo.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from so_lakehouse.errors import BadInput
from so_lakehouse.progress import Progress, silent
from so_lakehouse.simulate.dumps import DEMO_PEOPLE, DEMO_QUARTERS, DEMO_SEED, DEMO_SITES, write_mirror
from so_lakehouse.simulate.living_site import LivingSite
from so_lakehouse.simulate.served import from_now_on, morning_after
from so_lakehouse.simulate.simulation import FILE, Simulation

FEWEST_DAYS = timedelta(days=4)  # that the API tells after the newest dump
A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Demonstration:
    """`user` leaves `site` on the day `left`, and `last_day` is the last that is asked for. A row is gone when a sweep
    missed it on two mornings, so the days are asked for on the last two. `now`: as LAKEHOUSE_NOW, from the second of
    them on; empty until all of it was shown."""

    site: str
    user: int
    left: date
    last_day: date
    now: str = ""

    @property
    def mornings(self) -> tuple[str, str]:
        """When days are asked for, as moments."""
        return morning_after(self.last_day - A_DAY), morning_after(self.last_day)

    def save(self, home: Path) -> None:
        content = vars(self) | {"left": self.left.isoformat(), "last_day": self.last_day.isoformat()}
        _file(home).write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def mirror_of(home: Path) -> Path:
    """The folder of the demo's dumps."""
    return home / "demo_mirror"


def prepared(home: Path, progress: Progress = silent) -> Simulation:
    """The demo's communities, their dumps written where they are not there yet.

    Dumps stay as they were landed once, whatever a later simulator would write. Raises `BadInput` for those of a
    simulator that did not serve them.
    """
    folder = mirror_of(home)
    if not (folder / "releases.csv").exists():  # written last
        write_mirror(folder, DEMO_SITES, DEMO_QUARTERS, seed=DEMO_SEED, people=DEMO_PEOPLE, progress=progress)
    elif not (folder / FILE).exists():
        raise BadInput(
            f"An earlier release has made the demo in {home}, of other communities than today's. Remove that folder, "
            "or choose another LAKEHOUSE_HOME."
        )
    return Simulation.load(folder)


def begun(home: Path, simulation: Simulation, progress: Progress = silent) -> Demonstration:
    """The demo's story, from the file or found by living it."""
    known = load(home)
    if known is None:
        known = _story(simulation, progress)
        known.save(home)
    return known


def load(home: Path) -> Demonstration | None:
    """The story of the demo in this home; None where there was none."""
    try:
        content = json.loads(_file(home).read_text("utf-8"))
    except FileNotFoundError:
        return None
    return Demonstration(**content | {name: date.fromisoformat(content[name]) for name in ("left", "last_day")})


def finished(home: Path, demonstration: Demonstration) -> None:
    """From now on the demo's clock runs, with the machine's, from the second morning on. Once: it never goes back."""
    if not demonstration.now:
        now = from_now_on(demonstration.mornings[-1])
        Demonstration(**vars(demonstration) | {"now": now}).save(home)


def _story(simulation: Simulation, progress: Progress) -> Demonstration:
    """Who is the first to leave after the newest dump that had them."""
    sites = {name: LivingSite(simulation.found(name)) for name in simulation.sites}
    for number, (name, site) in enumerate(sites.items()):
        progress(f"{name} lives until {simulation.cut}", number, len(sites))
        site.live_until(simulation.cut)
    were = {name: site.accounts for name, site in sites.items()}
    day = simulation.cut
    while not (gone := [(name, min(left)) for name, site in sites.items() if (left := were[name] - site.accounts)]):
        day += A_DAY
        for site in sites.values():
            site.live_until(day)
    name, user = gone[0]
    return Demonstration(name, user, day, max(simulation.cut + FEWEST_DAYS, day + A_DAY))


def _file(home: Path) -> Path:
    return home / "demo.json"
