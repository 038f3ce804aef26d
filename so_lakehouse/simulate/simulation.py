"""What a simulation was made with, kept beside its dumps, so that a server serves the same communities."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from so_lakehouse.errors import BadInput
from so_lakehouse.simulate.community import Community, found_community

FILE = "simulation.json"


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
        content = vars(self) | {"launch": self.launch.isoformat(), "cut": self.cut.isoformat()}
        (folder / FILE).write_text(json.dumps(content, indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Simulation:
        """Raises `BadInput` for a folder that no simulator of today has filled."""
        try:
            content = json.loads((folder / FILE).read_text("utf-8"))
        except FileNotFoundError:
            raise BadInput(
                f"{folder} has no {FILE}, so which communities its dumps tell of is not known. Fill another folder "
                "with so-lakehouse simulate dumps (without --large)."
            ) from None
        dates = {name: date.fromisoformat(content[name]) for name in ("launch", "cut")}
        return cls(**content | dates | {"sites": tuple(content["sites"])})
