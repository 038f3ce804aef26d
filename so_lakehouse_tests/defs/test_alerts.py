"""What a person gets of what goes wrong: ticks on a real instance and lake, read at the other end of a webhook.

No daemon: a tick is a call of the sensor. Where time has to pass, its own function is called with the time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import dagster as dg
import pytest

from so_lakehouse.alerts.changes import QUIET
from so_lakehouse.alerts.tell import NOBODY, tell
from so_lakehouse.api.budget import WINDOWS, Budget
from so_lakehouse.api.reply import Reply
from so_lakehouse.clock import Clock
from so_lakehouse.definitions import defs
from so_lakehouse.defs.alerts import CHECKED, alerts, freshness, site_current
from so_lakehouse.defs.resources import Lakehouse
from so_lakehouse.errors import BadInput, CheckFailed, Unavailable
from so_lakehouse.lake.manifests import BronzeManifest, CheckOutcome
from so_lakehouse.lake.storage import Lake
from so_lakehouse.partitions import SITES
from so_lakehouse.run_history import ended_runs
from so_lakehouse.settings import Settings
from so_lakehouse.unstable import unstable_api
from so_lakehouse_tests.days_in_silver import fetch, take_in
from so_lakehouse_tests.receiver import Receiver, receiving

PAGE = "http://127.0.0.1:3000"


class Trouble(dg.Config):
    """How the run below ends."""

    raises: str = ""
    passes: bool = True


@dg.asset(key=["warehouse", "posts"], partitions_def=SITES)
def loads(config: Trouble) -> None:
    """Ends as it is told."""
    if config.raises:
        raise {"disk": Unavailable, "gate": CheckFailed, "defect": ZeroDivisionError}[config.raises](config.raises)


with unstable_api("checks by partition"):
    EQUAL = dg.AssetCheckSpec("equals_silver", asset=["warehouse", "votes"], blocking=True, partitions_def=SITES)


@dg.asset(key=["warehouse", "votes"], partitions_def=SITES, check_specs=[EQUAL])
def checked(config: Trouble) -> dg.MaterializeResult:
    """Is refused where it is told to be."""
    said = dg.AssetCheckResult(
        passed=config.passes, check_name="equals_silver", description="2 rows differ. Load again."
    )
    return dg.MaterializeResult(check_results=[said])


class Team:
    """One lakehouse, its Dagster, and a webhook that the team reads."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, receiver: Receiver) -> None:
        self.settings, self.instance, self.receiver = settings, instance, receiver
        self.lake = Lake.of(settings)

    def tick(self) -> str | None:
        context = dg.build_sensor_context(instance=self.instance, resources={"lakehouse": Lakehouse()})
        return alerts.evaluate_tick(context).skip_message

    def look(self, minutes: float = 0) -> str:
        """A tick so many minutes from now."""
        history = partial(ended_runs, self.instance)
        return tell(self.settings, Clock(self.settings.now), history, datetime.now(UTC) + timedelta(minutes=minutes))

    def run(self, asset: dg.AssetsDefinition = loads, site: str = "beer", tags: dict | None = None, **config) -> str:
        done = dg.materialize(
            [asset],
            instance=self.instance,
            partition_key=site,
            run_config={"ops": {asset.op.name: {"config": config}}},
            raise_on_error=False,
            tags=tags,
        )
        return done.run_id


@pytest.fixture
def team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    with receiving() as receiver, dg.DagsterInstance.ephemeral() as instance:
        monkeypatch.setenv("LAKEHOUSE_HOME", str(tmp_path))
        monkeypatch.setenv("LAKEHOUSE_ALERTS", receiver.address)
        instance.add_dynamic_partitions(SITES.name, ["ai", "beer"])
        yield Team(Settings.from_environment(), instance, receiver)


def test_a_failed_run_is_one_message_whose_bytes_say_what_where_why_and_the_next_step(team):
    run_id = team.run(raises="disk")
    for _ in range(3):
        team.tick()
    (body,) = team.receiver.bodies
    told = json.loads(body)
    assert (told["title"], told["type"]) == ("so_lakehouse: run failed · warehouse · beer", "failure")
    assert told["message"] == (
        "What: run failed\n"
        f"Where: warehouse beer; site beer; tables posts; run {PAGE}/runs/{run_id}\n"
        "Why: disk\n"
        "Next: so-lakehouse run --site beer"
    )


