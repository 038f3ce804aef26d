"""What the quota's benchmark adds to what it measured: sizes between and above, and the law of the network's sizes."""

from __future__ import annotations

import pytest

from benchmarks.quota import Share, brought, cost, fitting, requests_of, share_of
from benchmarks.quota_morning import Morning
from benchmarks.quota_network import ARCHIVE_BYTES, Size, main_sites, network, rank_of, shares
from so_lakehouse.api.budget import REASK, SWEEP, Budget
from so_lakehouse.api.reply import Reply
from so_lakehouse.clock import Clock
from so_lakehouse.dumps.sites import all_sites
from so_lakehouse.lake.api_raw import WINDOW
from so_lakehouse.schema_api import ENTITIES
from so_lakehouse.settings import Settings


def measured(questions: float, windows: int, again: int | None) -> Morning:
    """A morning that took as many requests of each entity."""
    requests = {WINDOW: dict.fromkeys(ENTITIES, windows)}
    if again is not None:
        requests[REASK] = dict.fromkeys(ENTITIES, again)
    return Morning(0, questions, {}, requests, 0.0, 0.0)


MORNINGS = [measured(1, 1, 10), measured(11, 3, 110), measured(100, 20, None)]


@pytest.mark.parametrize(
    ("questions", "windows", "again"),
    [(0, 1, 10), (1, 1, 10), (6, 2, 60), (11, 3, 110), (100, 20, 1_000), (500, 100, 5_000)],
)
def test_a_site_of_another_size_takes_what_lies_between_and_in_proportion_above(questions, windows, again):
    assert requests_of(MORNINGS, WINDOW, "answers", questions) == pytest.approx(windows)
    assert requests_of(MORNINGS, REASK, "answers", questions) == pytest.approx(again)


def test_a_whole_sweep_asks_for_every_row_in_hundreds():
    smallest = network(2025, 20)[-1]
    swept = cost(MORNINGS, smallest)[SWEEP]
    assert all(100 * (requests - 1) < smallest.rows[entity] <= 100 * requests for entity, requests in swept.items())
    assert swept.keys() == ENTITIES.keys()


def test_sites_fit_in_the_order_in_which_they_come():
    assert [fitting([5, 3, 3], room) for room in (4, 5, 7, 8, 10, 11, 99)] == [0, 1, 1, 2, 2, 3, 3]


def test_a_share_is_divided_evenly_and_what_a_site_leaves_is_lost(tmp_path):
    budget = Budget.of(Settings(home=tmp_path), Clock())
    budget.settle("", Reply(quota_remaining=1_000, quota_max=1_000))
    large, small = dict.fromkeys(ENTITIES, 99.5), dict.fromkeys(ENTITIES, 0.5)
    share = share_of(budget, SWEEP, [large, small])
    assert share == Share(allowance=25, asked=(4 * 25 + 4 * 1) / 200)
    assert (share.days(large), share.days(small)) == (4, 1)


def test_what_a_sweep_asks_for_first_gets_no_more_than_half_of_a_day():
    share, needed = Share(allowance=10, asked=0.5), {"questions": 100, "users": 50}
    assert share.days(needed) == 10
    assert share.days(needed, {"questions": 2, "users": 2}) == 13
    assert share.days(needed, {"questions": 1_000, "users": 0}) == 20


def test_pages_bring_rows_of_each_entity_in_the_proportion_of_the_site():
    size = Size(rank=1, questions=2.0, rows={"questions": 10, "answers": 20, "comments": 50, "users": 5})
    assert brought(size) == pytest.approx({"questions": 1.82, "answers": 3.64, "comments": 9.1, "users": 0.91})


def test_sites_that_ask_for_more_than_the_share_wait_longer(tmp_path):
    budget = Budget.of(Settings(home=tmp_path), Clock())
    budget.settle("", Reply(quota_remaining=300, quota_max=300))
    needed = [dict.fromkeys(ENTITIES, 10.0)] * 30
    share = share_of(budget, SWEEP, needed)
    assert share == Share(allowance=1, asked=2)  # 120 requests, of which there are 60
    assert share.days(needed[0]) == 20


def test_what_asks_for_two_entities_divides_its_share_by_two(tmp_path):
    budget = Budget.of(Settings(home=tmp_path), Clock())
    budget.settle("", Reply(quota_remaining=1_000, quota_max=1_000))
    needed = [{"questions": 70, "answers": 30, "comments": 0, "users": 0}] * 2
    assert share_of(budget, REASK, needed) == Share(allowance=50, asked=2 * (50 + 30) / 200)


def test_the_main_sites_are_those_of_the_api_that_are_no_meta():
    assert main_sites() == sum(bool(site.api) and ".meta" not in f".{site.api}" for site in all_sites())
    assert 170 < main_sites() < 190


def test_the_networks_sites_share_all_of_it_and_known_archives_keep_their_order():
    held = shares(182)
    assert sum(held) == pytest.approx(1)
    assert held == sorted(held, reverse=True)
    ranks = [rank_of(size, 182) for _, size in sorted(ARCHIVE_BYTES.items(), key=lambda known: -known[1])]
    assert ranks == sorted(ranks)
    assert ranks[0] == 1


def test_a_busier_year_changes_the_days_and_not_the_rows():
    lately, before = network(2025, 182), network(2022, 182)
    assert [size.rows for size in lately] == [size.rows for size in before]
    assert all(size.questions < other.questions for size, other in zip(lately, before, strict=True))
