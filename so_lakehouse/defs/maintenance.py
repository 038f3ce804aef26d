"""Maintenance of a site: what nothing needs any more goes, silver's files are put in order, deleted bytes leave."""

from dataclasses import asdict

import dagster as dg
from dagster_pyspark import LazyPySparkResource

from so_lakehouse.defs.resources import Lakehouse
from so_lakehouse.partitions import SITES
from so_lakehouse.progress import current


class MaintenanceConfig(dg.Config):
    """`retention_hours`: for this run, instead of `LAKEHOUSE_RETENTION_HOURS`; 0 makes deleted bytes go at once."""

    retention_hours: int | None = None


COLUMNS = dg.TableSchema(
    [
        dg.TableColumn("what", "string", "Part of the lake."),
        dg.TableColumn("note", "string", "What was done to it, or why it went."),
        dg.TableColumn("bytes_before", "int"),
        dg.TableColumn("bytes_after", "int"),
        dg.TableColumn("of_all_sites", "bool", "Whether its bytes are those of all sites together."),
    ]
)


@dg.op(
    pool="spark",
    out=dg.Out(dg.Nothing),
    description=(
        "Removes old dumps from bronze, overtaken pages and what killed runs left behind; orders the site's files in "
        "silver by key, rewrites those with deleted rows, and vacuums versions older than the retention."
    ),
)
def maintain(
    context: dg.OpExecutionContext, config: MaintenanceConfig, lakehouse: Lakehouse, pyspark: LazyPySparkResource
) -> None:
    from so_lakehouse.spark import maintenance  # Spark and deltalake: not while definitions load

    done = maintenance.maintain(
        pyspark.spark_session,
        lakehouse.lake,
        context.partition_key,
        lakehouse.settings,
        config.retention_hours,
        current(),
    )
    context.add_output_metadata(
        {
            "done": dg.MetadataValue.table([dg.TableRecord(asdict(part)) for part in done], COLUMNS),
            "bytes_before": sum(part.bytes_before for part in done),
            "bytes_after": sum(part.bytes_after for part in done),
        }
    )


@dg.job(
    name="maintenance",
    partitions_def=SITES,
    tags={"layer": "maintenance"},
    description=(
        "Per site; run it now and then (a month is soon enough). No row of any table changes: silver's earlier "
        "versions and deleted bytes older than the retention go. docs/layers.md, Lifecycle, says what stays."
    ),
)
def maintenance_job() -> None:
    maintain()
