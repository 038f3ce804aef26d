"""Warehouse and marts as Dagster runs them: what is refused fails its check, and what did not change is not built."""

from __future__ import annotations

import re
from collections.abc import Iterator

import dagster as dg
import pytest

from so_lakehouse.definitions import defs
from so_lakehouse.lake.storage import Lake
from so_lakehouse.runner import LayerRun, Runner
from so_lakehouse.settings import Settings
from so_lakehouse.warehouse import diff
from so_lakehouse.warehouse.projection import PROJECTIONS
from so_lakehouse.warehouse.query import query_warehouse
from so_lakehouse_tests.conftest import postgres_home
from so_lakehouse_tests.pipeline.silver_site import SilverSite, day, small_site
from so_lakehouse_tests.pipeline.warehouse_catalogue import run


class Lakehouse:
    """A lakehouse with silver of one small site, and the runs of what follows."""

    def __init__(self, settings: Settings, runner: Runner) -> None:
        self.settings, self.runner = settings, runner
        self.silver: SilverSite = small_site(Lake(settings.lake_uri))
        self.pass_checks()

    def pass_checks(self) -> None:
        self.silver.pass_checks(cut_at=day("2016-09-30"))

    def load(self, site: str = "beer") -> LayerRun:
        self.runner.add_site(site)
        return self.runner.run("warehouse", self.runner.keys_of("warehouse"), site)

    def build(self) -> LayerRun:
        return self.runner.run("marts", self.runner.keys_of("marts"), None)


@pytest.fixture
def lakehouse(tmp_path_factory) -> Iterator[Lakehouse]:
    log = tmp_path_factory.mktemp("log") / "runs.log"
    with (
        postgres_home() as home,
        pytest.MonkeyPatch.context() as patch,
        dg.DagsterInstance.ephemeral() as instance,
        log.open("w") as written,
    ):
        patch.setenv("LAKEHOUSE_HOME", str(home))
        patch.setenv("LAKEHOUSE_POSTGRES", "")
        patch.setenv("LAKEHOUSE_LAKE", "")
        yield Lakehouse(Settings(home=home), Runner(defs, instance, written))


def test_marts_are_built_and_published_where_something_changed_and_only_then(lakehouse: Lakehouse) -> None:
    loaded = lakehouse.load()
    assert loaded.succeeded
    assert loaded.materialised["warehouse/reconciliation"]["dagster/partition_row_count"] == 0, "nothing to reconcile"
    first = lakehouse.build()
    assert first.succeeded, first.error
    shown = first.materialised["marts/activity_month"]
    assert "questions" in [column.name for column in shown["dagster/column_schema"].columns]
    assert shown["dagster/column_lineage"].deps_by_column["site"], "it takes dbt's adapter"
    questions = "SELECT sum(questions)::int FROM marts.activity_month"
    assert run(lakehouse.settings, questions) == [(2,)]

    assert lakehouse.load().succeeded
    again = lakehouse.build()
    assert again.succeeded, again.error
    assert {metadata["note"] for name, metadata in again.materialised.items() if name != "marts/published"} == {
        f"nothing changed since build {first.run_id}"
    }
    assert again.materialised["marts/published"]["build_id"] == first.run_id
    assert again.total("dagster/row_count") == first.total("dagster/row_count") > 0
    assert again.seconds < first.seconds / 3

    lakehouse.silver.put("posts", {"Id": 9, "PostTypeId": 1, "CreationDate": day("2016-06-01"), "Tags": ["ale"]})
    lakehouse.pass_checks()
    assert lakehouse.load().succeeded
    assert lakehouse.build().succeeded
    assert run(lakehouse.settings, questions) == [(3,)]


def test_a_load_that_does_not_equal_silver_fails_its_check_and_materialises_nothing(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lakehouse.load().succeeded
    lakehouse.silver.delete("votes", 1)
    lakehouse.pass_checks()
    insert = diff.insert
    monkeypatch.setattr(diff, "insert", lambda projection: insert(projection) + " LIMIT 0")
    refused = lakehouse.load()
    assert not refused.succeeded
    assert not {f"warehouse/{name}" for name in PROJECTIONS} & refused.materialised.keys()
    assert len(refused.failed_checks) == 1
    assert refused.failed_checks[0].startswith("warehouse/votes · equals_silver: lake.votes of beer has ")


def test_the_warehouse_of_a_site_that_silver_lacks_says_what_to_run_first(lakehouse: Lakehouse) -> None:
    nothing = lakehouse.load("coffee")
    assert not nothing.succeeded
    assert "run --site coffee" in (nothing.error or "")


def test_a_test_of_dbt_that_fails_says_where_the_rows_are_and_what_to_do_and_publishes_no_site(
    lakehouse: Lakehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBT_LOG_LEVEL_FILE", "debug")
    assert lakehouse.load().succeeded
    assert lakehouse.build().succeeded
    small_site(Lake(lakehouse.settings.lake_uri), "ai").pass_checks(cut_at=day("2016-09-30"))
    assert lakehouse.load("ai").succeeded
    run(
        lakehouse.settings, "UPDATE lake.posts SET score = score + 1 WHERE site = 'beer' AND id = 1"
    )  # by nobody's load
    refused = lakehouse.build()
    assert not refused.succeeded
    (told,) = [told for told in refused.failed_checks if "facts_equal_warehouse" in told]
    assert told.startswith("core/fct_question · facts_equal_warehouse: rows that break it: 1. They name their site: ")
    assert "so-lakehouse rebuild" in told
    (query,) = re.findall(r'sql "(.*?)"', told)
    assert query_warehouse(lakehouse.settings, query).to_pylist()[0]["site"] == "beer"
    assert "marts/published" not in refused.materialised
    log = (lakehouse.settings.dbt_folder / refused.run_id / "dbt.log").read_text()
    assert "Partial parsing enabled, no changes found" in log, "the build before has left what it parsed"
    assert run(lakehouse.settings, "SELECT DISTINCT site FROM marts.activity_month") == [("beer",)], "all or nothing"
