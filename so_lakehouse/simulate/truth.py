"""What is true of simulated dumps: how many rows each file holds, and what changed since the release before.

Tests compare the lakehouse with it. It is counted on the world's rows, never on the files.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from so_lakehouse.schema import FABRICATED_POST_IDS, TABLES
from so_lakehouse.simulate.quirks import Quirks
from so_lakehouse.simulate.snapshot import Row


class TableTruth(TypedDict):
    """Of one table in one release. What changed is against the site's release before; zero for its first.

    A large site (`large`) tells `rows_in_file` only.
    """

    rows_in_file: int
    fabricated: NotRequired[int]  # rows of the file that no site ever had
    inserted: NotRequired[int]
    deleted: NotRequired[int]
    changed: NotRequired[int]  # rows in both with another value in any column
    changed_columns: NotRequired[dict[str, int]]  # column → rows in which it changed


Truth = dict[str, dict[str, dict[str, TableTruth]]]  # release → site → table


def truth_of(rows: dict[str, list[Row]], before: dict[str, list[Row]] | None, quirks: Quirks) -> dict[str, TableTruth]:
    """Table → counts of one site's release, given its rows and those of its release before (None for the first)."""
    return {table: _table_truth(table, rows[table], before[table] if before else None, quirks) for table in TABLES}


def _table_truth(table: str, now: list[Row], before: list[Row] | None, quirks: Quirks) -> TableTruth:
    fabricated = len(FABRICATED_POST_IDS) if table == "posts" and quirks.fabricated_posts else 0
    columns: dict[str, int] = {}
    inserted = deleted = changed = 0
    if before is not None:
        new, old = {row["Id"]: row for row in now}, {row["Id"]: row for row in before}
        inserted, deleted = len(new.keys() - old.keys()), len(old.keys() - new.keys())
        for key in new.keys() & old.keys():
            different = [name for name in TABLES[table].column_names if new[key].get(name) != old[key].get(name)]
            changed += bool(different)
            for name in different:
                columns[name] = columns.get(name, 0) + 1
    return TableTruth(
        rows_in_file=len(now) + fabricated,
        fabricated=fabricated,
        inserted=inserted,
        deleted=deleted,
        changed=changed,
        changed_columns=dict(sorted(columns.items())),
    )
