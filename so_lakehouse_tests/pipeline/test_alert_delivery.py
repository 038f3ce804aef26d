"""What a person gets of what is wrong: looks at a real lake, read at the other end of a webhook. No Dagster, no Spark.

Runs are told by a list here; `defs/test_alerts.py` has those of a real instance.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from so_lakehouse.alerts.changes import QUIET
from so_lakehouse.alerts.runs import EndedRun
from so_lakehouse.alerts.tell import NOBODY, OVERLAP, tell
from so_lakehouse.api.budget import WINDOWS, Budget
from so_lakehouse.api.reply import Reply
from so_lakehouse.clock import Clock
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.manifests import BronzeManifest, CheckOutcome
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse_tests.days_in_silver import fetch, take_in
from so_lakehouse_tests.receiver import Receiver, receiving

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
QUIET_MINUTES = QUIET / timedelta(minutes=1)
NOTHING = "0 incidents are open; 0 messages were sent, 0 wait."


class Team:
    """A lakehouse, and a webhook that its people read."""

    def __init__(self, settings: Settings, receiver: Receiver) -> None:
        self.settings, self.receiver, self.lake = settings, receiver, Lake.of(settings)
        self.runs: list[EndedRun] = []
        self.asked_since: list[datetime] = []

    def look(self, minutes: float = 0) -> str:
        """Looks, so many minutes after noon."""

        def history(since: datetime) -> list[EndedRun]:
            self.asked_since.append(since)
            return [run for run in self.runs if run.ended >= since]

        return tell(self.settings, Clock(self.settings.now), history, NOON + timedelta(minutes=minutes))

    def refuse(self, passed: bool = False) -> None:
        """Bronze reads beer's dump, and a blocking check refuses it, or lets it pass."""
        check = CheckOutcome("rows_conserved", passed, True, "posts of beer: 2 rows are missing. Report it.")
        named = ("2016-10-01", "posts", "2016-12", 1, "2016-12-11", "v", "r", True)
        BronzeManifest("beer", *named, checks=(check,)).save(self.lake)

    def fail(self, site: str = "beer", minutes: float = 0) -> None:
        """A load of the site's warehouse fails."""
        ended, failed = NOON + timedelta(minutes=minutes), frozenset({"warehouse/posts"})
        run = EndedRun(
            f"run {site} {minutes}", "warehouse", site, ended, frozenset(), failed, "The disk is full. Free some."
        )
        self.runs.append(run)


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    with receiving() as receiver:
        yield Team(Settings(home=tmp_path, alerts=receiver.address), receiver)


def test_a_failed_run_is_one_message_whose_bytes_say_what_where_why_and_the_next_step(team):
    team.fail()
    for minutes in range(3):
        team.look(minutes)
    (body,) = team.receiver.bodies
    told = json.loads(body)
    assert (told["title"], told["type"]) == ("so_lakehouse: run failed · warehouse · beer", "failure")
    assert told["message"] == (
        "What: run failed\n"
        "Where: warehouse beer; site beer; tables posts; run http://127.0.0.1:3000/runs/run beer 0\n"
        "Why: The disk is full. Free some.\n"
        "Next: so-lakehouse run --site beer"
    )


def test_a_blocking_check_that_failed_in_the_lake_is_told_and_over_when_the_dump_was_read_anew(team):
    team.refuse()
    for minutes in range(3):
        team.look(minutes)
    team.refuse(passed=True)
    for minutes in (3, 4, 3 + QUIET_MINUTES, 30):
        team.look(minutes)
    first, last = team.receiver.messages
    assert first["title"] == "so_lakehouse: blocking check failed · bronze/dump · 2016-10-01|beer"
    assert "Why: rows_conserved: posts of beer: 2 rows are missing. Report it.\n" in first["message"]
    assert last["title"] == "so_lakehouse: over: blocking check failed · bronze/dump · 2016-10-01|beer"
    assert last["type"] == "success"
    assert "When: from 2026-01-06 12:00 to 2026-01-06 12:03 UTC" in last["message"]
    assert team.look(40) == NOTHING


def test_pages_that_were_refused_are_told_until_bronze_holds_them_otherwise(team):
    def pages(passed: bool) -> None:
        check = CheckOutcome("items_conserved", passed, True, "told")
        PagesManifest("beer", "2026-01-05", "users", "v", 1, 0, "2026-01-06T00:05:00+00:00", checks=(check,)).save(
            team.lake
        )

    pages(False)
    failed, why = frozenset({"bronze/api/users"}), "bronze/api/users · items_conserved: 3 items are missing."
    team.runs = [EndedRun("1a", "bronze/api", "2026-01-05|beer", NOON, frozenset(), failed, why, refused=True)]
    team.look()
    (told,) = team.receiver.messages
    assert told["title"] == "so_lakehouse: blocking check failed · bronze/api · 2026-01-05|beer"
    assert f"tables users; run http://127.0.0.1:3000/runs/1a\nWhy: {why}\n" in told["message"]
    team.look(30)
    assert len(team.receiver.bodies) == 1
    pages(True)
    for minutes in (31, 31 + QUIET_MINUTES):
        team.look(minutes)
    assert team.receiver.titles[1:] == ["so_lakehouse: over: blocking check failed · bronze/api · 2026-01-05|beer"]


