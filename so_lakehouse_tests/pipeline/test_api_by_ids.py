"""Young posts are asked again, deleted rows are looked for, and nobody is called gone on one answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from so_lakehouse.api.bronze import read_pages
from so_lakehouse.api.budget import REASK, SWEEP
from so_lakehouse.api.by_ids import ask_again, batches, judge
from so_lakehouse.api.days import newest_closed
from so_lakehouse.api.entities import fetch_entities
from so_lakehouse.api.fetch import fetch_day, is_whole
from so_lakehouse.lake.api_raw import fetches_of
from so_lakehouse.lake.storage import Lake
from so_lakehouse.simulate.api_server import Fault
from so_lakehouse_tests.pipeline.api_world import MIDNIGHT, World, answer, comment, question, user
from so_lakehouse_tests.pipeline.silver_site import SilverSite

CUT = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
OLD, YOUNG = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 12, 1, tzinfo=UTC)


def hold(api: World, lake: Lake, old=(), young=(), answers=(), **told) -> SilverSite:
    """These questions and answers in silver and in the API; `told`: when a page told a question last, by its key."""
    silver = SilverSite(lake)
    rows = [(key, 1, OLD) for key in old] + [(key, 1, YOUNG) for key in young] + [(key, 2, OLD) for key in answers]
    as_of = {int(name[1:]): moment for name, moment in told.items()}
    silver.put(
        "posts",
        *({"Id": key, "PostTypeId": kind, "CreationDate": made, "_as_of": as_of.get(key)} for key, kind, made in rows),
        {"Id": 5000, "PostTypeId": 5, "CreationDate": YOUNG},  # a tag wiki, which is not served
    )
    silver.apply_dump(CUT)
    silver.pass_checks(cut_at=CUT)
    api.site.put("questions", [question(key, int(made.timestamp())) for key, kind, made in rows if kind == 1])
    api.site.put("answers", [answer(key, int(made.timestamp()), 1) for key, kind, made in rows if kind == 2])
    return silver


def go(api: World, lake: Lake, entity="questions", **changes):
    """One day's ask, after the window has told how large the quota is."""
    client, day = api.client(**changes), newest_closed(api.clock.now())
    fetch_day(lake, client, "beer", day, entity, api.settings)
    return ask_again(lake, client, "beer", day, entity, api.settings)


def tomorrow(api: World) -> None:
    api.clock.sleep(24 * 3600)


def asked(api: World, entity="questions") -> list[list[int]]:
    paths = [text.partition("?")[0] for text in api.server.requests if text.startswith(f"/2.3/{entity}/")]
    return [[int(key) for key in path.rpartition("/")[2].split(";")] for path in paths]


def gone(api: World, lake: Lake, entity="questions") -> list[int]:
    day = newest_closed(api.clock.now())
    return [row.id for fetch in fetches_of(lake, entity, day, "beer") for row in fetch.gone]


def test_young_posts_are_asked_again_and_then_all_others_are_swept(api, lake):
    hold(api, lake, old=range(1, 151), young=range(200, 251), answers=[900])
    first, second = go(api, lake)
    assert (first.kind, second.kind) == (REASK, SWEEP)
    young, *rest = asked(api)
    assert young == list(range(200, 251))
    assert {key for batch in rest for key in batch} >= set(range(1, 151))
    assert all(len(batch) <= 100 for batch in rest)
    assert 5000 not in {key for batch in rest for key in batch}
    assert go(api, lake, "answers")
    assert asked(api, "answers") == [[900]]
    assert go(api, lake) == (), "once a day"


def test_where_asking_by_ids_fails_the_day_is_there_and_told_and_the_next_entities_are_asked(api, lake):
    hold(api, lake, old=range(1, 60), answers=[900])
    api.server.broken = {"answers/{ids}": Fault(status=503)}
    day = newest_closed(api.clock.now())
    found = dict(fetch_entities(lake, api.client(), "beer", day, ["answers", "questions"], api.settings))
    assert "/answers/900 answered HTTP 503" in found["answers"].missing
    assert is_whole(list(found["answers"].fetches), "answers", day)
    assert found["questions"].missing == ""
    assert [fetch.kind for fetch in found["questions"].new][1:] == [SWEEP]


def test_what_was_told_longest_ago_comes_first_and_what_was_told_today_not_at_all(api, lake):
    now = api.clock.now()
    told = {"k201": now - timedelta(days=3), "k202": now - timedelta(days=9), "k203": now - timedelta(hours=2)}
    hold(api, lake, young=[201, 202, 203, 204], **told)
    api.server.quota_max = 500
    go(api, lake, api_sweep=0)
    assert asked(api) == [[201, 202, 204]]


