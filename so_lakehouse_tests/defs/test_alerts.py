"""The sensors and the check as Dagster has them: runs of a real instance, ticks without a daemon, a real webhook.

What is told of other incidents: `pipeline/test_alert_kinds.py`; what becomes of a message that nobody takes:
`pipeline/test_alert_delivery.py`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import dagster as dg
import pytest

from so_lakehouse.alerts.tell import NOBODY, tell
from so_lakehouse.clock import Clock
from so_lakehouse.definitions import defs
from so_lakehouse.defs.alerts import CHECKED, alerts, freshness, site_current
from so_lakehouse.defs.resources import Lakehouse
from so_lakehouse.errors import CheckFailed, Unavailable
from so_lakehouse.lake.storage import Lake
from so_lakehouse.partitions import SITES
from so_lakehouse.run_history import ended_runs
from so_lakehouse.runner import PROCESS_TAG
from so_lakehouse.settings import Settings
from so_lakehouse.unstable import unstable_api
from so_lakehouse_tests.days_in_silver import fetch, take_in
from so_lakehouse_tests.receiver import Receiver, receiving

NOTHING = "0 incidents are open; 0 messages were sent, 0 wait."


class Trouble(dg.Config):
    """How a run below ends."""

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
    said = dg.AssetCheckResult(passed=config.passes, check_name="equals_silver", description="2 rows differ.")
    return dg.MaterializeResult(check_results=[said])


@dg.asset(key=CHECKED, partitions_def=SITES)
def converged() -> None:
    """In the place of a converge, which the check follows."""


class Team:
    """One lakehouse, its Dagster, and a webhook that its people read."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, receiver: Receiver) -> None:
        self.settings, self.instance, self.receiver = settings, instance, receiver
        self.lake = Lake.of(settings)

    def tick(self) -> str | None:
        context = dg.build_sensor_context(instance=self.instance, resources={"lakehouse": Lakehouse()})
        return alerts.evaluate_tick(context).skip_message

    def look_later(self, minutes: float) -> str:
        """What a tick so many minutes from now would do."""
        now = datetime.now(UTC) + timedelta(minutes=minutes)
        return tell(self.settings, Clock(), partial(ended_runs, self.instance), now)

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
        instance.add_dynamic_partitions(SITES.name or "", ["ai", "beer"])
        yield Team(Settings.from_environment(), instance, receiver)


def test_a_failed_run_is_told_once_with_its_site_table_run_cause_and_command(team):
    run_id = team.run(raises="disk")
    for _ in range(3):
        team.tick()
    (told,) = team.receiver.messages
    assert told["title"] == "so_lakehouse: run failed · warehouse · beer"
    assert told["message"] == (
        "What: run failed\n"
        f"Where: warehouse beer; site beer; tables posts; run http://127.0.0.1:3000/runs/{run_id}\n"
        "Why: disk\n"
        "Next: so-lakehouse run --site beer"
    )


def test_it_is_over_once_when_a_later_run_of_the_same_site_has_succeeded(team):
    team.run(raises="disk")
    team.tick()
    team.run(site="ai")
    assert team.tick() == "1 incidents are open; 0 messages were sent, 0 wait."
    team.run(site="beer")
    team.tick()
    for minutes in (11, 12):
        team.look_later(minutes)
    assert [title.removeprefix("so_lakehouse: ") for title in team.receiver.titles] == [
        "run failed · warehouse · beer",
        "over: run failed · warehouse · beer",
    ]
    assert team.look_later(13) == NOTHING


def test_a_run_that_fails_again_and_again_is_told_once(team):
    for _ in range(3):
        team.run(raises="disk")
        team.tick()
    assert len(team.receiver.bodies) == 1


def test_a_run_that_dagster_tries_again_is_told_when_the_last_try_has_failed(team):
    team.run(raises="disk", tags={"dagster/will_retry": "true"})
    assert team.tick() == NOTHING
    team.run(raises="disk", tags={"dagster/will_retry": "false"})
    team.tick()
    assert len(team.receiver.bodies) == 1


def test_where_dagster_tries_runs_again_it_is_dagster_that_says_which_try_is_the_last(team, tmp_path):
    tries_again = {"run_retries": {"enabled": True, "max_retries": 0, "retry_on_asset_or_op_failure": True}}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=tries_again) as instance:
        instance.add_dynamic_partitions(SITES.name or "", ["beer"])
        team.instance = instance
        team.run(raises="disk", tags={"dagster/max_retries": "1"})
        assert team.tick() == NOTHING
        team.run(raises="disk")
        team.tick()
    assert len(team.receiver.bodies) == 1


def test_a_defect_is_told_by_its_cause_not_by_its_traceback(team):
    team.run(raises="defect")
    team.tick()
    (told,) = team.receiver.messages
    assert "ZeroDivisionError: defect (a defect: the traceback stands in the run's log)" in told["message"]
    assert "Traceback" not in told["message"]


def test_a_blocking_check_of_a_run_is_told_in_its_own_words_and_over_with_the_next_good_run(team):
    team.run(checked, passes=False)
    team.tick()
    (told,) = team.receiver.messages
    assert told["title"] == "so_lakehouse: blocking check failed · warehouse · beer"
    assert "tables votes; run" in told["message"]
    assert "Why: warehouse/votes · equals_silver: 2 rows differ.\n" in told["message"]
    team.run(checked)
    team.tick()
    team.look_later(11)
    assert team.receiver.titles[1:] == ["so_lakehouse: over: blocking check failed · warehouse · beer"]


