"""Which checks a silver table has: declared from the schema, known before anything runs.

Belongs here: names, severities, and which rule judges. Not here: the rules (`silver_rules.py`), what is judged before
a table is written (`deletions.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.quality import CheckDeclaration, deletions
from so_lakehouse.quality import silver_rules as rules
from so_lakehouse.quality.silver_case import LAST_PASSED, Case
from so_lakehouse.quality.silver_rules import Judgement
from so_lakehouse.schema import Table, table
from so_lakehouse.schema_forms import snake_case

# The date by which a table shows that it is current, where it has one that moves every month on a living site.
PULSE = {"posts": "LastActivityDate", "users": "LastAccessDate", "votes": "CreationDate", "comments": "CreationDate"}


Rule = Callable[[Case], Judgement]
BLOCKS, WARNS = True, False

# name, whether it blocks, what it promises, who judges
EVERY_TABLE: tuple[tuple[str, bool, str, Rule], ...] = (
    ("keys_present", BLOCKS, "Every row has its key.", rules.keys_present),
    ("keys_unique", BLOCKS, "No key occurs twice.", rules.keys_unique),
    ("ledger_conserved", BLOCKS, "Of every input, each row became something.", rules.conserved),
    ("rows_match_ledger", BLOCKS, "Rows = inserted minus deleted, over the ledger.", rules.match),
    ("row_count_plausible", WARNS, "The newest dump did not lose more than a tenth of the rows.", rules.row_count),
    (
        "dates_after_launch",
        WARNS,
        "No date is older than the network or the site's own oldest.",
        rules.after_launch,
    ),
    ("dates_before_cut", WARNS, "No date is later than the evidence.", rules.before_cut),
    (
        "dates_in_reach",
        BLOCKS,
        "No date is more than a year later than the evidence, or older than the network.",
        rules.in_reach,
    ),
)
POSTS: tuple[tuple[str, bool, str, Rule], ...] = (
    ("no_fabricated_posts", BLOCKS, "None of the posts that dumps made up.", rules.fabricated),
    ("ids_plausible", WARNS, "No id is ten times the one before it.", rules.ids_plausible),
)


@dataclass(frozen=True)
class Check:
    """A declaration with the rule that judges it."""

    declaration: CheckDeclaration
    judge: Rule


def checks(name: str) -> tuple[CheckDeclaration, ...]:
    """The checks of one silver table, known before anything runs."""
    return (*deletions.DECLARATIONS, *(check.declaration for check in _checks(table(name))))


def outcomes(case: Case) -> tuple[CheckOutcome, ...]:
    """What every check that looks at a written table says of these numbers."""
    found = []
    for check in _checks(case.table):
        judged, declared = check.judge(case), check.declaration
        noted, baseline = judged.metadata, case.baseline(declared.name)
        if baseline and not judged.passed:
            noted = noted | {LAST_PASSED: baseline}  # what failed is no measure for the next
        found.append(CheckOutcome(declared.name, judged.passed, declared.blocking, judged.detail, noted))
    return tuple(found)


def _checks(of: Table) -> list[Check]:
    declared = [*EVERY_TABLE, *(POSTS if of.name == "posts" else ()), *_of_columns(of)]
    return [Check(CheckDeclaration(name, blocks, sentence), judge) for name, blocks, sentence, judge in declared]


def _of_columns(of: Table) -> Iterator[tuple[str, bool, str, Rule]]:
    for column in of.columns:
        name = snake_case(column.name)
        if column.allowed:
            sentence = f"{column.name} holds only codes that the schema knows."
            yield f"{name}_allowed", BLOCKS, sentence, rules.allowed(column.name)
        if column.references:
            sentence = f"{column.name}: the share that is not in {column.references} does not jump, at a dump or after."
            yield f"{name}_refers", WARNS, sentence, rules.refers(f"{name}_refers", column.name, column.references)
    if of.name in PULSE:
        sentence = f"The newest {PULSE[of.name]} is not long before the cut."
        yield "newest_day_not_late", WARNS, sentence, rules.not_late(PULSE[of.name])