def test_it_is_over_once_when_a_later_run_has_succeeded_and_stayed_so(team):
    team.run(raises="disk")
    team.tick()
    team.run()
    for minutes in (0, 1, 12, 13, 30):
        team.look(minutes)
    assert team.receiver.titles == [
        "so_lakehouse: run failed · warehouse · beer",
        "so_lakehouse: over: run failed · warehouse · beer",
    ]
    assert team.receiver.messages[1]["type"] == "success"
    assert team.look(60) == "0 incidents are open; 0 messages were sent, 0 wait."


def test_a_run_that_fails_again_and_again_is_told_once(team):
    for _ in range(3):
        team.run(raises="disk")
        team.tick()
    assert len(team.receiver.bodies) == 1


def test_a_run_that_dagster_tries_again_is_told_when_the_last_try_has_failed(team):
    team.run(raises="disk", tags={"dagster/will_retry": "true"})
    team.tick()
    assert team.receiver.bodies == []
    team.run(raises="disk")
    team.tick()
    assert len(team.receiver.bodies) == 1


def test_two_sites_are_two_messages_and_one_of_them_ends(team):
    team.run(raises="disk", site="ai")
    team.run(raises="disk", site="beer")
    team.tick()
    team.run(site="ai")
    team.look()
    team.look(QUIET / timedelta(minutes=1))
    first = [f"so_lakehouse: run failed · warehouse · {site}" for site in ("ai", "beer")]
    assert sorted(team.receiver.titles[:2]) == first
    assert team.receiver.titles[2:] == ["so_lakehouse: over: run failed · warehouse · ai"]


def test_a_defect_is_told_by_its_cause_not_by_its_traceback(team):
    team.run(raises="defect")
    team.tick()
    (told,) = team.receiver.messages
    assert "ZeroDivisionError: defect (a defect: the traceback stands in the run's log)" in told["message"]
    assert "Traceback" not in told["message"]


def test_a_blocking_check_of_a_run_is_told_in_its_own_words(team):
    team.run(checked, passes=False)
    team.tick()
    (told,) = team.receiver.messages
    assert told["title"] == "so_lakehouse: blocking check failed · warehouse · beer"
    assert "tables votes; run" in told["message"]
    assert "Why: warehouse/votes · equals_silver: 2 rows differ.\n" in told["message"]


def test_a_warehouse_that_waits_behind_silvers_gate_is_no_incident_of_its_own(team):
    team.run(raises="gate")
    assert team.tick() == "0 incidents are open; 0 messages were sent, 0 wait."


def refuse(team: Team, passed: bool = False) -> None:
    check = CheckOutcome("rows_conserved", passed, True, "posts of beer: 2 rows are missing. Report it.")
    told = BronzeManifest("beer", "2016-10-01", "posts", "2016-12", 1, "2016-12-11", "v", "r", True, checks=(check,))
    told.save(team.lake)


def test_a_blocking_check_that_failed_in_the_lake_is_told_and_over_when_the_dump_was_read_anew(team):
    refuse(team)
    for _ in range(2):
        team.tick()
    refuse(team, passed=True)
    team.look()
    team.look(11)
    first, last = team.receiver.messages
    assert first["title"] == "so_lakehouse: blocking check failed · bronze/dump · 2016-10-01|beer"
    assert "Why: rows_conserved: posts of beer: 2 rows are missing. Report it.\n" in first["message"]
    assert last["title"] == "so_lakehouse: over: blocking check failed · bronze/dump · 2016-10-01|beer"


def test_a_site_that_is_late_is_told_and_over_when_the_day_is_in_silver(team):
    for day in ("2026-01-04", "2026-01-05"):
        fetch(team.lake, "beer", day)
    take_in(team.lake, team.settings, "beer", "2026-01-04")
    team.settings = replace(team.settings, now="2026-01-06T01:00:00")
    team.look()
    assert team.receiver.bodies == []
    team.settings = replace(team.settings, now="2026-01-06T03:00:00")
    team.look()
    team.look()
    take_in(team.lake, team.settings, "beer", "2026-01-05")
    team.look()
    team.look(11)
    first, last = team.receiver.messages
    assert first["title"] == "so_lakehouse: site late · silver · beer"
    assert "Next: so-lakehouse run --site beer --days-since 2026-01-05" in first["message"]
    assert last["title"] == "so_lakehouse: over: site late · silver · beer"