def test_a_site_that_is_late_is_told_and_over_when_the_day_is_in_silver(team):
    for day in ("2026-01-03", "2026-01-04"):
        fetch(team.lake, "beer", day)
        take_in(team.lake, team.settings, "beer", day)
    fetch(team.lake, "beer", "2026-01-05")
    on_time, late = (replace(team.settings, now=f"2026-01-06T{hour}:00:00") for hour in ("01", "03"))
    team.settings = on_time
    team.look()
    assert team.receiver.bodies == []
    team.settings = late
    team.look(1)
    team.look(2)
    take_in(team.lake, team.settings, "beer", "2026-01-05")
    team.look(3)
    team.look(3 + QUIET_MINUTES)
    first, last = team.receiver.messages
    assert first["title"] == "so_lakehouse: site late · silver · beer"
    assert "Next: so-lakehouse run --site beer --days-since 2026-01-05" in first["message"]
    assert last["title"] == "so_lakehouse: over: site late · silver · beer"


def test_a_quota_that_is_used_up_is_told_and_over_when_its_next_day_begins(team):
    budget = Budget.of(team.settings, Clock())
    budget.settle("questions", Reply(quota_remaining=9, quota_max=300))
    team.look()
    team.look(1)
    budget.settle("questions", Reply(quota_remaining=299, quota_max=300))
    team.look(2)
    team.look(2 + QUIET_MINUTES)
    first, last = team.receiver.messages
    assert first["title"] == "so_lakehouse: API quota gone · raw/api"
    assert "Why: The API's quota is used up: 9 of 300 requests left; 5 % are left to others" in first["message"]
    assert "set LAKEHOUSE_API_KEY" in first["message"]
    assert last["title"] == "so_lakehouse: over: API quota gone · raw/api"


def test_looking_makes_no_budget_and_a_quota_that_nobody_told_is_not_used_up(team):
    team.look()
    assert not team.settings.api_budget.exists()
    budget = Budget.of(team.settings, Clock())
    assert budget.used_up() is None
    budget.admit("questions", "q", WINDOWS)
    assert budget.used_up() is None


def test_two_sites_are_two_messages_and_one_of_them_ends(team):
    team.fail("ai")
    team.fail("beer")
    team.look()
    team.runs.append(EndedRun("mends", "warehouse", "ai", NOON, frozenset({"warehouse/posts"})))
    for minutes in (1, 1 + QUIET_MINUTES, 30):
        team.look(minutes)
    first = [f"so_lakehouse: run failed · warehouse · {site}" for site in ("ai", "beer")]
    assert team.receiver.titles == [*first, "so_lakehouse: over: run failed · warehouse · ai"]


def test_one_that_flaps_is_two_messages_in_all(team):
    for minutes in range(0, 60, 2):
        team.refuse()
        team.look(minutes)
        team.refuse(passed=True)
        team.look(minutes + 1)
    assert len(team.receiver.bodies) == 1
    team.look(70)
    team.look(71)
    assert [message["type"] for message in team.receiver.messages] == ["failure", "success"]


def test_a_message_that_was_not_taken_is_sent_again_and_all_of_them_in_order(team):
    team.refuse()
    team.receiver.refusing = True
    for minutes in range(2):
        with pytest.raises(Unavailable, match=r"address 1 of LAKEHOUSE_ALERTS \(json\) did not take .*sent again"):
            team.look(minutes)
    team.refuse(passed=True)
    for minutes in (2, 2 + QUIET_MINUTES):
        with pytest.raises(Unavailable):
            team.look(minutes)
    assert (team.receiver.bodies, team.receiver.asked) == ([], 4), "one try a look"
    team.receiver.refusing = False
    for minutes in (20, 21):
        team.look(minutes)
    assert [message["type"] for message in team.receiver.messages] == ["failure", "success"]


def test_a_receiver_that_is_not_there_at_all_gets_the_message_when_it_is_back(team):
    with receiving() as gone:
        pass
    team.settings = replace(team.settings, alerts=gone.address)
    team.refuse()
    with pytest.raises(Unavailable, match="did not take"):
        team.look()
    with receiving(gone.port) as back:
        team.look(1)
        team.look(2)
    assert len(back.bodies) == 1


