"""What is meant to be true of each simulated site: roles, adoption curves, and whether the shock hits it. Data only.

The tags of `simulated-engineering` are real tags: those of its first three roles are the analyses' families (data,
software, data science), so that what tells roles by tags can be tried on it; the others' belong to none. Two sites
that people show are hit and one is spared, as the comparison needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from so_lakehouse.simulate.adoption import Curve, Turn
from so_lakehouse.simulate.careers import STAGES, Role, Stage
from so_lakehouse.simulate.shock import Shock
from so_lakehouse.simulate.topics import topic_of


@dataclass(frozen=True)
class Plan:
    """The parameters of one site's community. Replace fields (`dataclasses.replace`) for one with other answers."""

    roles: tuple[Role, ...]
    curves: Mapping[str, Curve]  # tool → how its tag is adopted
    stages: tuple[Stage, ...] = STAGES
    shock: Shock | None = None  # None: spared

    def role(self, name: str) -> Role:
        return next(role for role in self.roles if role.name == name)

    def stage(self, name: str) -> Stage:
        return next(stage for stage in self.stages if stage.name == name)

    def intended_share(self, role: str, tool: str, day: date) -> float:
        """The chance that a question asked on that day by somebody of that role carries the tool's tag."""
        return self.curves[tool].share(day) if tool in self.role(role).tools else 0.0


# The day, and roughly the size, of what the analyses look for: facts of their literature are drops of 16 to 40 %.
SHOCK = Shock(date(2022, 11, 30), {"ask": 0.40, "answer": 0.35, "comment": 0.30})


