"""Which of the runs that are due are asked for now, and what is said of the others."""

from __future__ import annotations

from so_lakehouse.automation.answer import Request, Run, Runs, attempt
from so_lakehouse.clock import Clock
from so_lakehouse.settings import Settings


def request(site: str, version: str = "1") -> Request:
    return Request(("silver", "warehouse"), (site,), version, "bronze has news.")


def test_what_is_due_is_asked_for_in_order():
    answer = Runs().answer([request("beer"), request("ai")], ["a note"])
    assert [one.site for one in answer.requests] == ["beer", "ai"]
    assert answer.notes == ("a note",)


def test_one_state_is_asked_for_once_and_another_state_again():
    runs = Runs(tried=lambda key: "run 1a2b3c4d, FAILURE" if key == request("beer").key else "")
    answer = runs.answer([request("beer"), request("ai")])
    assert [one.site for one in answer.requests] == ["ai"]
    assert answer.notes == (
        "beer: bronze has news. Started before (run 1a2b3c4d, FAILURE); again when something has changed, or by hand.",
    )
    assert runs.answer([request("beer", version="2")]).requests == (request("beer", version="2"),)


def test_a_partition_that_is_being_worked_on_waits():
    runs = Runs((Run(frozenset({"maintenance"}), ("beer",)),))
    answer = runs.answer([request("beer"), request("ai")])
    assert [one.site for one in answer.requests] == ["ai"]
    assert answer.notes == ("beer: bronze has news. It goes on or waits in the queue.",)


def test_of_many_only_so_many_are_queued_and_what_was_tried_takes_no_place():
    runs = Runs(tried=lambda key: "run 1, FAILURE" if "/a/" in key else "")
    answer = runs.answer([request(site) for site in "abcde"], most=2)
    assert [one.site for one in answer.requests] == ["b", "c"]
    assert answer.notes[-1] == "2 more wait until fewer runs are queued."


def test_what_lies_outside_is_tried_again_after_a_while():
    settings = Settings(retry_seconds=600)
    moments = [Clock(f"2026-01-01T00:{minute:02}:00").now() for minute in (1, 9, 11)]
    numbers = [attempt(moment, settings) for moment in moments]
    assert numbers[0] == numbers[1] != numbers[2]