def test_rows_that_pages_brought_are_swept_before_those_of_the_dump(api, lake):
    silver = hold(api, lake, old=range(1, 300))
    silver.put(
        "posts",
        {"Id": 777, "PostTypeId": 1, "CreationDate": CUT + timedelta(days=1), "_as_of": CUT + timedelta(days=2)},
    )
    api.site.put("questions", [question(777, MIDNIGHT - 86_400)])
    api.server.quota_max = 20  # of which a share of 20 % is 4, for four entities
    go(api, lake, api_reask=0)
    (only,) = asked(api)
    assert 777 in only
    assert len(only) == 100


def test_a_site_that_brings_more_than_can_be_swept_has_its_dump_swept_all_the_same(api, lake):
    """Of what is brought, much is asked for again as young posts; that takes no place of the sweep."""
    silver, since = hold(api, lake, old=range(1, 301)), CUT + timedelta(days=1)
    brought = range(1000, 1300)
    silver.put("posts", *({"Id": key, "PostTypeId": 1, "CreationDate": since, "_as_of": since} for key in brought))
    created = [*((key, OLD) for key in range(1, 301)), *((key, since) for key in brought)]
    api.site.put("questions", [question(key, int(made.timestamp())) for key, made in created])
    api.server.quota_max = 40  # of which each share of 20 % is 8: 400 young posts, and 200 ids of a sweep
    client, day = api.client(), newest_closed(api.clock.now())
    fetch_day(lake, client, "beer", day, "questions", api.settings)
    again, swept = ask_again(lake, client, "beer", day, "questions", api.settings)
    assert (again.kind, swept.kind) == (REASK, SWEEP)
    assert {key for batch in asked(api) for key in batch} == {*range(1, 201), *brought}


@pytest.mark.parametrize(("share", "ids"), [("api_reask", 200), ("api_sweep", 100)])
def test_a_share_is_divided_among_the_entities_that_can_use_it(api, lake, share, ids):
    hold(api, lake, young=range(1, 301))
    api.server.quota_max = 20  # of which 20 % are 4: two for each of two kinds of posts, or one for each entity
    go(api, lake, **({"api_reask": 0, "api_sweep": 0} | {share: 20}))
    assert sum(map(len, asked(api))) == ids


def test_gone_means_missing_twice_a_day_apart(api, lake):
    hold(api, lake, old=range(1, 60))
    api.site.remove("questions", [7, 8])
    go(api, lake)
    assert gone(api, lake) == []
    api.clock.sleep(3600 * 2)
    go(api, lake)
    assert gone(api, lake) == [], "not a day later"
    tomorrow(api)
    api.site.put("questions", [question(8, MIDNIGHT)])
    go(api, lake)
    assert gone(api, lake) == [7], "8 has come back"
    manifest = read_pages(lake, "beer", newest_closed(api.clock.now()), "questions", api.settings)
    rows = pq.read_table(lake.path(manifest.files[0])).to_pylist()
    (absent,) = [row for row in rows if not row["_present"]]
    assert (absent["Id"], absent["Title"], manifest.absent) == (7, None, 1)
    assert absent["_as_of"] > api.clock.now() - timedelta(hours=1)


def test_missing_rows_are_spread_thin_so_that_others_judge_each_batch(api, lake):
    hold(api, lake, old=range(100, 400), young=range(1, 100))
    lost = [*range(1, 16), *range(110, 125), *range(210, 225)]
    api.site.remove("questions", lost)
    go(api, lake)
    tomorrow(api)
    api.server.requests.clear()
    go(api, lake)
    assert gone(api, lake) == lost
    assert all(len(set(lost) & set(batch)) <= 10 and len(batch) == 100 for batch in asked(api)[1:])
    assert not set(lost) & set(asked(api)[0]), "the young ones of them wait for the sweep"


def test_a_row_that_silver_no_longer_has_is_not_looked_for(api, lake):
    silver = hold(api, lake, old=range(1, 60))
    api.site.remove("questions", [7])
    go(api, lake)
    silver.delete("posts", 7)
    tomorrow(api)
    go(api, lake)
    assert gone(api, lake) == []
    assert 7 not in asked(api)[-1]


