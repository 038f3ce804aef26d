"""What one step of the dump layers writes last and the next reads first: the manifests, and their one JSON form.

A manifest names the live attempt; what no manifest names does not exist for a reader. It also carries the results of
the checks for exactly that data version, so that the gate lies in the data and not in an orchestrator's memory.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, time
from typing import Any, Self

from so_lakehouse.lake import paths
from so_lakehouse.lake.storage import Lake


@dataclass(frozen=True)
class CheckOutcome:
    """What one check said of one partition. `detail` is for people: what happened, to what, what to do."""

    name: str
    passed: bool
    blocking: bool
    detail: str
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Archive:
    """One file as it was landed. `path` is relative to the lake; `sha256` is of the bytes on disk."""

    name: str
    path: str
    size: int
    sha256: str
    url: str
    sha1: str = ""  # as published, where it was


@dataclass(frozen=True)
class RawManifest:
    """The publisher's bytes for one (site, quarter): which release stands for the quarter, and its archives."""

    site: str
    quarter: str
    release: str
    revision: int
    cut_date: str  # ISO date
    archives: tuple[Archive, ...]
    source: str  # mirror or item the bytes came from
    licence: str
    fetched_at: str  # ISO, UTC
    note: str = ""

    @property
    def data_version(self) -> str:
        digest = "+".join(archive.sha256[:16] for archive in self.archives)
        return f"{self.release}.{self.revision}.{digest}"

    @property
    def order(self) -> tuple[str, int, str]:
        """Later is greater, as of a release in a mirror."""
        return self.cut_date, self.revision, self.release

    @property
    def cut_at(self) -> datetime:
        """The moment a dump speaks of: the last microsecond of its cut date, UTC."""
        return datetime.combine(date.fromisoformat(self.cut_date), time.max, UTC)

    @classmethod
    def load(cls, lake: Lake, quarter: str, site: str, release: str = "", revision: int = 0) -> Self | None:
        """What represents the quarter; with a release and a revision, what was landed of that one."""
        content = _load(lake, paths.raw_dump_manifest(quarter, site, release, revision))
        if content is None:
            return None
        return cls(**content | {"archives": tuple(Archive(**archive) for archive in content["archives"])})

    def save(self, lake: Lake) -> None:
        """Makes this release the one that represents its quarter."""
        lake.write_json(paths.raw_dump_manifest(self.quarter, self.site), asdict(self))

    def save_release(self, lake: Lake) -> None:
        """Records that this release is landed, whether or not it represents its quarter."""
        lake.write_json(paths.raw_dump_manifest(self.quarter, self.site, self.release, self.revision), asdict(self))


@dataclass(frozen=True)
class BronzeManifest:
    """One table of one dump, read: rows_in_file = rows + quarantined, always."""

    site: str
    quarter: str
    table: str
    release: str
    revision: int
    cut_date: str
    raw_version: str  # RawManifest.data_version of the bytes that were read
    reader_version: str
    present: bool  # False: the archive lacks this table (not: it is empty)
    rows_in_file: int = 0
    rows: int = 0
    quarantined: int = 0
    quarantined_without_key: int = 0  # these suspend deletions
    files: tuple[str, ...] = ()  # Parquet, relative to the lake
    quarantine_file: str = ""  # Parquet, relative to the lake; empty where nothing was refused
    bytes_unpacked: int = 0
    encoding: str = ""
    unknown_attributes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    written_at: str = ""
    checks: tuple[CheckOutcome, ...] = ()
    inherited_from: str = ""  # raw_version of an earlier release of the quarter, where this one's lacks the table
    replaced: tuple[BronzeManifest, ...] = ()  # what bronze keeps of earlier issues of the quarter, oldest first
    replaced_by: str = ""  # raw_version of the issue that stands for the quarter instead of this one

    @property
    def input(self) -> str:
        """Names the dump among the inputs of its table: by its quarter; an issue that was replaced, by its own name."""
        return f"{self.quarter}/replaced={self.release}.{self.revision}" if self.replaced_by else self.quarter

    @property
    def order(self) -> tuple[str, int]:
        """Later is greater."""
        return self.cut_date, self.revision

    @property
    def data_version(self) -> str:
        """Of what was read: inheriting changes nothing of it."""
        return f"{self.inherited_from or self.raw_version}/{self.reader_version}"

    @property
    def cut_at(self) -> datetime:
        return datetime.combine(date.fromisoformat(self.cut_date), time.max, UTC)

    @property
    def passed(self) -> bool:
        """Whether converge may read it."""
        return all(check.passed for check in self.checks if check.blocking)

    @classmethod
    def load(cls, lake: Lake, table: str, quarter: str, site: str) -> Self | None:
        content = _load(lake, paths.bronze_dump_manifest(table, quarter, site))
        return None if content is None else cls._of(content)

    @classmethod
    def _of(cls, content: dict[str, Any]) -> Self:
        checks = tuple(CheckOutcome(**check) for check in content["checks"])
        replaced = tuple(cls._of(issue) for issue in content.get("replaced", ()))
        return cls(**content | {"checks": checks, "files": tuple(content["files"]), "replaced": replaced})

    def save(self, lake: Lake) -> None:
        lake.write_json(paths.bronze_dump_manifest(self.table, self.quarter, self.site), asdict(self))

    def replacing(self, held: BronzeManifest | None) -> BronzeManifest:
        """What stands for the table of a quarter once this has been read, instead of what bronze holds of it.

        Issues before it stay as what they are: evidence of their own cut, which counts where this one is silent.
        """
        if held is None:
            return self
        issues = (*held.replaced, replace(held, replaced=()))
        earlier = (replace(issue, replaced_by=self.raw_version) for issue in issues if issue.order < self.order)
        return replace(self._inherits(held), replaced=tuple(earlier), replaced_by="")

    def _inherits(self, earlier: BronzeManifest) -> BronzeManifest:
        """An earlier release of the quarter where this one's lacks the table. A table that a release lacks stays, and
        what was read of it stays evidence of its own cut."""
        if self.present or not earlier.present or earlier.order > self.order:
            return self
        read = earlier.inherited_from or earlier.raw_version
        return replace(earlier, raw_version=self.raw_version, inherited_from=read)


def bronze_manifests(lake: Lake, table: str, site: str) -> list[BronzeManifest]:
    """A table's dumps of one site that stand for their quarters in bronze, in the order of (cut, revision)."""
    found = []
    for folder in lake.list(paths.bronze_dump(table)):
        quarter = folder.rpartition("quarter=")[2]
        manifest = BronzeManifest.load(lake, table, quarter, site)
        if manifest is not None:
            found.append(manifest)
    return sorted(found, key=lambda manifest: manifest.order)


def issues_of(manifest: BronzeManifest | None) -> tuple[BronzeManifest, ...]:
    """All issues of a table's quarter that bronze keeps, oldest first: the last one stands for the quarter."""
    return () if manifest is None else (*manifest.replaced, manifest)


def _load(lake: Lake, path: str) -> dict[str, Any] | None:
    try:
        return lake.read_json(path)
    except FileNotFoundError:
        return None
