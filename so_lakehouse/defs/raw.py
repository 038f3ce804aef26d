"""Raw: the publisher's archives of one site and quarter, as published."""

import dagster as dg

from so_lakehouse.defs.metadata import OWNERS
from so_lakehouse.defs.resources import Lakehouse
from so_lakehouse.dumps.land import land_dump, resolve
from so_lakehouse.dumps.mirrors import open_mirror
from so_lakehouse.errors import BadInput
from so_lakehouse.partitions import SITE_QUARTER, site_and_quarter
from so_lakehouse.progress import current

RAW_DUMP = dg.AssetKey(["raw", "dump"])


class RawDumpConfig(dg.Config):
    """Where to take the dump from: a folder or web address; empty means `LAKEHOUSE_MIRROR`, and then archive.org.

    `release`: one of several releases of the quarter by its name; empty means the newest.
    """

    mirror: str = ""
    release: str = ""


@dg.asset(
    key=RAW_DUMP,
    partitions_def=SITE_QUARTER,
    group_name="raw",
    owners=OWNERS,
    kinds={"7z"},
    tags={"layer": "raw"},
    pool="download",
    description=(
        "The site's `.7z` archives of the release that stands for this quarter, byte for byte as published, verified "
        "by size and checksum, with a manifest (release, revision, cut date, checksum, licence). From a few hundred "
        "kilobytes for a meta site to about 69 GB for Stack Overflow."
    ),
)
def raw_dump(context: dg.AssetExecutionContext, config: RawDumpConfig, lakehouse: Lakehouse) -> dg.MaterializeResult:
    site, quarter = site_and_quarter(context)
    mirror = open_mirror(config.mirror or lakehouse.settings.mirror, lakehouse.settings)
    dump = resolve(mirror, site, quarter, config.release)
    if dump.site.key != site:
        raise BadInput(f"{site!r} is another name of the site {dump.site.key!r}. Add that partition and use it.")
    manifest = land_dump(lakehouse.lake_of("raw"), mirror, dump, lakehouse.settings, current())
    return dg.MaterializeResult(
        data_version=dg.DataVersion(manifest.data_version),
        metadata={
            "release": manifest.release,
            "revision": manifest.revision,
            "cut_date": manifest.cut_date,
            "bytes": sum(archive.size for archive in manifest.archives),
            "archives": [archive.url for archive in manifest.archives],
            "licence": manifest.licence,
            "dagster/uri": lakehouse.lake.uri(manifest.archives[0].path),
        },
    )
