"""All real archives, every value of every row, against the standard library's XML parser."""

from __future__ import annotations

import csv
import io
import subprocess
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from so_lakehouse.dumps.archive import program
from so_lakehouse.dumps.bronze import read_dump
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES, Table, Type
from so_lakehouse.settings import Settings
from so_lakehouse_tests.conftest import REAL_DUMPS
from so_lakehouse_tests.dump_archives import landed

# Rows of each file as the real dumps' own description counts them: release, then tables in the order below.
ORDER = ("badges", "comments", "post_history", "post_links", "posts", "tags", "users", "votes")
ROWS = """
2014-09,meta.avp.stackexchange.com.7z,1022,460,860,48,381,75,650,1385
2016-09,beer.stackexchange.com.7z,5216,1742,4800,91,2008,134,3658,10244
2016-12,beer.stackexchange.com.7z,5571,1860,5093,93,2106,133,3948,10798
2016-12,ai.stackexchange.com.7z,3290,1165,3612,101,1279,222,3157,5323
2018-09-no-posthistory,quantumcomputing.stackexchange.com.7z,4671,3413,,327,1986,154,3461,12560
2022-06,beer.meta.stackexchange.com.7z,1214,367,702,39,251,76,522,1211
2023-09,bicycles.meta.stackexchange.com.7z,6585,2448,3994,189,1446,94,2551,5671
2024-04-posts-only,datascience.meta.stackexchange.com.7z,,,,,624,,,
"""
KNOWN = [(release, name, dict(zip(ORDER, counts, strict=True))) for release, name, *counts in csv.reader(ROWS.split())]


def typed(text: str, type_: Type) -> Any:
    """What an attribute's text means, by the standard library alone."""
    if type_ in (Type.TEXT, Type.TAGS):
        return text
    if not text:
        return None
    if type_ is Type.TIMESTAMP:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    return {"True": True, "False": False}[text] if type_ is Type.BOOLEAN else int(text)


def by_the_standard_library(content: bytes, table: Table) -> dict[str, list[Any]]:
    """All columns of a file; `_extra` holds what the schema does not know."""
    types = {column.name: column.type for column in table.columns}
    columns: dict[str, list[Any]] = {name: [] for name in (*types, "_extra")}
    for _, row in ElementTree.iterparse(io.BytesIO(content)):
        if row.tag != "row":
            continue
        attributes = row.attrib
        for name, type_ in types.items():
            columns[name].append(typed(attributes[name], type_) if name in attributes else None)
        columns["_extra"].append([(name, text) for name, text in attributes.items() if name not in types] or None)
        row.clear()
    return columns


@pytest.mark.parametrize(("release", "name", "counts"), KNOWN, ids=[f"{row[0]}-{row[1]}" for row in KNOWN])
def test_every_value_is_what_the_standard_library_reads(
    release: str, name: str, counts: dict[str, str], real_dumps: Path, lake: Lake, settings: Settings
) -> None:
    archive = real_dumps / release / name
    manifests = read_dump(lake, landed(lake, archive), list(TABLES), settings)
    for table in TABLES.values():
        manifest = manifests[table.name]
        assert manifest.present == bool(counts[table.name])
        if not manifest.present:
            continue
        assert (manifest.rows, manifest.quarantined, manifest.unknown_attributes) == (int(counts[table.name]), 0, {})
        content = subprocess.run([program(), "x", "-so", archive, table.file], capture_output=True, check=True).stdout
        assert content.count(b"<row ") == manifest.rows_in_file == manifest.rows
        rows = pq.read_table([lake.path(path) for path in manifest.files], partitioning=None).to_pydict()
        for offset in rows.pop("_offset"):
            assert content[offset : offset + 9] == b'<row Id="'
        expected = by_the_standard_library(content, table)
        assert list(rows) == list(expected)
        for column in expected:
            assert rows[column] == expected[column], (table.name, column)


def test_no_real_archive_is_left_out() -> None:
    if REAL_DUMPS.is_dir():
        there = {(path.parent.name, path.name) for path in REAL_DUMPS.glob("*/*.7z")}
        assert there == {(release, name) for release, name, _ in KNOWN}
