"""Every check of silver can fail, says what failed, and passes on what is right."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from so_lakehouse.lake.gates import TableGate
from so_lakehouse.lake.ledger import LedgerRow
from so_lakehouse.quality import deletions
from so_lakehouse.quality.losses import is_too_much
from so_lakehouse.quality.silver import checks, outcomes
from so_lakehouse.quality.silver_case import Case, Measured
from so_lakehouse.schema import TABLES, table


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def applied(rows: int, cut: str, **counts: int) -> LedgerRow:
    """The ledger's row of a dump; all its rows inserted unless told otherwise."""
    counts = counts or {"rows_inserted": rows}
    quarter, when = f"{cut[:4]}-10-01", day("2026-01-01")
    return LedgerRow("beer", "posts", "dump", quarter, cut, "1", when, rows_in=rows, cut_at=day(cut), **counts)


RIGHT = Measured(
    rows=1000,
    distinct_keys=1000,
    oldest={"CreationDate": day("2014-01-21")},
    newest={"CreationDate": day("2016-12-10"), "LastActivityDate": day("2016-12-10")},
    references={"OwnerUserId": (900, 10)},
    highest_ids=(20_000, 19_999),
)
LEDGER = (applied(1000, "2016-12-11"),)
GATE = TableGate(1, "posts@1", outcomes(Case(table("posts"), "beer", RIGHT, LEDGER, None)))

# check, what differs from RIGHT, the ledger, what its message must hold
WRONG = [
    ("keys_present", {"null_keys": 3, "distinct_keys": 997}, LEDGER, "3 rows without a key"),
    ("keys_unique", {"distinct_keys": 998}, LEDGER, "2 rows repeat a key"),
    ("ledger_conserved", {}, (applied(1001, "2016-12-11", rows_inserted=1000),), "1,001 in, 1,000 accounted"),
    ("rows_match_ledger", {"rows": 999, "distinct_keys": 999}, LEDGER, "999 rows, but the ledger says 1,000"),
    (
        "row_count_plausible",
        {},
        (applied(1200, "2016-09-11"), applied(1000, "2016-12-11", rows_unchanged=1000, rows_deleted=200)),
        "1,000 rows, 1,200 before",
    ),
    ("dates_in_reach", {"oldest": {"CreationDate": day("0001-01-01")}}, LEDGER, "CreationDate 1-01-01"),
    ("dates_after_launch", {"oldest": {"CreationDate": day("2008-01-01")}}, LEDGER, "CreationDate 2008-01-01"),
    ("dates_after_launch", {"oldest": {"CreationDate": day("2009-05-01")}}, LEDGER, "CreationDate 2009-05-01"),
    ("dates_before_cut", {"newest": {"CreationDate": day("2017-01-01")}}, LEDGER, "after 2016-12-11"),
    ("dates_in_reach", {"newest": {"CreationDate": day("2300-01-21")}}, LEDGER, "more than a year after 2016-12-11"),
    ("post_type_id_allowed", {"not_allowed": {"PostTypeId": 4}}, LEDGER, "4 rows with an unknown PostTypeId"),
    ("owner_user_id_refers", {"references": {"OwnerUserId": (900, 90)}}, LEDGER, "90 of 900 OwnerUserId (10.0%)"),
    ("no_fabricated_posts", {"fabricated": 1}, LEDGER, "1 fabricated posts"),
    ("ids_plausible", {"highest_ids": (1_000_000_001, 20_000)}, LEDGER, "id 1000000001 is more than ten times"),
    (
        "ids_plausible",
        {"highest_ids": (1_000_000_010, 1_000_000_001, 20_000, 19_999)},
        LEDGER,
        "id 1000000001 is more than ten times the next (20000)",
    ),
    (
        "newest_day_not_late",
        {"newest": {"LastActivityDate": day("2016-06-01")}},
        LEDGER,
        "newest LastActivityDate is 2016-06-01",
    ),
]


# what differs from RIGHT without being wrong, and the ledger: each limit from its other side
WITHIN = [
    ({}, (applied(1100, "2016-09-11"), applied(1000, "2016-12-11", rows_unchanged=1000, rows_deleted=100))),
    (
        {"rows": 1900, "distinct_keys": 1900},
        (applied(2000, "2016-09-11"), applied(1800, "2016-12-11", rows_deleted=100, rows_unchanged=1800)),
    ),
    ({"oldest": {"CreationDate": day("2014-01-20")}}, LEDGER),
    ({"newest": {"CreationDate": day("2016-12-12")}}, LEDGER),
    ({"newest": {"LastActivityDate": day("2016-10-12")}}, LEDGER),
    ({"references": {"OwnerUserId": (900, 27)}}, LEDGER),  # two points more than before
    ({"references": {"OwnerUserId": (100, 30)}}, LEDGER),  # 20 rows more
    ({"highest_ids": (199_999, 20_000)}, LEDGER),
    ({"highest_ids": (9_999, 20)}, LEDGER),
]