def test_an_address_that_is_away_holds_up_no_other_and_gets_all_later(team):
    with receiving() as other:
        team.settings = replace(team.settings, alerts=f"{team.receiver.address} {other.address}")
        team.receiver.refusing = True
        team.refuse()
        team.fail()
        with pytest.raises(Unavailable, match="address 1"):
            team.look()
        assert (len(other.bodies), team.receiver.asked) == (2, 1), "one try is enough to know that it is away"
        team.receiver.refusing = False
        team.look(1)
        assert team.receiver.bodies == other.bodies
        assert len(other.bodies) == 2


def test_what_an_address_has_not_taken_is_dropped_with_the_address(team):
    team.receiver.refusing = True
    team.refuse()
    with pytest.raises(Unavailable):
        team.look()
    with receiving() as other:
        team.settings = replace(team.settings, alerts=other.address)
        assert team.look(1) == "1 incidents are open; 0 messages were sent, 0 wait."


def test_nothing_that_was_told_is_told_again_after_a_restart(team):
    team.refuse()
    team.fail()
    team.look()
    again = Team(team.settings, team.receiver)
    again.look(1)
    assert len(team.receiver.bodies) == 2


def test_runs_are_read_from_a_little_before_the_last_look_on(team):
    for minutes in (0, 60):
        team.look(minutes)
    assert [NOON + timedelta(minutes=60) - since for since in team.asked_since][1] == timedelta(minutes=70)
    assert team.asked_since[0] == NOON - timedelta(days=1)


def test_a_source_that_cannot_be_read_fails_the_look_but_hides_no_other_and_ends_nothing(team):
    team.refuse()
    team.look()
    manifest = Path(team.lake.root) / "bronze/dump/posts/quarter=2016-10-01/site=beer/manifest.json"
    whole = manifest.read_text()
    manifest.write_text("{")
    team.fail(minutes=1)
    for minutes in (1, 12, 30):
        with pytest.raises(Unavailable, match="Could not look at everything: JSONDecodeError"):
            team.look(minutes)
    assert [title.split(" · ")[1] for title in team.receiver.titles] == ["bronze/dump", "warehouse"]
    manifest.write_text(whole)
    assert team.look(31) == "2 incidents are open; 0 messages were sent, 0 wait."


def test_runs_that_cannot_be_read_hide_nothing_else_and_are_read_from_the_same_moment_later(team):
    team.fail()
    team.look()
    team.refuse()
    team.runs.append(None)  # breaks whoever reads it
    with pytest.raises(Unavailable, match="Could not look at everything: AttributeError"):
        team.look(30)
    del team.runs[-1]
    assert team.look(60) == "2 incidents are open; 0 messages were sent, 0 wait."
    assert team.asked_since[1:] == [NOON - OVERLAP] * 2
    assert len(team.receiver.bodies) == 2


def test_secrets_of_addresses_are_in_no_error_log_or_file(team, caplog, capfd):
    caplog.set_level("DEBUG")
    team.receiver.refusing = True
    team.refuse()
    with pytest.raises(Unavailable) as refused:
        team.look()
    wrong = replace(team.settings, alerts=f"nothing://{team.receiver.secret}")
    with pytest.raises(BadInput, match="Address 1 of LAKEHOUSE_ALERTS") as unknown:
        Team(wrong, team.receiver).look()
    said = [str(refused.value), str(unknown.value), repr(team.settings), *capfd.readouterr()]
    said += [record.getMessage() for record in caplog.records if record.levelname != "DEBUG"]
    said.append(team.settings.alerts_file.read_text())
    for secret in (team.receiver.secret, "pa55word"):
        assert not [text for text in said if secret in text]


def test_without_an_address_nothing_is_done_and_who_is_named_later_hears_of_what_is_wrong_then(team):
    named = team.settings
    team.settings = replace(named, alerts="")
    team.refuse()
    assert team.look() == NOBODY
    assert not named.alerts_file.exists()
    team.settings = named
    team.look(1)
    assert len(team.receiver.bodies) == 1


def test_what_is_longer_than_a_service_takes_comes_in_parts(team):
    for quarter in range(40):
        check = CheckOutcome("rows_conserved", False, True, "x" * 1_400)
        named = (f"20{quarter + 10}-01-01", "posts", "2016-12", 1, "2016-12-11", "v", "r", True)
        BronzeManifest("beer", *named, checks=(check,)).save(team.lake)
    team.look()
    team.look(1)
    assert len(team.receiver.bodies) == 2
    assert all(message["title"].startswith("so_lakehouse: 40 incidents") for message in team.receiver.messages)
    told = "".join(message["message"] for message in team.receiver.messages)
    assert told.count("What: blocking check failed") == 40
