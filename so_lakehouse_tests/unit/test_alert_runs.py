"""A failed run matters until its assets were made in the same partition; which run does that is all the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

from so_lakehouse.alerts.incident import Kind
from so_lakehouse.alerts.runs import EndedRun, Failure, incidents, still_failed

NOON = datetime(2026, 1, 6, 12, tzinfo=UTC)
BOTH = frozenset({"silver/posts", "silver/votes"})


def ended(
    minute: int, *, done: frozenset[str] = frozenset(), failed: frozenset[str] = frozenset(), **changes
) -> EndedRun:
    named = {"layer": "silver", "partition": "beer", "why": "The disk is full. Free some." if failed else ""}
    return EndedRun(f"run{minute}", ended=NOON + timedelta(minutes=minute), done=done, failed=failed, **named | changes)


def test_a_failed_run_matters_and_a_later_one_that_makes_its_assets_ends_that():
    failures = still_failed([], [ended(1, failed=BOTH)])
    assert [(failure.run_id, failure.why) for failure in failures] == [("run1", "The disk is full. Free some.")]
    assert still_failed(failures, [ended(2, done=BOTH)]) == []


def test_an_earlier_success_changes_nothing():
    assert len(still_failed([], [ended(2, failed=BOTH), ended(1, done=BOTH)])) == 1


def test_another_partition_changes_nothing():
    assert len(still_failed([], [ended(1, failed=BOTH), ended(2, done=BOTH, partition="ai")])) == 1


def test_a_part_of_the_assets_is_not_enough_but_parts_add_up():
    failures = still_failed([], [ended(1, failed=BOTH), ended(2, done=frozenset({"silver/posts"}))])
    assert [failure.missing for failure in failures] == [{"silver/votes"}]
    assert still_failed(failures, [ended(3, done=frozenset({"silver/votes"}))]) == []


def test_a_second_failure_of_the_same_is_the_same_incident():
    failures = still_failed([], [ended(1, failed=BOTH), ended(2, failed=BOTH)])
    assert len(failures) == 1
    assert len(incidents(failures, "http://page")) == 1
    before = incidents(still_failed([], [ended(1, failed=BOTH)]), "http://page")
    assert before[0].key == incidents(failures, "http://page")[0].key


def test_a_second_run_that_fails_at_less_leaves_open_what_neither_made():
    later = ended(2, done=frozenset({"silver/posts"}), failed=frozenset({"silver/votes"}))
    assert [failure.missing for failure in still_failed([], [ended(1, failed=BOTH), later])] == [{"silver/votes"}]


def test_runs_that_come_again_change_nothing_in_any_order():
    runs = [
        ended(1, failed=BOTH),
        ended(2, done=BOTH),
        ended(3, failed=BOTH),
        ended(4, done=frozenset({"silver/posts"})),
    ]
    once = still_failed([], runs)
    assert [failure.missing for failure in once] == [{"silver/votes"}]
    for order in permutations(runs):
        assert still_failed(still_failed([], order), order) == once


def test_what_silvers_gate_refused_is_not_told_again_of_the_warehouse():
    assert (
        still_failed([], [ended(1, failed=frozenset({"warehouse/posts"}), layer="warehouse", refused_before=True)])
        == []
    )


def test_the_incident_names_site_tables_run_cause_and_command():
    (incident,) = incidents(still_failed([], [ended(1, failed=BOTH)]), "http://page/")
    assert (incident.kind, incident.site, incident.tables) == (Kind.RUN_FAILED, "beer", ("posts", "votes"))
    assert (incident.run, incident.next_step) == ("http://page/runs/run1", "so-lakehouse run --site beer")
    assert incident.why == "The disk is full. Free some."


def test_the_next_step_fits_the_layer_and_partition():
    def step(layer: str, partition: str) -> str:
        failure = Failure("run1", layer, partition, NOON, frozenset({layer}), "", refused=False)
        return incidents([failure], "http://page")[0].next_step

    assert step("bronze/dump", "2016-10-01|beer") == "so-lakehouse run --site beer --quarter 2016-10-01"
    assert step("raw/api", "2026-01-05|beer") == "so-lakehouse run --site beer --day 2026-01-05"
    assert step("maintenance", "beer") == "so-lakehouse prune --site beer"
    assert "http://page/runs/run1" in step("marts", "")


def test_what_a_check_refused_is_told_by_the_lake_where_its_outcome_lies_there():
    refused = [
        ended(1, failed=BOTH, refused=True),
        ended(1, failed=frozenset({"marts/x"}), layer="marts", partition="", refused=True),
    ]
    told = incidents(still_failed([], refused), "http://page")
    assert [(incident.kind, incident.layer) for incident in told] == [(Kind.CHECK_FAILED, "marts")]