def test_a_quota_that_is_used_up_is_told_and_over_when_its_next_day_begins(team):
    clock = Clock()
    Budget.of(team.settings, clock).settle("questions", Reply(quota_remaining=9, quota_max=300))
    team.look()
    team.look()
    Budget.of(team.settings, clock).settle("questions", Reply(quota_remaining=299, quota_max=300))
    team.look()
    team.look(11)
    first, last = team.receiver.messages
    assert first["title"] == "so_lakehouse: API quota gone · raw/api"
    assert "Why: The API's quota is used up: 9 of 300 requests left; 5 % are left to others" in first["message"]
    assert "set LAKEHOUSE_API_KEY" in first["message"]
    assert last["title"] == "so_lakehouse: over: API quota gone · raw/api"


def test_a_lakehouse_that_never_asked_the_api_has_no_budget_made_by_looking(team):
    team.tick()
    assert not team.settings.api_budget.exists()
    assert Budget.of(team.settings, Clock()).used_up() is None
    Budget.of(team.settings, Clock()).admit("questions", "q", WINDOWS)
    assert Budget.of(team.settings, Clock()).used_up() is None, "no reply has told a quota yet"


def test_a_message_that_was_not_taken_fails_the_tick_and_is_sent_again_once_in_order(team):
    refuse(team)
    team.receiver.refusing = True
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"address 1 of LAKEHOUSE_ALERTS \(json\) did not take .*sent again"):
            team.look()
    refuse(team, passed=True)
    for minutes in (0, 11):
        with pytest.raises(Unavailable):
            team.look(minutes)
    assert team.receiver.bodies == []
    team.receiver.refusing = False
    for minutes in (12, 13):
        team.look(minutes)
    assert [title.removeprefix("so_lakehouse: ")[:8] for title in team.receiver.titles] == ["blocking", "over: bl"]


def test_an_address_that_is_away_holds_up_no_other_and_gets_all_later(team, monkeypatch):
    with receiving() as other:
        monkeypatch.setenv("LAKEHOUSE_ALERTS", f"{team.receiver.address} {other.address}")
        team.settings = Settings.from_environment()
        team.receiver.refusing = True
        refuse(team)
        team.run(raises="disk")
        with pytest.raises(Unavailable, match=r"address 1"):
            team.look()
        assert (len(other.bodies), team.receiver.asked) == (2, 1), "one try is enough to know that it is away"
        team.receiver.refusing = False
        team.look()
        assert sorted(team.receiver.bodies) == sorted(other.bodies)
        assert len(other.bodies) == 2


def test_nothing_that_was_told_is_told_again_after_a_restart(team):
    refuse(team)
    team.tick()
    again = Team(Settings.from_environment(), team.instance, team.receiver)
    again.tick()
    assert len(team.receiver.bodies) == 1


def test_a_source_that_cannot_be_read_fails_the_tick_but_hides_no_other_and_ends_nothing(team):
    refuse(team)
    team.look()
    manifest = Path(team.lake.root) / "bronze/dump/posts/quarter=2016-10-01/site=beer/manifest.json"
    whole = manifest.read_text()
    manifest.write_text("{")
    team.run(raises="disk")
    for minutes in (0, 11, 30):
        with pytest.raises(Unavailable, match="Could not look at everything: JSONDecodeError"):
            team.look(minutes)
    assert [title.split(" · ")[1] for title in team.receiver.titles] == ["bronze/dump", "warehouse"]
    manifest.write_text(whole)
    assert team.look(31) == "2 incidents are open; 0 messages were sent, 0 wait."


def test_secrets_of_addresses_are_in_no_error_log_or_file(team, monkeypatch, caplog, capfd):
    caplog.set_level("DEBUG")
    team.receiver.refusing = True
    refuse(team)
    with pytest.raises(Unavailable) as refused:
        team.look()
    monkeypatch.setenv("LAKEHOUSE_ALERTS", f"nothing://{team.receiver.secret}")
    with pytest.raises(BadInput, match="Address 1 of LAKEHOUSE_ALERTS") as unknown:
        team.tick()
    said = [str(refused.value), str(unknown.value), repr(Settings.from_environment()), *capfd.readouterr()]
    said += [record.getMessage() for record in caplog.records if not record.name.startswith("urllib3")]
    said.append(team.settings.alerts_file.read_text())
    for secret in (team.receiver.secret, "pa55word"):
        assert not [text for text in said if secret in text]


