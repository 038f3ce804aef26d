"""The API's quota: what it takes to keep 10, 100 and all sites current, and which of them fit into a day's requests

Belongs here: the tables, and from what a measured community took to what a site of another size takes. Not here: the
measuring (`quota_morning.py`), the sizes of the network's sites (`quota_network.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.options import Options
from benchmarks.quota_morning import DAYS, MONTHS, PURPOSES, Morning, morning
from benchmarks.quota_network import ARCHIVE_BYTES, QUESTIONS_A_MONTH, Size, main_sites, network, rank_of
from so_lakehouse.api.budget import REASK, REQUESTS_PER_SECOND, SWEEP, Budget
from so_lakehouse.api.by_ids import BATCH_IDS
from so_lakehouse.api.candidates import ASKED_FOR
from so_lakehouse.api.reply import Reply
from so_lakehouse.clock import Clock
from so_lakehouse.lake.api_raw import WINDOW
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.settings import Settings

PEOPLE = (200, 2_000, 20_000, 100_000)
MOST_PEOPLE = 1_000_000  # whose windows alone are asked for
QUOTAS = {"with a key": 10_000, "without": 300}
RANKS = (1, 2, 3, 5, 10, 20, 50, 100)
QUARTER_DAYS = 91  # after which the next dump tells which rows are gone


def run(options: Options) -> Iterator[str]:
    mornings = [_measured(people, MONTHS) for people in PEOPLE] + [_measured(MOST_PEOPLE, DAYS)]
    yield from _measured_table(mornings)
    count = main_sites()
    networks = {year: network(year, count) for year in QUESTIONS_A_MONTH}
    yield from _assumption(networks)
    yield from _networks_table(mornings, networks)
    yield from _windows_table(mornings, networks)
    yield from _shares_table(mornings, networks, options.folder)
    yield from _ranks_table(mornings, networks, options.folder)


def requests_of(mornings: Sequence[Morning], purpose: str, entity: str, questions: float) -> float:
    """Requests a day of a site with so many questions a day: between the measured communities; above the largest in
    proportion to it."""
    told = sorted((m.questions, m.requests[purpose][entity]) for m in mornings if purpose in m.requests)
    sizes, requests = zip(*told, strict=True)
    if questions > sizes[-1]:
        return requests[-1] * questions / sizes[-1]
    return float(np.interp(questions, sizes, requests))


def cost(mornings: Sequence[Morning], size: Size) -> dict[str, dict[str, float]]:
    """Purpose → entity → requests of one day; of the sweep all rows, whenever they are asked for."""
    found = {
        purpose: {entity: requests_of(mornings, purpose, entity, size.questions) for entity in ENTITIES}
        for purpose in (WINDOW, REASK)
    }
    return found | {SWEEP: {entity: -(-rows // BATCH_IDS) for entity, rows in size.rows.items()}}


def brought(size: Size) -> dict[str, float]:
    """Entity → requests for all rows that pages have brought by the end of a quarter: a sweep asks for them first."""
    questions = size.questions * QUARTER_DAYS
    return {entity: questions * rows / size.rows["questions"] / BATCH_IDS for entity, rows in size.rows.items()}


@dataclass(frozen=True)
class Share:
    """A purpose's share of the quota, divided evenly. `allowance`: requests a day for one entity of one site; `asked`:
    what all sites ask of it within their allowances, as a part of it, so above 1 not all of them get theirs."""

    allowance: int
    asked: float

    def days(self, requests: Mapping[str, float], before: Mapping[str, float] | None = None) -> int:
        """Until all of these are asked for; entities share nothing, so the one that takes longest decides. `before`:
        requests of every day that come first, as far as half of the allowance (`candidates.to_sweep`)."""
        first = {entity: min((before or {}).get(entity, 0), self.allowance / 2) for entity in requests}
        longest = max(needed / (self.allowance - first[entity]) for entity, needed in requests.items())
        return max(math.ceil(longest * max(self.asked, 1)), 1)


def share_of(budget: Budget, purpose: str, needed: Sequence[Mapping[str, float]]) -> Share:
    """The share among sites that need so many requests of each entity."""
    allowance = budget.allowance(purpose, len(needed) * len(ASKED_FOR[purpose]))
    asked = sum(min(math.ceil(requests), allowance) for site in needed for requests in site.values())
    return Share(allowance, asked * 100 / ((budget.quota().maximum or 0) * budget.shares[purpose]))


def fitting(requests: Sequence[float], room: float) -> int:
    """How many of these, taken in order, fit into the room."""
    return int(np.searchsorted(np.cumsum(requests), room, side="right"))


def _measured(people: int, age: int) -> Morning:
    with TemporaryDirectory(prefix="quota-") as home:
        return morning(Path(home), people, age)


def _measured_table(mornings: Sequence[Morning]) -> Iterator[str]:
    yield "The morning after a working day at a simulated community, by size: requests, counted."
    yield ""
    yield (
        "| questions a day | rows in the windows: questions, answers, comments, users | windows | asking again "
        "| one whole sweep | waiting for the pace, s | CPU, s |"
    )
    yield "|---|---|---|---|---|---|---|"
    for found in mornings:
        rows = ", ".join(f"{found.rows[entity]:,}" for entity in ENTITIES)
        counts = " | ".join(f"{found.total(p):,}" if p in found.requests else "-" for p in PURPOSES)
        yield f"| {found.questions:,.1f} | {rows} | {counts} | {found.seconds:,.1f} | {found.cpu_seconds:,.1f} |"
    busiest = mornings[-1]
    a_row = sum(busiest.rows.values()) / busiest.total(WINDOW)
    yield ""
    yield (
        f"A quiet day takes {mornings[0].total(WINDOW)} requests, one for each order of each method. At the busiest a "
        f"request brings {a_row:.0f} rows of the windows, so a large site with N questions, answers, comments and "
        f"users in its day takes about N / {a_row:.0f} requests. By id a request asks for {BATCH_IDS} rows. The pace "
        f"is {REQUESTS_PER_SECOND} requests a second; the API's own time to answer and its backoffs come on top."
    )
    yield ""


def _assumption(networks: dict[int, list[Size]]) -> Iterator[str]:
    sites = networks[2025]
    count, share = len(sites), sites[0].posts / sum(size.posts for size in sites)
    ranks = ", ".join(f"{name} {rank_of(size, count)}" for name, size in ARCHIVE_BYTES.items())
    years = ", ".join(f"{per_month:,} a month in {year}" for year, per_month in QUESTIONS_A_MONTH.items())
    yield (
        f"**The network is an assumption**: {count} main sites, without their metas. Stack Overflow has "
        f"{sites[0].posts:,} posts and {share:.0%} of the network's, its share of the archives' bytes in 2026-06; of "
        "the rest the k-th largest site has a part that goes by 1/k. Archives of known size get these ranks by it: "
        f"{ranks} (above {count}: smaller than the law's last, so it overstates small sites). Every site is as busy "
        f"for its posts as Stack Overflow, whose questions were {years}; sites that fell less lie between the two. "
        "Comments and users per post are those of Stack Overflow's dump for it, of three small dumps for the others."
    )
    yield ""


def _networks_table(mornings: Sequence[Morning], networks: dict[int, list[Size]]) -> Iterator[str]:
    yield (
        "| sites | as busy as in | windows a day | and asking again all young posts | minutes of both at "
        f"{REQUESTS_PER_SECOND} requests a second | one whole sweep |"
    )
    yield "|---|---|---|---|---|---|"
    for year, sites in networks.items():
        for name, some in (_parts(sites) | {"all but the largest": sites[1:]}).items():
            windows, again, sweep = (_total(mornings, some, purpose) for purpose in PURPOSES)
            minutes = (windows + again) / REQUESTS_PER_SECOND / 60
            yield f"| {name} | {year} | {windows:,.0f} | {windows + again:,.0f} | {minutes:,.1f} | {sweep:,.0f} |"
    yield ""


def _windows_table(mornings: Sequence[Morning], networks: dict[int, list[Size]]) -> Iterator[str]:
    usual = Settings()
    kept = usual.api_reserve + usual.api_reask + usual.api_sweep
    yield (
        f"**Windows.** By the default settings they have at least {100 - kept} % of the quota: {usual.api_reserve} % "
        "are a reserve, and what asking again and the sweep leave of their shares is theirs too."
    )
    yield ""
    yield "| quota | windows have | as busy as in | all sites need | fit, from the largest | fit, from the smallest |"
    yield "|---|---|---|---|---|---|"
    for name, maximum in QUOTAS.items():
        room = maximum * (100 - kept) / 100
        for year, sites in networks.items():
            needed = [_total(mornings, [size], WINDOW) for size in sites]
            fits = f"{fitting(needed, room)} | {fitting(needed[::-1], room)}"
            yield f"| {maximum:,} {name} | {room:,.0f} | {year} | {sum(needed):,.0f} | {fits} |"
    yield ""


def _shares_table(mornings: Sequence[Morning], networks: dict[int, list[Size]], folder: Path) -> Iterator[str]:
    yield (
        "**Asking again, and the sweep.** Each has a share of the quota, divided evenly among the sites and the "
        f"entities that it asks for ({_entities(REASK)}, and {_entities(SWEEP)}): so many requests a day for each "
        "entity of a site. Where all together ask for more than the share, "
        "each is taken to get its part of it."
    )
    yield ""
    yield (
        "| quota | sites in silver | as busy as in | for each entity: again, sweep | used of the share for asking "
        "again | all young posts every day at | … up to questions a day | a whole sweep within a quarter at |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for name, maximum in QUOTAS.items():
        for year, sites in networks.items():
            for some_name, some in _parts(sites).items():
                costs = [cost(mornings, size) for size in some]
                again, sweep = _shares(folder, name, costs)
                daily = [size for size, told in zip(some, costs, strict=True) if again.days(told[REASK]) <= 1]
                turns = (sweep.days(told[SWEEP], brought(size)) for size, told in zip(some, costs, strict=True))
                swept = sum(days <= QUARTER_DAYS for days in turns)
                most = f"{daily[0].questions:,.1f}" if daily else "-"
                yield (
                    f"| {maximum:,} {name} | {some_name} | {year} | {again.allowance}, {sweep.allowance} "
                    f"| {min(again.asked, 1):.0%} | {len(daily)} | {most} | {swept} |"
                )
    yield ""


def _ranks_table(mornings: Sequence[Morning], networks: dict[int, list[Size]], folder: Path) -> Iterator[str]:
    years, count = (2025, 2022), len(networks[2025])
    costs = {year: [cost(mornings, size) for size in sites] for year, sites in networks.items()}
    shares = {year: _shares(folder, "with a key", costs[year]) for year in networks}
    yield f"**Site by site**, with all {count} in silver and 10,000 requests. Two figures are of 2025 and of 2022."
    yield ""
    yield (
        "| rank | posts | questions a day | windows a day | a young post is asked again every … days "
        "| a whole sweep takes … days |"
    )
    yield "|---|---|---|---|---|---|"
    for rank in (*RANKS, count):
        place = rank - 1
        questions = ", ".join(f"{networks[year][place].questions:,.1f}" for year in years)
        windows = ", ".join(f"{sum(costs[year][place][WINDOW].values()):,.0f}" for year in years)
        turns = ", ".join(f"{shares[year][0].days(costs[year][place][REASK]):,}" for year in years)
        sweep = ", ".join(
            f"{shares[year][1].days(costs[year][place][SWEEP], brought(networks[year][place])):,}" for year in years
        )
        yield f"| {rank} | {networks[2025][place].posts:,} | {questions} | {windows} | {turns} | {sweep} |"


def _parts(sites: list[Size]) -> dict[str, list[Size]]:
    named = {"the 10 largest": sites[:10], "the 10 smallest": sites[-10:], "the 100 largest": sites[:100]}
    return named | {"the 100 smallest": sites[-100:], f"all {len(sites)}": sites}


def _total(mornings: Sequence[Morning], sites: Sequence[Size], purpose: str) -> float:
    return sum(sum(cost(mornings, size)[purpose].values()) for size in sites)


def _entities(purpose: str) -> str:
    return f"{purpose}: {', '.join(entity.name for entity in ASKED_FOR[purpose])}"


def _shares(folder: Path, quota: str, costs: Sequence[Mapping[str, Mapping[str, float]]]) -> tuple[Share, Share]:
    """Of asking again and of the sweep, as the budget of such a quota divides them among these sites."""
    budget = Budget.of(Settings(home=folder / "quota", api_key=quota), Clock())
    budget.settle("", Reply(quota_remaining=QUOTAS[quota], quota_max=QUOTAS[quota]))
    again, sweep = (share_of(budget, purpose, [told[purpose] for told in costs]) for purpose in (REASK, SWEEP))
    return again, sweep
