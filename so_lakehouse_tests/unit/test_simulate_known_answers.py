"""The truth beside simulated dumps against the rows of the dumps: two sites of 600 people, three years, one shock.

Chance is judged by tails of one in a million, computed from the rates; the seed settles on which side a run falls.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from math import exp, lgamma, log, sqrt
from pathlib import Path
from typing import NamedTuple

import pytest

from so_lakehouse.simulate.community import Community, found_community
from so_lakehouse.simulate.known_answers import write_known_answers
from so_lakehouse.simulate.plans import plan_of
from so_lakehouse.simulate.snapshot import Row, rows_at

HIT, SPARED = "simulated-engineering", "simulated-brewing"
SITES = (HIT, SPARED)
LAUNCH, CUT, SHOCK_DAY = date(2021, 1, 1), date(2023, 12, 31), date(2022, 11, 30)
RARE = 1e-6
DEVIATIONS = 5  # of a normal distribution: about as rare


class Site(NamedTuple):
    community: Community
    rows: dict[str, list[Row]]
    told: dict[str, list[dict[str, str]]]  # file → rows
    parameters: dict


def lived(site: str, folder: Path) -> Site:
    community = found_community(site, 1, 600, LAUNCH)
    rows = rows_at(community.live_until(CUT), CUT)
    write_known_answers(folder, community)
    told = {}
    for path in folder.glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            told[path.stem] = list(csv.DictReader(file))
    return Site(community, rows, told, json.loads((folder / "parameters.json").read_text("utf-8")))


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Site]:
    return {site: lived(site, tmp_path_factory.mktemp(site)) for site in SITES}


def is_likely(hits: int, tries: int, chance: float) -> bool:
    """Whether neither tail of the binomial distribution beyond `hits` is rarer than `RARE`."""
    if chance in (0.0, 1.0):
        return hits == tries * chance

    def tail(numbers: Iterable[int]) -> float:
        whole = lgamma(tries + 1)
        return sum(
            exp(whole - lgamma(k + 1) - lgamma(tries - k + 1) + k * log(chance) + (tries - k) * log(1 - chance))
            for k in numbers
        )

    return tail(range(hits + 1)) > RARE and tail(range(hits, tries + 1)) > RARE


def roles_of(site: Site) -> dict[tuple[int, int], dict[str, str]]:
    return {(int(row["user_id"]), int(row["year"])): row for row in site.told["careers"]}


def questions_of(site: Site) -> list[Row]:
    return [post for post in site.rows["posts"] if post["PostTypeId"] == 1]


def test_careers_cover_every_year_of_everybody(sites: dict[str, Site]) -> None:
    for site in sites.values():
        years = defaultdict(list)
        for user, year in roles_of(site):
            years[user].append(year)
        for user in site.rows["users"]:
            if user["Id"] != -1:
                assert years[user["Id"]] == list(range(user["CreationDate"].year, CUT.year + 1))


def test_told_moves_are_those_between_the_years_of_careers(sites: dict[str, Site]) -> None:
    for site in sites.values():
        careers, moved = roles_of(site), Counter()
        for (user, year), now in careers.items():
            for chain in ("role", "stage"):
                if (user, year + 1) in careers:
                    moved[chain, str(year), now[chain], careers[user, year + 1][chain]] += 1
        told = {
            (row["chain"], row["year"], row["origin"], row["target"]): int(row["moved"])
            for row in site.told["transitions"]
        }
        assert {key: number for key, number in told.items() if number} == moved


@pytest.mark.parametrize("chain", ["role", "stage"])
def test_people_move_at_the_told_rates(sites: dict[str, Site], chain: str) -> None:
    for site in sites.values():
        people, moved, rate = Counter(), Counter(), {}
        for row in (row for row in site.told["transitions"] if row["chain"] == chain):
            key = row["origin"], row["target"]
            people[key] += int(row["people"])
            moved[key] += int(row["moved"])
            rate[key] = float(row["rate"])
        assert all(is_likely(moved[key], people[key], rate[key]) for key in rate), (moved, people)
        likely_of_others = [is_likely(moved[key], people[key], min(3 * rate[key], 0.9)) for key in rate if rate[key]]
        assert not all(likely_of_others), "so few people that any rate would do"


def test_other_rates_make_other_careers() -> None:
    plan = plan_of(HIT)
    still = replace(plan, roles=tuple(replace(role, moves={}) for role in plan.roles))
    community = found_community(HIT, 1, 60, LAUNCH, still)
    community.live_until(date(2023, 1, 31))
    careers = community.world.careers.values()
    assert all(len({career.role for career in years.values()}) == 1 for years in careers)
    assert any(len(years) == 3 for years in careers)


def test_people_ask_about_what_they_work_as(sites: dict[str, Site]) -> None:
    for site in sites.values():
        roles = {role["name"]: role for role in site.parameters["roles"]}
        careers = roles_of(site)
        for question in questions_of(site):
            if question["OwnerUserId"] is not None:
                role = roles[careers[question["OwnerUserId"], question["CreationDate"].year]["role"]]
                known = {*role["tags"], *role["tools"], site.community.world.topic.moderator_tag}
                made_up = {tag for tag in question["Tags"] if any(tag.startswith(f"{name}-") for name in role["tags"])}
                assert set(question["Tags"]) <= known | made_up
                assert 1 <= len(question["Tags"]) <= 5


def test_what_somebody_works_as_shows_in_the_tags_of_a_years_posts(sites: dict[str, Site]) -> None:
    """Each tag speaks for the roles that have it; with five posts in a year most of them tell."""
    site = sites[HIT]
    holders = defaultdict(list)
    for role in site.parameters["roles"]:
        for tag in (*role["tags"], *role["tools"]):
            holders[tag].append(role["name"])
    posts, written, votes = {post["Id"]: post for post in site.rows["posts"]}, Counter(), defaultdict(Counter)
    for post in (post for post in posts.values() if post["PostTypeId"] in (1, 2) and post["OwnerUserId"] is not None):
        person = post["OwnerUserId"], post["CreationDate"].year
        written[person] += 1
        for tag in posts[post["ParentId"] or post["Id"]]["Tags"]:
            votes[person].update({role: 1 / len(holders[tag]) for role in holders.get(tag, ())})
    careers = roles_of(site)
    right = [votes[person].most_common(1)[0][0] == careers[person]["role"] for person in written if written[person] > 4]
    assert len(right) > 100
    assert sum(right) > 0.95 * len(right)


def test_people_answer_and_comment_mostly_where_their_own_kind_asks(sites: dict[str, Site]) -> None:
    for site in sites.values():
        careers, posts = roles_of(site), {post["Id"]: post for post in site.rows["posts"]}

        def role(user: int | None, moment: datetime, careers=careers) -> str | None:
            return careers[user, moment.year]["role"] if (user, moment.year) in careers else None

        own = Counter()
        written = [(post["ParentId"], post["OwnerUserId"], post["CreationDate"]) for post in posts.values()]
        written += [(row["PostId"], row["UserId"], row["CreationDate"]) for row in site.rows["comments"]]
        for target, user, moment in written:
            question = posts.get(posts[target]["ParentId"] or target) if target else None
            if question and (asked := role(question["OwnerUserId"], question["CreationDate"])) and role(user, moment):
                own[asked == role(user, moment)] += 1
        share = own[True] / own.total()
        assert own.total() > 1_000
        assert site.parameters["own_field"] - 0.02 < share < 0.99


def test_the_dormant_write_nothing_and_the_further_one_is_the_more_one_answers(sites: dict[str, Site]) -> None:
    for site in sites.values():
        careers, written = roles_of(site), Counter()
        for post in (post for post in site.rows["posts"] if post["OwnerUserId"] not in (None, -1)):
            stage = careers[post["OwnerUserId"], post["CreationDate"].year]["stage"]
            written[stage, post["PostTypeId"]] += 1
        answers = {stage: written[stage, 2] / written[stage, 1] for stage in ("junior", "experienced", "senior")}
        assert answers["junior"] < 0.6 * answers["experienced"] < 0.6**2 * answers["senior"]
        assert any(row["stage"] == "dormant" for row in careers.values())
        assert not any(stage == "dormant" for stage, _ in written)


def test_tags_of_tools_are_as_frequent_as_their_curves(sites: dict[str, Site]) -> None:
    """By the formula of docs/simulator.md, from the dump's questions and the careers, year by year."""
    for site in sites.values():
        careers, roles = roles_of(site), {role["name"]: role for role in site.parameters["roles"]}
        meant, hits, spread = Counter(), Counter(), Counter()
        for question in (each for each in questions_of(site) if each["OwnerUserId"] is not None):
            moment = question["CreationDate"]
            for tool in roles[careers[question["OwnerUserId"], moment.year]["role"]]["tools"]:
                curve = site.parameters["curves"][tool]
                done = {}
                for turn in ("rise", "fall"):
                    middle = date.fromisoformat(curve[turn]["middle"]) if curve[turn] else None
                    passed = (moment.year - middle.year) * 12 + moment.month - middle.month if middle else 0
                    done[turn] = 1 / (1 + exp(-passed / curve[turn]["months"])) if middle else float(turn == "rise")
                share = curve["floor"] + (curve["ceiling"] - curve["floor"]) * done["rise"] * (1 - done["fall"])
                meant[tool, moment.year] += share
                spread[tool, moment.year] += share * (1 - share)
                hits[tool, moment.year] += tool in question["Tags"]
        assert meant.keys() >= {(tool, year) for tool in site.parameters["curves"] for year in (2021, 2022, 2023)}
        for key in meant:
            assert abs(hits[key] - meant[key]) <= DEVIATIONS * sqrt(spread[key]) + 1, key


