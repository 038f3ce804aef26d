"""Bronze: every row of a dump, typed and lossless, one Parquet table each; what cannot be read is in quarantine."""

from collections.abc import Iterator

import dagster as dg

from so_lakehouse.defs.metadata import OWNERS, check_results, check_specs, table_schema
from so_lakehouse.defs.raw import RAW_DUMP
from so_lakehouse.defs.resources import Lakehouse
from so_lakehouse.errors import BadInput
from so_lakehouse.lake.manifests import BronzeManifest, RawManifest
from so_lakehouse.partitions import SITE_QUARTER, site_and_quarter
from so_lakehouse.progress import current
from so_lakehouse.quality.bronze import DECLARATIONS
from so_lakehouse.schema import TABLES, Table


def bronze_key(table: str) -> dg.AssetKey:
    return dg.AssetKey(["bronze", "dump", table])


def _spec(table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        bronze_key(table.name),
        deps=[RAW_DUMP],  # same grid on both sides: identity is right
        group_name="bronze",
        owners=OWNERS,
        kinds={"parquet"},
        tags={"layer": "bronze"},
        partitions_def=SITE_QUARTER,
        skippable=True,
        description=f"{table.description} Every row of `{table.file}`, typed; nothing is cleaned, nothing is lost.",
        metadata={"dagster/column_schema": table_schema(table.columns)},
    )


@dg.multi_asset(
    name="bronze_dump",
    specs=[_spec(table) for table in TABLES.values()],
    check_specs=[spec for name in TABLES for spec in check_specs(bronze_key(name), DECLARATIONS, SITE_QUARTER)],
    can_subset=True,
    pool="read_dump",
)
def bronze_dump(context: dg.AssetExecutionContext, lakehouse: Lakehouse) -> Iterator:
    from so_lakehouse.dumps.bronze import read_dump  # numba: half a second that loading definitions need not spend

    lake = lakehouse.lake_of("bronze")
    site, quarter = site_and_quarter(context)
    raw = RawManifest.load(lake, quarter, site)
    if raw is None:
        raise BadInput(f"No dump of {site} for {quarter} has landed. Materialise raw/dump for {quarter}|{site} first.")
    selected = [key.path[-1] for key in context.selected_asset_keys]
    manifests = read_dump(lake, raw, selected, lakehouse.settings, current())
    for manifest in manifests.values():
        yield dg.MaterializeResult(
            asset_key=bronze_key(manifest.table),
            data_version=dg.DataVersion(manifest.data_version),
            metadata=_metadata(lakehouse, manifest),
        )
    outcomes = {bronze_key(manifest.table): manifest.checks for manifest in manifests.values()}
    yield from check_results(outcomes, context.selected_asset_check_keys)


def _metadata(lakehouse: Lakehouse, manifest: BronzeManifest) -> dict:
    # Materialised all the same: a backfill waits for every partition that it asked for. But missing is not empty.
    if not manifest.present:
        return {"in_archive": False, "missing": f"release {manifest.release} has no {manifest.table}"}
    return {
        "dagster/partition_row_count": manifest.rows,
        "quarantined": manifest.quarantined,
        "in_archive": True,
        "bytes_unpacked": manifest.bytes_unpacked,
        "encoding": manifest.encoding,
        "seconds": manifest.seconds,
        "dagster/uri": lakehouse.lake.uri(manifest.files[0]) if manifest.files else "",
    }