def test_an_api_that_hides_a_fifth_of_a_batch_deletes_nobody(api, lake):
    hold(api, lake, old=range(1, 101))
    api.site.remove("questions", range(1, 22))
    for _ in range(3):
        (fetch,) = go(api, lake)
        assert fetch.refused_batches == 1
        assert gone(api, lake) == []
        tomorrow(api)
    api.site.put("questions", [question(21, MIDNIGHT)])
    (fetch,) = go(api, lake)
    assert fetch.refused_batches == 0, "20 of 100 are missing"
    tomorrow(api)
    go(api, lake)
    assert gone(api, lake) == list(range(1, 21))


def test_rows_of_refused_batches_take_nobody_elses_place(api, lake):
    hold(api, lake, old=range(1, 301))
    api.site.remove("questions", range(1, 101))
    api.server.quota_max = 20  # of which a share of 20 % is 4: a batch a day for each of four entities
    for _ in range(2):
        go(api, lake, api_reask=0)
        tomorrow(api)
    assert asked(api) == [list(range(1, 101)), list(range(101, 201))]
    api.server.quota_max = 10_000  # there is room for all
    go(api, lake, api_reask=0)
    assert {key for batch in asked(api)[2:] for key in batch} == set(range(1, 301))
    assert gone(api, lake) == []


def test_a_young_post_of_a_small_site_that_is_gone_is_found_among_the_others(api, lake):
    hold(api, lake, old=range(1, 20), young=range(50, 54))
    api.site.remove("questions", [52])
    again, swept = go(api, lake)
    assert (again.refused_batches, swept.refused_batches) == (1, 0), "1 of 4 is more than a fifth"
    tomorrow(api)
    go(api, lake)
    assert gone(api, lake) == [52]


def test_an_answer_by_ids_that_comes_once_more_is_no_answer(api, lake):
    hold(api, lake, old=range(1, 250))
    api.server.faults = [Fault(), Fault(), Fault(), Fault(repeated=True)]  # a filter, a window, the first batch
    go(api, lake)
    assert gone(api, lake) == []
    first, again, second, _ = asked(api)
    assert again == second != first
    assert api.server.violations == []


def test_a_quota_that_ends_in_the_sweep_keeps_what_came(api, lake):
    hold(api, lake, old=range(1, 450))
    api.site.remove("questions", [3])
    api.server.quota_max = 100
    api.server.faults = [Fault(), Fault(), Fault(), Fault(), Fault(error_id=502, message="available in 9999 seconds")]
    (fetch,) = go(api, lake, api_sweep=50)
    assert (fetch.pages, fetch.items) == (2, 199)
    assert "9999" in fetch.note


def test_comments_and_users_above_0_are_swept_and_not_asked_again(api, lake):
    hold(api, lake, old=[1])
    silver = SilverSite(lake)
    silver.put("users", *({"Id": key, "CreationDate": YOUNG} for key in (-1, 0, 1, 2, 3, 4, 5, 6)))
    silver.put("comments", *({"Id": key, "PostId": 1, "CreationDate": YOUNG} for key in (11, 12)))
    api.site.put("users", [user(key, 1) for key in (-1, 1, 2, 3, 4, 5, 6)])
    api.site.put("comments", [comment(key, 1, 1) for key in (11, 12)])
    for entity, ids in (("users", [1, 2, 3, 4, 5, 6]), ("comments", [11, 12])):
        (fetch,) = go(api, lake, entity)
        assert fetch.kind == SWEEP
        assert asked(api, entity) == [ids]


def test_an_old_day_sweeps_nothing_and_neither_does_a_lake_without_silver(api, lake):
    assert ask_again(lake, api.client(), "beer", "2026-01-02", "questions", api.settings) == ()
    assert go(api, lake) == ()
    assert asked(api) == []


def test_every_id_is_in_a_batch_and_small_batches_are_filled_with_witnesses():
    made = list(batches(range(1, 251), range(1000, 1050), [5001, 5002]))
    assert {key for batch in made for key in batch} >= {*range(1, 251), *range(1000, 1050)}
    assert all(len(batch) <= 100 for batch in made)
    assert all(sum(1000 <= key < 1050 for key in batch) <= 10 for batch in made)
    assert list(batches([], [1000], [1, 2])) == [[1, 2, 1000]]


@pytest.mark.parametrize(
    ("batch", "returned", "plausible"),
    [(10, 8, True), (10, 7, False), (100, 80, True), (100, 79, False), (1, 0, False), (4, 3, False), (5, 4, True)],
)
def test_a_batch_of_which_more_than_a_fifth_is_missing_says_nothing(batch, returned, plausible):
    assert judge(range(batch), range(returned)).is_plausible == plausible
