"""The form of a reconciliation: what the next dump made of what older dumps and pages had predicted for it.

Belongs here: the two tables of results as declarations, and the manifest that names their files and carries the
checks. Not here: when one is due (`reconcilable.py`), how it is made (`spark/reconcile.py`), what it is for
(docs/reconciliation.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import pyarrow as pa

from so_lakehouse.lake import paths
from so_lakehouse.lake.manifests import CheckOutcome
from so_lakehouse.lake.storage import Lake


@dataclass(frozen=True)
class Field:
    """One column of a table of results. `type` is Postgres' name of it; `ARROW` has Arrow's."""

    name: str
    type: str
    description: str


ARROW = {
    "text": pa.string(),
    "date": pa.date32(),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
}


@dataclass(frozen=True)
class Results:
    """One table of results: `reconciliation.<name>` in the lake, `lake.<warehouse_name>` in the warehouse. No column is
    ever null."""

    name: str
    warehouse_name: str
    description: str
    fields: tuple[Field, ...]
    key: tuple[str, ...]

    @property
    def arrow(self) -> pa.Schema:
        return pa.schema([pa.field(field.name, ARROW[field.type], nullable=False) for field in self.fields])


_KEY = (
    Field("site", "text", "Site key, e.g. beer or beer.meta."),
    Field("quarter", "date", "First day of the quarter of the next dump, against which the prediction is held."),
    Field("table_name", "text", "Table of the dump: posts, users or comments."),
)
_VERSION = Field("data_version", "text", "Version of the dumps and pages that were compared.")

TABLES = Results(
    "tables",
    "reconciliation",
    "Rows that the previous dump and the pages since predicted, beside those of the next dump; one row per site, "
    "quarter and table that pages tell.",
    (
        *_KEY,
        Field("release", "text", "Release of the next dump."),
        Field("cut_date", "date", "What the next dump speaks of: rows created later are on neither side."),
        Field("previous_cut_date", "date", "Cut of the dump that the prediction starts from."),
        Field("pages_until", "timestamptz", "Pages fetched later are not part of the prediction: cut and a day, UTC."),
        Field("days", "integer", "Days from the previous cut to the next."),
        Field("days_missing", "integer", "Of these, days that had not been asked for whole by pages_until."),
        Field("rows_predicted", "bigint", "Rows predicted, of kinds that pages tell (posts: questions and answers)."),
        Field("rows_present", "bigint", "Of these, rows that the next dump holds."),
        Field("rows_missing", "bigint", "Of these, rows that the next dump denies: deletions that nobody noticed."),
        Field("rows_untold", "bigint", "Of these, rows that the next dump may hold in a form that cannot be read."),
        Field("rows_extra", "bigint", "Rows of the next dump that were not predicted, of those kinds."),
        Field("rows_unfollowed", "bigint", "Rows of the next dump of kinds that pages never tell; compared nowhere."),
        Field("reconciled_at", "timestamptz", "When they were compared, UTC."),
        _VERSION,
    ),
    ("site", "quarter", "table_name"),
)

COLUMNS = Results(
    "columns",
    "reconciliation_column",
    "Values of the rows that prediction and next dump share, column by column; one row per site, quarter, table and "
    "column.",
    (
        *_KEY,
        Field("column_name", "text", "Column, as silver spells it."),
        Field("is_followed", "boolean", "Whether pages tell it; else its values are the previous dump's."),
        Field("rows_compared", "bigint", "Rows on both sides; of a followed column, of the kinds whose pages tell it."),
        Field("rows_agreeing", "bigint", "Of these, rows with the same value; dates are compared to the second."),
        Field("rows_compared_of_pages", "bigint", "Of the compared, rows whose value a page told since the last cut."),
        Field("rows_agreeing_of_pages", "bigint", "Of these, rows with the same value."),
        _VERSION,
    ),
    ("site", "quarter", "table_name", "column_name"),
)

ALL = (TABLES, COLUMNS)


@dataclass(frozen=True)
class Reconciliation:
    """One site's quarter, reconciled. `inputs`: versions of dumps and pages, by table (`reconcilable.inputs`)."""

    site: str
    quarter: str
    release: str
    rules: int
    inputs: dict[str, Any]
    files: dict[str, str]  # Parquet relative to the lake, by table of results
    missing_days: dict[str, list[str]]  # by table: ISO dates
    checks: tuple[CheckOutcome, ...] = ()
    written_at: str = ""  # ISO, UTC

    @property
    def data_version(self) -> str:
        return version_of(self.rules, self.inputs)

    def rows(self, lake: Lake, results: Results) -> pa.Table:
        import pyarrow.parquet as pq  # not while definitions load

        return pq.read_table(lake.path(self.files[results.name]), filesystem=lake.fs).cast(results.arrow)

    @classmethod
    def load(cls, lake: Lake, quarter: str, site: str) -> Self | None:
        try:
            content = lake.read_json(paths.reconciliation_manifest(quarter, site))
        except FileNotFoundError:
            return None
        return cls(**content | {"checks": tuple(CheckOutcome(**check) for check in content["checks"])})

    def save(self, lake: Lake, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Writes these rows (by table of results) to `files`, then the manifest; what it replaces goes."""
        import pyarrow.parquet as pq

        for results in ALL:
            path = self.files[results.name]
            lake.make_folder(path.rpartition("/")[0])
            content = pa.Table.from_pylist([dict(row) for row in rows[results.name]], schema=results.arrow)
            pq.write_table(content, lake.path(path), filesystem=lake.fs)
        before = Reconciliation.load(lake, self.quarter, self.site)
        lake.write_json(paths.reconciliation_manifest(self.quarter, self.site), asdict(self))
        for path in before.files.values() if before else ():
            if path not in self.files.values():
                lake.delete(path)


def files_of(quarter: str, site: str, version: str) -> dict[str, str]:
    """Where the tables of results of one version lie."""
    folder = paths.reconciliation(quarter, site)
    return {results.name: f"{folder}/{results.name}-{version}.parquet" for results in ALL}


def version_of(rules: int, inputs: Mapping[str, Any]) -> str:
    """Names what was compared, and by which rules."""
    return f"{rules}.{hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:16]}"


def of_site(lake: Lake, site: str) -> list[Reconciliation]:
    """All that the lake holds of one site, oldest quarter first."""
    quarters = sorted(folder.rpartition("quarter=")[2] for folder in lake.list(paths.RECONCILIATION))
    found = [Reconciliation.load(lake, quarter, site) for quarter in quarters]
    return [reconciliation for reconciliation in found if reconciliation is not None]


def of_all_sites(lake: Lake) -> list[Reconciliation]:
    """All that the lake holds."""
    sites = {
        site_folder.rpartition("site=")[2]
        for quarter_folder in lake.list(paths.RECONCILIATION)
        for site_folder in lake.list(quarter_folder)
    }
    return [found for site in sorted(sites) for found in of_site(lake, site)]
