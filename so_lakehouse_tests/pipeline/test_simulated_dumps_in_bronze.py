"""The reader against the simulator: a world written in the spelling of every era comes back value by value.

The simulator knows the values themselves (tabs, line ends, letters beyond 16 bits), which a standard XML parser would
normalise in part; so this compares with the world and not with another parser.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from so_lakehouse.dumps.bronze import read_dump
from so_lakehouse.dumps.land import land_dump, resolve
from so_lakehouse.dumps.mirrors import open_mirror
from so_lakehouse.lake.manifests import BronzeManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import FABRICATED_POST_IDS, TABLES, Type
from so_lakehouse.settings import Settings
from so_lakehouse.simulate.archive import LZMA2_PER_TABLE, SOLID_BZIP2, Packing
from so_lakehouse.simulate.community import found_community
from so_lakehouse.simulate.dumps import LAUNCH, cut_of, write_mirror
from so_lakehouse.simulate.quirks import quirks_at
from so_lakehouse.simulate.snapshot import Row, rows_at

SITE, PEOPLE = "simulated-databases", 80
# UTF-16 without indent; a licence comment; fabricated posts in no order; tags as |a|b|.
QUARTERS = ("2024-01-01", "2024-07-01", "2025-04-01", "2025-10-01")


PACKINGS = (LZMA2_PER_TABLE, SOLID_BZIP2, Packing(solid=True), Packing("BZip2"))


@pytest.mark.parametrize("packing", PACKINGS, ids=lambda packing: packing.note)
def test_every_value_of_every_era_reaches_bronze(
    tmp_path: Path, settings: Settings, lake: Lake, packing: Packing
) -> None:
    truth = write_mirror(tmp_path / "mirror", [SITE], QUARTERS, people=PEOPLE, packing=packing)
    mirror = open_mirror(str(tmp_path / "mirror"), settings)
    world = found_community(SITE, 1, PEOPLE, LAUNCH)
    for quarter in QUARTERS:
        cut = cut_of(quarter)
        expected = rows_at(world.live_until(cut), cut)
        raw = land_dump(lake, mirror, resolve(mirror, SITE, quarter), settings)
        for name, manifest in read_dump(lake, raw, list(TABLES), settings).items():
            assert manifest.rows_in_file == manifest.rows == truth[cut.isoformat()][SITE][name]["rows_in_file"]
            assert not manifest.unknown_attributes
            found = values(lake, manifest)
            for fabricated in FABRICATED_POST_IDS:
                found.pop(fabricated, None)
            assert found == {row["Id"]: as_bronze(row, name, cut) for row in expected[name]}, (quarter, name)


def values(lake: Lake, manifest: BronzeManifest) -> dict[int, dict]:
    table = pa.concat_tables(pq.read_table(lake.path(file)) for file in manifest.files)
    rows = table.select(TABLES[manifest.table].column_names).to_pylist()
    assert len({row["Id"] for row in rows}) == len(rows)
    return {row["Id"]: row for row in rows}


def as_bronze(row: Row, table: str, cut: date) -> dict:
    """The row with every column of the schema, as bronze types it and that release spells it."""
    quirks = quirks_at(cut)
    spelled = {}
    for column in TABLES[table].columns:
        value = None if column.name in quirks.omitted_columns else row.get(column.name)
        if column.type is Type.TAGS and isinstance(value, tuple):
            value = f"|{'|'.join(value)}|" if quirks.tag_notation == "||" else "".join(f"<{tag}>" for tag in value)
        elif isinstance(value, datetime):
            value = value.replace(tzinfo=UTC)
        elif column.name == "RevisionGUID" and quirks.guid_upper_case:
            value = str(value).upper()
        spelled[column.name] = value
    return spelled
