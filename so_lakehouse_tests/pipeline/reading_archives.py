"""A small dump, and what must be so when an archive of it is read or refused: for tests of archives."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from so_lakehouse.dumps.bronze import read_dump
from so_lakehouse.errors import BadInput
from so_lakehouse.lake.manifests import BronzeManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse_tests.dump_archives import landed
from so_lakehouse_tests.dump_reading import document

POSTS = document(*[b'<row Id="%d" Body="&lt;p&gt;%d" />' % (k, k * k) for k in range(1, 301)])
VOTES = document(*[b'<row Id="%d" PostId="1" VoteTypeId="2" />' % k for k in range(1, 501)], root=b"votes")
TAGS = document(b'<row Id="1" TagName="hops" Count="3" />', b'<row Id="x" TagName="malt" />', root=b"tags")
FILES = {"Posts.xml": POSTS, "Tags.xml": TAGS, "Votes.xml": VOTES}
ROWS = {"posts": 300, "tags": 1, "votes": 500}


def bronze_ids(lake: Lake, manifest: BronzeManifest) -> list[int]:
    return [key for path in manifest.files for key in pq.read_table(lake.path(path), columns=["Id"])["Id"].to_pylist()]


def check_rows(lake: Lake, manifests: dict[str, BronzeManifest]) -> None:
    """All three tables are there with all rows, and the one that cannot be read is in quarantine."""
    for table, rows in ROWS.items():
        manifest = manifests[table]
        assert manifest.present
        assert bronze_ids(lake, manifest) == list(range(1, rows + 1))
        assert manifest.rows_in_file == manifest.rows + manifest.quarantined == rows + (table == "tags")
    assert manifests["tags"].quarantined_without_key == 1


def check_nothing_published(lake: Lake) -> None:
    """No manifest and no file of bronze, whole or half."""
    assert [path for path in lake.list("bronze", recursive=True) if "." in path.rpartition("/")[2]] == []
    assert [path for path in lake.list("bronze", recursive=True) if "attempt=" in path] == []


def refusal(lake: Lake, settings: Settings, *archives: Path) -> str:
    """What people are told when this dump is read; nothing may be left of it."""
    with pytest.raises(BadInput) as error:
        read_dump(lake, landed(lake, *archives), list(ROWS), settings)
    check_nothing_published(lake)
    assert "othing was p" in str(error.value) or "raise LAKEHOUSE" in str(error.value), error.value
    assert str(error.value).startswith("beer: ")
    return str(error.value)