def test_a_warehouse_that_waits_behind_silvers_gate_is_no_incident_of_its_own(team):
    team.run(raises="gate")
    assert team.tick() == NOTHING


def test_a_run_whose_process_was_killed_is_told_in_the_words_of_who_found_it(team):
    job = dg.Definitions([loads]).resolve_implicit_global_asset_job_def()
    run = team.instance.create_run_for_job(job, tags={"dagster/partition": "beer"}, status=dg.DagsterRunStatus.STARTED)
    team.instance.report_run_failed(run, "The process of this run was killed.")
    team.tick()
    (told,) = team.receiver.messages
    assert told["title"] == "so_lakehouse: run failed · warehouse · beer"
    assert "Why: The process of this run was killed.\n" in told["message"]


@pytest.mark.parametrize("address", ["the team's", ""])
def test_a_killed_run_is_found_by_the_look_itself_where_no_other_sensor_is_on(team, monkeypatch, address):
    if not address:
        monkeypatch.delenv("LAKEHOUSE_ALERTS")
    job = dg.Definitions([loads]).resolve_implicit_global_asset_job_def()
    tags = {"dagster/partition": "beer", PROCESS_TAG: "1 0.0"}
    run = team.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    team.tick()
    assert team.instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
    assert team.receiver.titles == (["so_lakehouse: run failed · warehouse · beer"] if address else [])


def test_a_run_of_a_job_without_assets_is_told_by_the_jobs_name(team):
    @dg.op
    def maintain() -> None:
        raise Unavailable("The lake does not answer.")

    @dg.job(partitions_def=SITES)
    def maintenance() -> None:
        maintain()

    maintenance.execute_in_process(instance=team.instance, partition_key="beer", raise_on_error=False)
    team.tick()
    (told,) = team.receiver.messages
    assert told["title"] == "so_lakehouse: run failed · maintenance · beer"
    assert told["message"].endswith("Why: The lake does not answer.\nNext: so-lakehouse prune --site beer")


def test_a_message_that_was_not_taken_fails_the_tick(team):
    team.receiver.refusing = True
    team.run(raises="disk")
    with pytest.raises(Exception, match="did not take"):
        team.tick()
    team.receiver.refusing = False
    team.tick()
    assert len(team.receiver.bodies) == 1


def test_without_an_address_the_sensor_skips_and_says_so(team, monkeypatch):
    monkeypatch.delenv("LAKEHOUSE_ALERTS")
    team.run(raises="disk")
    assert team.tick() == NOBODY


def test_both_sensors_are_on_by_default_and_say_what_they_do():
    repository = defs.get_repository_def()
    for name in ("alerts", "freshness"):
        sensor = repository.get_sensor_def(name)
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
        assert sensor.description


@pytest.mark.parametrize(("now", "passed"), [("2026-01-07T01:59:50", True), ("2026-01-07T02:00:01", False)])
def test_the_check_of_a_site_fails_26_hours_after_the_end_of_its_newest_day(team, monkeypatch, now, passed):
    for day in ("2026-01-04", "2026-01-05"):
        fetch(team.lake, "beer", day)
        take_in(team.lake, team.settings, "beer", day)
    monkeypatch.setenv("LAKEHOUSE_NOW", now)
    done = dg.materialize(
        [converged, site_current], instance=team.instance, partition_key="beer", resources={"lakehouse": Lakehouse()}
    )
    assert done.success, "the check warns, and stops nothing"
    (said,) = done.get_asset_check_evaluations()
    assert (said.asset_key, said.partition, said.passed) == (CHECKED, "beer", passed)
    assert said.severity is dg.AssetCheckSeverity.WARN
    assert not said.blocking


def test_a_site_that_grows_late_while_nothing_runs_fails_its_check_and_no_others(team, monkeypatch):
    def tick(now: str, cursor: str | None):
        monkeypatch.setenv("LAKEHOUSE_NOW", now)
        context = dg.build_sensor_context(instance=team.instance, cursor=cursor, resources={"lakehouse": Lakehouse()})
        return freshness.evaluate_tick(context)

    for site, day in (("ai", "2026-01-06"), ("beer", "2026-01-04"), ("beer", "2026-01-05")):
        fetch(team.lake, site, day)
        take_in(team.lake, team.settings, site, day)
    first = tick("2026-01-07T01:00:00", None)
    assert {event.partition: event.passed for event in first.asset_events} == {"ai": True, "beer": True}
    late = tick("2026-01-07T03:00:00", first.cursor)
    assert {event.partition: event.passed for event in late.asset_events} == {"beer": False}
    assert late.skip_message == "1 of 2 sites are late."
    assert tick("2026-01-07T04:00:00", late.cursor).asset_events == []
    for event in late.asset_events:
        team.instance.report_runless_asset_event(event)  # as the daemon does
    checks = team.instance.event_log_storage
    (record,) = checks.get_asset_check_execution_history(site_current.check_key, limit=5)
    assert record.partition == "beer"