def test_told_adoption_counts_the_dumps_questions(sites: dict[str, Site]) -> None:
    for site in sites.values():
        questions, tagged = Counter(), Counter()
        for question in questions_of(site):
            month = f"{question['CreationDate']:%Y-%m}"
            questions[month] += 1
            tagged.update((month, tag) for tag in question["Tags"])
        intended, found = 0.0, 0
        for row in site.told["adoption"]:
            assert int(row["questions_visible"]) == questions[row["month"]]
            assert int(row["tagged_visible"]) == tagged[row["month"], row["tag"]]
            share = float(row["intended_questions"]) / int(row["questions"])
            assert float(row["intended_share"]) == pytest.approx(share, abs=1e-5)
            intended += float(row["intended_questions"])
            found += int(row["tagged"])
        assert abs(found - intended) <= DEVIATIONS * sqrt(intended)


def test_what_is_told_to_have_happened_is_what_was_meant(sites: dict[str, Site]) -> None:
    for site in sites.values():
        asked = [row for row in site.told["activity"] if row["kind"] == "ask"]
        for half in range(0, len(asked), 6):
            meant = sum(float(row["intended"]) for row in asked[half : half + 6])
            happened = sum(int(row["happened"]) for row in asked[half : half + 6])
            assert abs(happened - meant) <= DEVIATIONS * sqrt(meant)


