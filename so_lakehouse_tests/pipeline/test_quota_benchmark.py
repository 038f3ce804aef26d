"""The quota's benchmark counts every question that it asks, at the smallest of its communities."""

from __future__ import annotations

from benchmarks.quota_morning import DAYS, morning
from so_lakehouse.api.budget import REASK, SWEEP
from so_lakehouse.api.methods import METHODS
from so_lakehouse.lake.api_raw import WINDOW


def test_a_quiet_morning_asks_once_for_each_order_and_for_what_is_held_by_id(tmp_path):
    found = morning(tmp_path / "months", 200)
    assert found.requests[WINDOW] == {entity: len(method.walks) for entity, method in METHODS.items()}
    assert found.requests[REASK] == {"questions": 1, "answers": 1, "comments": 0, "users": 0}
    assert found.requests[SWEEP]["users"] == 2, "a hundred accounts a request, of 120 founders and who joined since"
    assert found.seconds > 0


def test_a_community_that_is_some_days_old_is_asked_for_its_windows_alone(tmp_path):
    found = morning(tmp_path / "days", 200, DAYS)
    assert found.requests.keys() == {WINDOW}
