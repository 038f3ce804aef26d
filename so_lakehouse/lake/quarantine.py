"""What cleaning refused of one input: the manifest that names its Parquet files, and its numbers.

Belongs here: the manifest's form. Not here: why a row is refused (`spark/clean.py`). The files have the columns of
`schema_forms.QUARANTINE_SCHEMA`; `raw` is the row as JSON (bronze is lossless, `byte_offset` leads to the original).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Self

from so_lakehouse.lake import paths
from so_lakehouse.lake.storage import Lake


@dataclass(frozen=True)
class CleaningManifest:
    """What cleaning found in one input (table, site, source, partition) under one version of its rules."""

    site: str
    table: str
    source: str
    partition: str
    data_version: str
    rule_version: str
    rows_in: int
    quarantined: int = 0
    deduplicated: int = 0
    equal_keys: bool = False  # some key occurs more than once
    open_keys: int = 0  # keys that only quarantine (bronze's or this one) holds: the dump does not tell them
    reasons: dict[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()  # Parquet, relative to the lake
    open_files: tuple[str, ...] = ()  # Parquet of the open keys (Id), relative to the lake
    written_at: str = ""  # ISO, UTC: first_seen of its rows

    @classmethod
    def load(cls, lake: Lake, table: str, site: str, source: str, partition: str) -> Self | None:
        try:
            content = lake.read_json(_path(table, site, source, partition))
        except FileNotFoundError:
            return None
        return cls(**content | {"files": tuple(content["files"]), "open_files": tuple(content.get("open_files", ()))})

    def save(self, lake: Lake) -> None:
        lake.write_json(_path(self.table, self.site, self.source, self.partition), asdict(self))


def _path(table: str, site: str, source: str, partition: str) -> str:
    return f"{paths.silver_quarantine(table, site, source, partition)}/manifest.json"