@pytest.mark.parametrize(("site", "is_hit"), [(HIT, True), (SPARED, False)])
def test_people_ask_answer_and_comment_less_by_the_shocks_size_where_it_hits(
    sites: dict[str, Site], site: str, is_hit: bool
) -> None:
    """Per day that active people lived, from the rows of the dump, the thirteen months after against those before."""
    shock = sites[site].parameters["shock"]
    assert (shock is not None) == is_hit
    if is_hit:
        assert (shock["start"], shock["ramp_days"]) == (SHOCK_DAY.isoformat(), 0)
    drops = shock["drops"] if is_hit else {"ask": 0.0, "answer": 0.0, "comment": 0.0}
    days = {row["month"]: float(row["active_days"]) for row in sites[site].told["activity"]}
    before = {month for month in days if "2021-11" <= month < "2022-11"}
    after = {month for month in days if month >= "2022-12"}
    posts = sites[site].rows["posts"]
    created = {
        kind: Counter(f"{row['CreationDate']:%Y-%m}" for row in rows)
        for kind, rows in (
            ("ask", questions_of(sites[site])),
            ("answer", [post for post in posts if post["PostTypeId"] == 2]),
            ("comment", sites[site].rows["comments"]),
        )
    }
    for kind, drop in drops.items():
        counts = [sum(created[kind][month] for month in period) for period in (before, after)]
        rates = [
            count / sum(days[month] for month in period) for count, period in zip(counts, (before, after), strict=True)
        ]
        error = sqrt(sum(1 / count for count in counts))
        assert abs(log(rates[1] / rates[0]) - log(1 - drop)) < 4 * error, (kind, counts)
        assert 4 * error < -log(1 - 0.35), "such a site could not tell a hit from none"
