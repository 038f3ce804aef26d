"""Silver against the simulator: what it says a quarter changed is what the ledger counts, table by table."""

from __future__ import annotations

from pathlib import Path

from so_lakehouse.dumps.bronze import read_dump
from so_lakehouse.dumps.land import land_dump, resolve
from so_lakehouse.dumps.mirrors import open_mirror
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.settings import Settings
from so_lakehouse.simulate.dumps import cut_of, write_mirror
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.session import open_session

SITE = "simulated-databases"
QUARTERS = ("2025-04-01", "2025-10-01")  # the first with fabricated posts, the second with tags spelled as |a|b|


def test_the_ledger_counts_what_the_simulator_did(tmp_path: Path, settings: Settings, lake: Lake) -> None:
    truth = write_mirror(tmp_path / "mirror", [SITE], QUARTERS, people=120)
    mirror = open_mirror(str(tmp_path / "mirror"), settings)
    spark = open_session(settings)
    for quarter in QUARTERS:
        raw = land_dump(lake, mirror, resolve(mirror, SITE, quarter), settings)
        read_dump(lake, raw, list(TABLES), settings)
        told = truth[cut_of(quarter).isoformat()][SITE]
        for name, converged in converge(spark, lake, SITE, list(TABLES), settings).items():
            (entry,) = converged.applied
            expected = told[name]
            kept = expected["rows_in_file"] - expected["fabricated"]
            assert entry.rows_in == expected["rows_in_file"]
            assert entry.rows_quarantined == expected["fabricated"]
            assert entry.rows_inserted == (kept if quarter == QUARTERS[0] else expected["inserted"])
            assert entry.rows_updated == expected["changed"]
            assert entry.rows_deleted == expected["deleted"]
            assert converged.rows == kept
    changed = sum(table["changed"] + table["deleted"] for table in told.values())
    assert changed > 0, "two equal quarters would prove nothing"
