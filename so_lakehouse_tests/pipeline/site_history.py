"""A site that is converged step by step: what each converge said, and what silver held right after it.

Belongs here: converging and looking. Not here: what happens to the site, which is the tests' own. Tests of different
keys can share one history: a fixture of the module lets it happen, and each test reads the steps that it is about.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from so_lakehouse import failpoints
from so_lakehouse.lake import gates, ledger
from so_lakehouse.lake.gates import TableGate
from so_lakehouse.lake.ledger import LedgerRow
from so_lakehouse.lake.query import query_lake
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import Settings
from so_lakehouse.spark import settled
from so_lakehouse.spark.converge import converge
from so_lakehouse.spark.converged import Converged
from so_lakehouse_tests.pipeline.evidence import Gone, Row, tombstones

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession


class Killed(BaseException):
    """The end of a run at a fail point."""


@dataclass(frozen=True)
class Step:
    """One converge, and what silver held right after it: rows by table and key, dates as moments."""

    result: dict[str, Converged]
    rows: dict[str, dict[int, Row]]
    tombstones: list[Gone]
    gates: dict[str, TableGate]

    @property
    def posts(self) -> dict[int, Row]:
        return self.rows["posts"]

    def column(self, name: str, table: str = "posts") -> dict[int, Any]:
        """One column's values by key."""
        return {key: row[name] for key, row in self.rows[table].items()}

    def applied(self, source: str, table: str = "posts") -> dict[str, dict[str, int]]:
        """What the converge counted of a source's inputs, by partition."""
        return {row.partition: counts(row) for row in self.result[table].applied if row.source == source}


def counts(row: LedgerRow) -> dict[str, int]:
    """The counts of a ledger row that are not zero."""
    names = ("inserted", "updated", "unchanged", "superseded", "suppressed", "quarantined", "deduplicated", "deleted")
    return {name: getattr(row, f"rows_{name}") for name in ("in", *names) if getattr(row, f"rows_{name}")}


class SiteHistory:
    """A lake in a folder of its own, whose site each call of `converge` brings up to what bronze holds by then."""

    def __init__(self, spark: SparkSession, home: Path) -> None:
        self.spark, self.settings = spark, Settings(home=home)
        self.lake = Lake(self.settings.lake_uri)

    def converge(self, *tables: str, site: str = "beer", rebuild: bool = False, **changes: Any) -> Step:
        """Posts, where no tables are named, with these settings changed; no blocking check may fail."""
        settings = replace(self.settings, **changes)
        names = list(tables or ("posts",))
        told = settled.standing(self.lake, site, names, settings)
        result = converge(self.spark, self.lake, site, names, settings, rebuild=rebuild)
        if told is not None and not rebuild:
            assert told == result, "what is told without Spark is what it would have done"
        failed = [c.detail for table in result.values() for c in table.checks if c.blocking and not c.passed]
        assert failed == []
        rows = {name: self.rows(name, site) for name in result}
        return Step(result, rows, tombstones(self.lake, site), gates.load(self.lake, site))

    def killed(self, place: str, *tables: str) -> None:
        """A converge of posts, or these tables, that ends at a fail point, as a kill would."""

        def reach(name: str) -> None:
            if name == place:
                raise Killed(name)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(failpoints, "reach", reach)
            with pytest.raises(Killed):
                converge(self.spark, self.lake, "beer", tables or ("posts",), self.settings)

    def rows(self, table: str = "posts", site: str = "beer") -> dict[int, Row]:
        """What silver holds now, by key."""
        if ledger.open_delta(self.lake, table) is None:
            return {}
        found = query_lake(self.lake, f"select * from silver.{table} where site = '{site}' order by Id").to_pylist()
        assert len({row["Id"] for row in found}) == len(found)
        return {row["Id"]: row for row in found}