def test_without_an_address_the_sensor_says_so_and_does_nothing(team, monkeypatch):
    monkeypatch.delenv("LAKEHOUSE_ALERTS")
    refuse(team)
    assert team.tick() == NOBODY
    assert not team.settings.alerts_file.exists()
    monkeypatch.setenv("LAKEHOUSE_ALERTS", team.receiver.address)
    team.tick()
    assert len(team.receiver.bodies) == 1, "what is wrong now is told to whom is named now"


def test_both_sensors_are_on_by_default():
    repository = defs.get_repository_def()
    for name in ("alerts", "freshness"):
        assert repository.get_sensor_def(name).default_status is dg.DefaultSensorStatus.RUNNING
        assert repository.get_sensor_def(name).description


@pytest.mark.parametrize(("now", "passed"), [("2026-01-07T01:59:50", True), ("2026-01-07T02:00:01", False)])
def test_the_check_of_a_site_fails_26_hours_after_the_end_of_its_newest_day(team, monkeypatch, now, passed):
    fetch(team.lake, "beer", "2026-01-05")
    take_in(team.lake, team.settings, "beer", "2026-01-05")
    monkeypatch.setenv("LAKEHOUSE_NOW", now)
    done = dg.materialize(
        [site_current], instance=team.instance, partition_key="beer", resources={"lakehouse": Lakehouse()}
    )
    (said,) = done.get_asset_check_evaluations()
    assert (said.asset_key, said.partition, said.passed) == (CHECKED, "beer", passed)
    assert said.severity is dg.AssetCheckSeverity.WARN


def test_a_site_that_grows_late_while_nothing_runs_fails_its_check_and_no_others(team, monkeypatch):
    def tick(now: str, cursor: str | None) -> dg.SensorResult:
        monkeypatch.setenv("LAKEHOUSE_NOW", now)
        context = dg.build_sensor_context(instance=team.instance, cursor=cursor, resources={"lakehouse": Lakehouse()})
        return freshness.evaluate_tick(context)

    for site, day in (("ai", "2026-01-06"), ("beer", "2026-01-05")):
        fetch(team.lake, site, day)
        take_in(team.lake, team.settings, site, day)
    first = tick("2026-01-07T01:00:00", None)
    assert {event.partition: event.passed for event in first.asset_events} == {"ai": True, "beer": True}
    late = tick("2026-01-07T03:00:00", first.cursor)
    assert {event.partition: event.passed for event in late.asset_events} == {"beer": False}
    assert late.skip_message == "1 of 2 sites are late."
    assert tick("2026-01-07T04:00:00", late.cursor).asset_events == []
    for event in late.asset_events:
        team.instance.report_runless_asset_event(event)
    (record,) = team.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(CHECKED, "site_current"), limit=5
    )
    assert record.partition == "beer"


def test_what_is_longer_than_a_service_takes_comes_in_parts(team):
    long = "x" * 1_400
    for quarter in range(1, 41):
        check = CheckOutcome("rows_conserved", False, True, f"{quarter} {long}")
        named = (f"20{quarter + 10}-01-01", "posts", "2016-12", 1, "2016-12-11", "v", "r", True)
        BronzeManifest("beer", *named, checks=(check,)).save(team.lake)
    team.look()
    team.look()
    assert len(team.receiver.bodies) == 2
    assert all(message["title"].startswith("so_lakehouse: 40 incidents") for message in team.receiver.messages)
    told = "".join(message["message"] for message in team.receiver.messages)
    assert told.count("What: blocking check failed") == 40


def test_a_run_whose_process_was_killed_is_told_in_the_words_of_who_found_it(team):
    job = dg.define_asset_job("load", [loads]).resolve(asset_graph=dg.Definitions([loads]).resolve_asset_graph())
    run = team.instance.create_run_for_job(job, tags={"dagster/partition": "beer"}, status=dg.DagsterRunStatus.STARTED)
    team.instance.report_run_failed(run, "The process of this run was killed.")
    team.tick()
    (told,) = team.receiver.messages
    assert "Why: The process of this run was killed.\n" in told["message"]
