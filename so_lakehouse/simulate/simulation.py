"""What a simulation was made with, kept beside its dumps, so that a server serves the same communities."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path

from so_lakehouse.errors import BadInput
from so_lakehouse.simulate.community import Community, found_community
from so_lakehouse.simulate.snapshot import rows_at

FILE = "simulation.json"
# A small community's first months tell one simulator from another: long enough for a new year's careers.
PROBE_PEOPLE, PROBE_LAUNCH, PROBE_DAYS = 200, date(2021, 1, 1), timedelta(days=400)


@dataclass(frozen=True)
class Simulation:
    """Communities on the eve of their launch. `cut`: of the newest dump that was written of them."""

    sites: tuple[str, ...]
    seed: int
    people: int
    launch: date
    cut: date

    def found(self, site: str) -> Community:
        """The community whose dumps lie in the mirror."""
        return found_community(site, self.seed, self.people, self.launch)

    def save(self, folder: Path) -> None:
        dates = {"launch": self.launch.isoformat(), "cut": self.cut.isoformat()}
        content = vars(self) | dates | {"simulator": simulator(self.sites)}
        (folder / FILE).write_text(json.dumps(content, indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Simulation:
        """Raises `BadInput` for a folder that the simulator of today has not filled: it would let other people live."""
        try:
            content = json.loads((folder / FILE).read_text("utf-8"))
        except FileNotFoundError:
            raise BadInput(
                f"{folder} has no {FILE}, so which communities its dumps tell of is not known. Fill another folder "
                "with so-lakehouse simulate dumps (without --large)."
            ) from None
        if content.pop("simulator", "") != simulator(content["sites"]):
            raise BadInput(
                f"The dumps in {folder} are of communities that an earlier release simulated, and today's would go on "
                "otherwise. Fill another folder with so-lakehouse simulate dumps. Of a demo, remove the lakehouse's "
                "folder or choose another LAKEHOUSE_HOME; to go on there without a simulation set LAKEHOUSE_MIRROR."
            )
        dates = {name: date.fromisoformat(content[name]) for name in ("launch", "cut")}
        return cls(**content | dates | {"sites": tuple(content["sites"])})


def simulator(sites: Iterable[str]) -> str:
    """What tells today's simulator of these sites from one under which they would fare otherwise."""
    return hashlib.sha256("".join(map(_fared, sites)).encode()).hexdigest()[:16]


@cache
def _fared(site: str) -> str:
    day = PROBE_LAUNCH + PROBE_DAYS
    return str(rows_at(found_community(site, 1, PROBE_PEOPLE, PROBE_LAUNCH).live_until(day), day))
