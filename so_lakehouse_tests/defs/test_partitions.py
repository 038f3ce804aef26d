"""Dependencies between grids map as people expect, for every asset of the project."""

from __future__ import annotations

from datetime import datetime

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from so_lakehouse.definitions import defs
from so_lakehouse.partitions import QUARTERS, SITE_OF_SITE_QUARTER, SITE_QUARTER, SITES, site_quarter_key


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
        downstream = SITE_OF_SITE_QUARTER.get_downstream_partitions_for_partitions(
            dumps, upstream_partitions_def=SITE_QUARTER, downstream_partitions_def=SITES
        )
        assert set(downstream.get_partition_keys()) == {"beer"}


def test_a_site_stands_on_all_its_quarters_and_no_other_sites(instance):
    with partition_loading_context(datetime(2026, 11, 21), instance):
        site = SITES.empty_subset().with_partition_keys(["beer"])
        upstream = SITE_OF_SITE_QUARTER.get_upstream_mapped_partitions_result_for_partitions(
            site, downstream_partitions_def=SITES, upstream_partitions_def=SITE_QUARTER
        ).partitions_subset
        keys = set(upstream.get_partition_keys())
        assert site_quarter_key("beer", "2016-07-01") in keys
        assert all(key.endswith("|beer") for key in keys)


def grids(graph, key):
    definition = graph.get(key).partitions_def
    return None if definition is None else type(definition).__name__


def test_every_dependency_between_different_grids_names_its_mapping():
    """With none, Dagster infers identity between two multi-partitioned grids, and nothing ever matches."""
    for asset in defs.resolve_asset_graph().assets_defs:
        for spec in asset.specs:
            for dep in spec.deps:
                graph = defs.resolve_asset_graph()
                if grids(graph, dep.asset_key) != grids(graph, spec.key):
                    assert dep.partition_mapping is not None, f"{spec.key} on {dep.asset_key}"
