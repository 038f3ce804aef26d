"""The gate file keeps both moments of a table, and one that an earlier release wrote, with one moment, is read."""

from __future__ import annotations

from datetime import UTC, datetime

from so_lakehouse.lake import gates, paths
from so_lakehouse.lake.gates import TableGate
from so_lakehouse.lake.storage import Lake

CUT = datetime(2026, 1, 4, 23, 59, 59, 999999, tzinfo=UTC)
REACHED = datetime(2026, 1, 9, 23, 59, 59, 999999, tzinfo=UTC)


def test_rows_and_counters_keep_their_own_moment(lake: Lake) -> None:
    gates.save(lake, "beer", {"posts": TableGate(3, "posts@2", (), complete_to=REACHED, cut_at=CUT)})
    assert (gates.load(lake, "beer")["posts"].complete_to, gates.load(lake, "beer")["posts"].cut_at) == (REACHED, CUT)


def test_the_one_moment_of_an_earlier_release_is_the_cut(lake: Lake) -> None:
    entry = {"version": 3, "data_version": "posts@2", "checks": [], "written_at": "2026-01-05T00:00:00+00:00"}
    tables = {"posts": entry | {"complete_to": CUT.isoformat()}, "votes": entry | {"complete_to": None}}
    lake.write_json(paths.silver_gate("beer"), {"site": "beer", "tables": tables})
    found = gates.load(lake, "beer")
    assert (found["posts"].complete_to, found["posts"].cut_at) == (CUT, CUT)
    assert (found["votes"].complete_to, found["votes"].cut_at) == (None, None)