def judged(measured: Measured, ledger: tuple[LedgerRow, ...], gate: TableGate | None = GATE) -> dict[str, tuple]:
    found = outcomes(Case(table("posts"), "beer", measured, ledger, gate))
    return {outcome.name: (outcome.passed, outcome.detail) for outcome in found}


def test_what_is_right_passes_every_check():
    assert all(passed for passed, _ in judged(RIGHT, LEDGER).values())


@pytest.mark.parametrize(("differs", "ledger"), WITHIN)
def test_what_is_just_within_the_limits_passes_every_check(differs, ledger):
    found = judged(replace(RIGHT, **differs), ledger)
    assert {check: detail for check, (passed, detail) in found.items() if not passed} == {}


@pytest.mark.parametrize(("name", "differs", "ledger", "says"), WRONG)
def test_each_check_fails_alone_and_says_what_failed(name, differs, ledger, says):
    found = judged(replace(RIGHT, **differs), ledger)
    assert {check for check, (passed, _) in found.items() if not passed} == {name}
    assert says in found[name][1]
    assert "posts of beer" in found[name][1]
    blocks = next(check.blocking for check in checks("posts") if check.name == name)
    assert not blocks or any(remedy in found[name][1] for remedy in ("so-lakehouse rebuild", "report it"))


def test_no_check_is_left_without_a_case_that_makes_it_fail():
    """Those of single columns: `pipeline/test_measure_silver.py` makes each of them fail, and those that judge before
    anything is written: `test_quality_deletions.py`."""
    by_rule = {name for name, *_ in WRONG}
    of_columns = ("_allowed", "_refers")
    declared = {check.name for name in TABLES for check in checks(name)} - {of.name for of in deletions.DECLARATIONS}
    assert {name for name in declared if not name.endswith(of_columns)} == {
        name for name in by_rule if not name.endswith(of_columns)
    }


def test_references_that_dangled_before_are_the_baseline():
    assert judged(replace(RIGHT, references={"OwnerUserId": (900, 400)}), LEDGER, gate=None)["owner_user_id_refers"][0]


def test_references_that_dangle_a_little_more_each_day_are_found_before_the_next_dump():
    gate, found = GATE, []
    for dangling in (18, 26, 34):
        crept = replace(RIGHT, references={"OwnerUserId": (900, dangling)})
        gate = replace(gate, checks=outcomes(Case(table("posts"), "beer", crept, LEDGER, gate)))
        found += [check.passed for check in gate.checks if check.name == "owner_user_id_refers"]
    assert found == [True, True, False]


def test_a_re_issue_that_mends_references_is_the_baseline_of_the_days_after_it():
    first = replace(LEDGER[0], revision=0)
    both = (first, replace(first, data_version="re-issued", revision=1))
    gate, found = None, []
    for dangling, ledger in ((400, (first,)), (10, both), (390, both)):
        case = Case(table("posts"), "beer", replace(RIGHT, references={"OwnerUserId": (900, dangling)}), ledger, gate)
        gate = replace(GATE, checks=outcomes(case))
        found += [check.passed for check in gate.checks if check.name == "owner_user_id_refers"]
    assert found == [True, True, False]


def test_the_sites_own_oldest_date_counts_only_from_its_second_gate():
    older = replace(RIGHT, oldest={"CreationDate": day("2009-05-01")})
    assert judged(older, LEDGER, gate=None)["dates_after_launch"][0]


def test_a_jump_that_was_found_is_found_again_until_it_is_gone():
    jumped = replace(RIGHT, references={"OwnerUserId": (900, 90)})
    gate = GATE
    for _ in range(2):
        gate = replace(gate, checks=outcomes(Case(table("posts"), "beer", jumped, LEDGER, gate)))
        assert {check.name for check in gate.checks if not check.passed} == {"owner_user_id_refers"}
    assert all(passed for passed, _ in judged(RIGHT, LEDGER, gate).values())


def test_a_page_reaches_as_far_as_it_was_fetched_and_not_only_to_its_day():
    fetched = day("2017-01-20")
    page = LedgerRow("beer", "posts", "api/questions", "2016-12-20", "1", "1", fetched, cut_at=fetched)
    late = replace(RIGHT, newest=RIGHT.newest | {"CreationDate": day("2017-01-19")})
    assert judged(late, (*LEDGER, page))["dates_before_cut"][0]
    assert not judged(late, (*LEDGER, replace(page, cut_at=None)))["dates_before_cut"][0], "an earlier release's row"


@pytest.mark.parametrize(
    ("deleted", "held", "too_much"),
    [(100, 900, False), (101, 1_010, False), (101, 1_009, True), (200, 2_000, False), (201, 2_000, True)],
)
def test_more_than_a_tenth_and_more_than_a_hundred_rows_are_too_much_to_delete(deleted, held, too_much):
    assert is_too_much(deleted, held) is too_much