def _list(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ENGINEERING = Plan(
    roles=(
        Role(
            "software-engineer",
            0.45,
            _list("javascript java c# reactjs python node.js html css docker git spring-boot unit-testing"),
            ("angular", "typescript", "rust"),
            {"data-engineer": 0.06, "data-scientist": 0.02, "hobbyist": 0.01},
        ),
        Role(
            "data-engineer",
            0.20,
            _list("apache-spark pyspark sql airflow apache-kafka etl python google-bigquery data-warehouse parquet"),
            ("hadoop", "dbt", "duckdb"),
            {"software-engineer": 0.03, "data-scientist": 0.02},
        ),
        Role(
            "data-scientist",
            0.20,
            _list("machine-learning python scikit-learn pandas r ggplot2 deep-learning matplotlib statistics"),
            ("keras", "tensorflow", "pytorch"),
            {"data-engineer": 0.05, "software-engineer": 0.02},
        ),
        Role(
            "database-administrator",
            0.05,
            _list("postgresql sql query-performance replication window-functions backup"),
            ("pgvector",),
            {"data-engineer": 0.08},
        ),
        Role(
            "hobbyist",
            0.10,
            _list("python regex bash excel linux arrays string raspberry-pi"),
            (),
            {"software-engineer": 0.10, "data-engineer": 0.02},
        ),
    ),
    curves={
        "angular": Curve(0.20, 0.04, fall=Turn(date(2023, 1, 1), 8)),
        "typescript": Curve(0.25, 0.08, rise=Turn(date(2022, 9, 1), 7)),
        "rust": Curve(0.12, rise=Turn(date(2023, 10, 1), 6)),
        "hadoop": Curve(0.30, 0.02, fall=Turn(date(2022, 3, 1), 7)),
        "dbt": Curve(0.25, rise=Turn(date(2022, 6, 1), 5)),
        "duckdb": Curve(0.20, rise=Turn(date(2024, 3, 1), 5)),
        "keras": Curve(0.25, 0.03, fall=Turn(date(2022, 1, 1), 6)),
        "tensorflow": Curve(0.35, 0.10, rise=Turn(date(2021, 6, 1), 4), fall=Turn(date(2023, 9, 1), 6)),
        "pytorch": Curve(0.35, 0.05, rise=Turn(date(2023, 1, 1), 7)),
        "pgvector": Curve(0.25, rise=Turn(date(2023, 9, 1), 5)),
    },
    shock=SHOCK,
)

_DATABASES = Plan(
    roles=(
        Role(
            "database-administrator",
            0.40,
            _list("index query-performance replication backup locking vacuum execution-plan isolation-level collation"),
            ("sharding",),
            {"data-engineer": 0.06, "software-engineer": 0.02},
        ),
        Role(
            "data-engineer",
            0.20,
            _list("sql etl partitioning json migration window-functions query-performance"),
            ("parquet", "change-data-capture", "time-series"),
            {"database-administrator": 0.02, "software-engineer": 0.03},
        ),
        Role(
            "software-engineer",
            0.30,
            _list("sql join transactions index c# .net json null c++ migration"),
            ("full-text-search", "time-series"),
            {"data-engineer": 0.05, "database-administrator": 0.02},
        ),
        Role("hobbyist", 0.10, _list("sql join null backup index json"), (), {"software-engineer": 0.10}),
    ),
    curves={
        "sharding": Curve(0.30, 0.05, rise=Turn(date(2021, 9, 1), 4), fall=Turn(date(2023, 6, 1), 6)),
        "parquet": Curve(0.35, 0.05, rise=Turn(date(2022, 6, 1), 6)),
        "change-data-capture": Curve(0.25, rise=Turn(date(2023, 3, 1), 6)),
        "time-series": Curve(0.15, 0.03, rise=Turn(date(2023, 9, 1), 8)),
        "full-text-search": Curve(0.30, 0.03, fall=Turn(date(2022, 9, 1), 8)),
    },
    shock=SHOCK,
)

_BREWING = Plan(
    roles=(
        Role(
            "homebrewer",
            0.70,
            _list(
                "fermentation yeast recipe bottling hops carbonation stout ipa sanitation off-flavor "
                "specific-gravity wort-chilling"
            ),
            ("extract", "kveik"),
            {"professional-brewer": 0.04, "cider-maker": 0.05},
        ),
        Role(
            "professional-brewer",
            0.15,
            _list("fermentation water-chemistry mash kegging temperature-control lager hops dry-hopping oxidation"),
            ("kveik", "barrel-aging", "gluten-free"),
            {"homebrewer": 0.03},
        ),
        Role(
            "cider-maker",
            0.15,
            _list("cider mead fermentation yeast specific-gravity bottling"),
            ("sour",),
            {"homebrewer": 0.08},
        ),
    ),
    curves={
        "extract": Curve(0.30, 0.05, fall=Turn(date(2022, 6, 1), 8)),
        "kveik": Curve(0.20, rise=Turn(date(2022, 9, 1), 6)),
        "barrel-aging": Curve(0.30, 0.05, rise=Turn(date(2021, 9, 1), 4), fall=Turn(date(2023, 9, 1), 6)),
        "gluten-free": Curve(0.25, 0.05, rise=Turn(date(2023, 6, 1), 8)),
        "sour": Curve(0.25, 0.05, fall=Turn(date(2023, 1, 1), 8)),
    },
)

_GARDENING = Plan(
    roles=(
        Role(
            "gardener",
            0.75,
            _list("tomatoes soil seeds watering houseplants compost lawn pests herbs roses weeds frost bulbs"),
            ("raised-beds", "mulch"),
            {"landscaper": 0.03},
        ),
        Role(
            "landscaper",
            0.15,
            _list("lawn soil hedges drainage pruning fruit-trees fertiliser transplanting"),
            ("mulch", "greenhouse"),
            {"gardener": 0.05},
        ),
        Role("botanist", 0.10, _list("germination fungus ph grafting soil pests"), (), {"gardener": 0.02}),
    ),
    curves={
        "raised-beds": Curve(0.25, 0.05, rise=Turn(date(2022, 3, 1), 8)),
        "mulch": Curve(0.20, 0.04, fall=Turn(date(2023, 1, 1), 8)),
        "greenhouse": Curve(0.25, 0.05, rise=Turn(date(2023, 6, 1), 6)),
    },
)

PLANS: dict[str, Plan] = {
    "simulated-brewing": _BREWING,
    "simulated-databases": _DATABASES,
    "simulated-engineering": _ENGINEERING,
    "simulated-gardening": _GARDENING,
}


def plan_of(site: str) -> Plan:
    """The plan of a simulated site; an unknown key raises `BadInput` naming those there are."""
    return PLANS[topic_of(site).site]
