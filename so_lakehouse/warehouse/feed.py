"""Silver as the warehouse reads it: whole sites and changes, as streams of Arrow batches, without a JVM.

Belongs here: reading one Delta table at one version through deltalake. Does not belong here: what becomes of the rows
(`diff.py`, `load.py`). Nothing here holds a table in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
from deltalake import QueryBuilder
from deltalake.exceptions import DeltaError, TableNotFoundError

from so_lakehouse.errors import LakehouseError, Unavailable
from so_lakehouse.lake import delta, paths
from so_lakehouse.lake.storage import Lake
from so_lakehouse.sql import literal
from so_lakehouse.warehouse.projection import Projection

# A projection that counts is read in slices of its keys, each of about this many silver rows, so that its groups fit in
# memory whatever the site's size: 5 M votes of nearly as many groups took 870 MB in one slice.
ROWS_PER_SLICE = 4_000_000

ARROW_OF_POSTGRES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "smallint": pa.int16(),
    "boolean": pa.bool_(),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "date": pa.date32(),
}


CHANGE_TYPES = {"site": pa.string(), "_change_type": pa.string(), "_commit_version": pa.int64()}


class FeedGap(LakehouseError):
    """The change feed does not lead from where the warehouse stands to silver: `table` must be reloaded whole."""

    def __init__(self, table: str, reason: str) -> None:
        super().__init__(reason)
        self.table = table


class Stream:
    """Batches for one COPY. Remembers why it broke, because an error does not survive the way through C."""

    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        self.schema, self._batches = schema, batches
        self.broken: LakehouseError | None = None

    def reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self.schema, self._watched())

    def _watched(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._batches
        except LakehouseError as error:
            self.broken = error
            raise


def arrow_schema(projection: Projection) -> pa.Schema:
    """The projection as Arrow spells it, in the order of its fields."""
    return pa.schema([pa.field(f.name, ARROW_OF_POSTGRES[f.type], nullable=f.nullable) for f in projection.fields])


class SilverTable:
    """One silver table at one version. Raises `Unavailable` where that version cannot be read any more."""

    def __init__(self, lake: Lake, table: str, version: int) -> None:
        self.table, self.version = table, version
        try:
            self._delta = delta.open_table(lake, paths.silver(table), version)
        except (DeltaError, TableNotFoundError, OSError) as error:
            raise self._unreadable(error) from error

    @property
    def identity(self) -> str:
        """Stays the same for as long as the table is not created anew."""
        return str(self._delta.metadata().id)

    def count(self, projection: Projection, site: str) -> int:
        """Rows of a site that the projection reads; of a tag list, one for each tag."""
        key = projection[projection.key[1]].expression
        rows = f"count({key})" if not projection.per_tag else 'coalesce(sum(cardinality(array_distinct("Tags"))), 0)'
        (row,) = self._query(f"SELECT {rows} AS rows FROM silver WHERE {_is(site)}").read_all().to_pylist()
        return int(row["rows"])

    def rows(self, projection: Projection, site: str, seen: Callable[[int], None] = lambda rows: None) -> Stream:
        """All rows of the projection for one site, in no order; `seen` is told the rows read so far."""
        schema = arrow_schema(projection)
        return Stream(schema, self._rows(projection, site, schema, seen))

    def _rows(
        self, projection: Projection, site: str, schema: pa.Schema, seen: Callable[[int], None]
    ) -> Iterator[pa.RecordBatch]:
        done = 0
        for sql in self._selects(projection, site):
            try:
                for batch in self._query(sql):
                    done += batch.num_rows
                    seen(done)
                    yield _as(schema, batch)
            except (DeltaError, pa.ArrowException, OSError) as error:
                raise self._unreadable(error) from error

    def _selects(self, projection: Projection, site: str) -> list[str]:
        """One statement, or one per slice of the keys where rows are counted."""
        if not projection.measures:
            fields = [f'{_expression(projection, field.name)} AS "{field.name}"' for field in projection.fields]
            return [f"SELECT {', '.join(fields)} FROM silver WHERE {_is(site)}"]
        groups = [field.expression for field in projection.fields if field.name not in projection.measures]
        fields = [
            f'{f"sum({field.expression})" if field.name in projection.measures else field.expression} AS "{field.name}"'
            for field in projection.fields
        ]
        key = projection[projection.key[1]].expression
        slices = self.count(projection, site) // ROWS_PER_SLICE + 1
        return [
            f"SELECT {', '.join(fields)} FROM silver WHERE {_is(site)} AND abs({key}) % {slices} = {number} "
            f"GROUP BY {', '.join(groups)}"
            for number in range(slices)
        ]

    def changes(self, projection: Projection, site: str, after: int) -> Stream:
        """The change feed of one site in `(after, version]`: the silver columns that the projection is made of, with
        `_change_type` and `_commit_version`. Raises `FeedGap`, now or while it is read, where a part of it is gone."""
        if after >= self.version:
            raise FeedGap(projection.name, f"silver/{self.table} went back from version {after} to {self.version}")
        quoted = [f'"{name}"' for name in (*_silver_columns(projection), "_change_type", "_commit_version")]
        try:
            feed = pa.RecordBatchReader.from_stream(
                self._delta.load_cdf(after + 1, self.version, columns=quoted, predicate=_is(site))
            )
        except (DeltaError, OSError, ValueError) as error:
            raise self._gap(projection, after, error) from error
        schema = pa.schema([pa.field(field.name, CHANGE_TYPES.get(field.name, field.type)) for field in feed.schema])
        return Stream(schema, self._changes(feed, schema, projection, after))

    def _changes(
        self, feed: pa.RecordBatchReader, schema: pa.Schema, projection: Projection, after: int
    ) -> Iterator[pa.RecordBatch]:
        try:
            for batch in feed:
                yield _as(schema, batch)
        except (DeltaError, pa.ArrowException, OSError) as error:
            raise self._gap(projection, after, error) from error

    def _gap(self, projection: Projection, after: int, error: Exception) -> FeedGap:
        return FeedGap(projection.name, f"the change feed of silver/{self.table} from version {after + 1}: {error}")

    def _query(self, sql: str) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_stream(QueryBuilder().register("silver", self._delta).execute(sql))

    def _unreadable(self, error: Exception) -> Unavailable:
        return Unavailable(
            f"silver/{self.table} cannot be read at version {self.version}: {error}. "
            "Run silver of this site again; it names the version that can be read."
        )


def _expression(projection: Projection, name: str) -> str:
    expression = projection[name].expression
    return f"unnest(array_distinct({expression}))" if projection.per_tag and name == projection.key[-1] else expression


def _silver_columns(projection: Projection) -> list[str]:
    """The silver columns that a projection is made of."""
    return ["site", *dict.fromkeys(name for field in projection.fields for name in field.silver_columns)]


def _is(site: str) -> str:
    return f"site = {literal(site)}"


def _as(schema: pa.Schema, batch: pa.RecordBatch) -> pa.RecordBatch:
    """deltalake hands out views and unsigned numbers; Postgres' binary COPY takes exactly the declared types."""
    columns = [batch.column(field.name).cast(field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
