"""What becomes of messages: an address that is away, a restart, many at once, secrets. Read behind a webhook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from so_lakehouse.alerts.tell import NOBODY, OVERLAP
from so_lakehouse.errors import BadInput, Unavailable
from so_lakehouse.lake.manifests import BronzeManifest, CheckOutcome
from so_lakehouse_tests.pipeline.alert_team import NOON, QUIET_MINUTES, Team, team_at
from so_lakehouse_tests.receiver import receiving


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    with team_at(tmp_path) as made:
        yield made


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
