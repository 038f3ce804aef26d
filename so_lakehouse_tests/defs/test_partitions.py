"""Dependencies between grids map as people expect, for every asset of the project."""

from __future__ import annotations

from datetime import datetime

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from so_lakehouse.definitions import defs
from so_lakehouse.partitions import (
    DAYS,
    EVERY_SITE,
    ITS_SITE,
    QUARTERS,
    SITE_DAY,
    SITE_QUARTER,
    SITES,
    site_day_key,
    site_quarter_key,
)

GRAPH = defs.resolve_asset_graph()


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("site", ["ai", "beer"])
        yield instance


def test_a_quarter_is_named_by_its_first_day_and_the_open_one_is_there():
    keys = QUARTERS.get_partition_keys(current_time=datetime(2026, 11, 21))
    assert keys[0] == "2008-07-01"
    assert keys[-2:] == ["2026-07-01", "2026-10-01"]


def test_the_key_of_a_dump_reads_quarter_then_site():
    assert site_quarter_key("beer", "2016-10-01") == "2016-10-01|beer"


def test_a_dump_concerns_its_own_site_and_no_other(instance):
    with partition_loading_context(datetime(2026, 11, 21), instance):
        dumps = SITE_QUARTER.empty_subset().with_partition_keys([site_quarter_key("beer", "2016-10-01")])
        downstream = ITS_SITE.get_downstream_partitions_for_partitions(
            dumps, upstream_partitions_def=SITE_QUARTER, downstream_partitions_def=SITES
        )
        assert set(downstream.get_partition_keys()) == {"beer"}


def test_a_site_stands_on_all_its_quarters_and_no_other_sites(instance):
    with partition_loading_context(datetime(2026, 11, 21), instance):
        site = SITES.empty_subset().with_partition_keys(["beer"])
        upstream = ITS_SITE.get_upstream_mapped_partitions_result_for_partitions(
            site, downstream_partitions_def=SITES, upstream_partitions_def=SITE_QUARTER
        ).partitions_subset
        keys = set(upstream.get_partition_keys())
        assert site_quarter_key("beer", "2016-07-01") in keys
        assert all(key.endswith("|beer") for key in keys)


def test_days_begin_at_the_configured_one_and_end_with_the_newest_closed_one():
    keys = DAYS.get_partition_keys(current_time=datetime(2026, 11, 21, 0, 5))
    assert (keys[0], keys[-1]) == ("2026-01-01", "2026-11-20")
    assert site_day_key("beer", "2026-01-05") == "2026-01-05|beer"


def test_a_day_concerns_its_own_site_and_a_site_stands_on_all_its_days(instance):
    with partition_loading_context(datetime(2026, 11, 21), instance):
        day = SITE_DAY.empty_subset().with_partition_keys([site_day_key("beer", "2026-01-05")])
        downstream = ITS_SITE.get_downstream_partitions_for_partitions(
            day, upstream_partitions_def=SITE_DAY, downstream_partitions_def=SITES
        )
        assert set(downstream.get_partition_keys()) == {"beer"}
        upstream = ITS_SITE.get_upstream_mapped_partitions_result_for_partitions(
            SITES.empty_subset().with_partition_keys(["beer"]),
            downstream_partitions_def=SITES,
            upstream_partitions_def=SITE_DAY,
        ).partitions_subset
        keys = set(upstream.get_partition_keys())
        assert site_day_key("beer", "2026-11-20") in keys
        assert all(key.endswith("|beer") for key in keys)


def grid(key: dg.AssetKey) -> dg.PartitionsDefinition | None:
    return GRAPH.get(key).partitions_def


# upstream grid, downstream grid → how a change travels; what is not here needs none, because the grids are the same
MAPPINGS = {
    (SITE_QUARTER, SITES): ITS_SITE,
    (SITE_DAY, SITES): ITS_SITE,
    (SITES, None): EVERY_SITE,
}
BETWEEN_GRIDS = sorted(
    (
        (spec.key, dep)
        for asset in GRAPH.assets_defs
        for spec in asset.specs
        for dep in spec.deps
        if grid(dep.asset_key) != grid(spec.key)
    ),
    key=lambda pair: (pair[0], pair[1].asset_key),
)


@pytest.mark.parametrize(
    ("key", "dep"), BETWEEN_GRIDS, ids=lambda value: getattr(value, "asset_key", value).to_user_string()
)
def test_every_dependency_between_different_grids_has_the_mapping_of_those_grids(key, dep):
    """With none, Dagster infers identity between two grids, and nothing ever matches."""
    assert dep.partition_mapping == MAPPINGS[grid(dep.asset_key), grid(key)]


def test_dependencies_between_grids_are_those_on_bronze_and_of_dbt():
    assert {(key.path[0], dep.asset_key.path[0]) for key, dep in BETWEEN_GRIDS} == {
        ("silver", "bronze"),
        ("reconciliation", "bronze"),
        ("staging", "warehouse"),
    }


def test_the_marts_stand_on_every_site(instance):
    with partition_loading_context(datetime(2026, 11, 21), instance):
        upstream = EVERY_SITE.get_upstream_mapped_partitions_result_for_partitions(
            None, downstream_partitions_def=None, upstream_partitions_def=SITES
        ).partitions_subset
        assert set(upstream.get_partition_keys()) == {"ai", "beer"}
