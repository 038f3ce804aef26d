"""SQL over the lake without a JVM: `silver.<table>` (also ledger, tombstones), `bronze.<table>`, `quarantine.rows`,
`reconciliation.tables` and `reconciliation.columns`.

Belongs here: which files stand behind a table's name. The engine is DataFusion as deltalake carries it: it honours
deletion vectors, reads only the columns and row groups that a query needs, and never writes here. Names are written as
the publisher spells them (`PostTypeId`), without quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError

from so_lakehouse.errors import BadInput
from so_lakehouse.lake import catalog, delta, gates, ledger, paths, reconciliation
from so_lakehouse.lake.api_pages import PagesManifest
from so_lakehouse.lake.manifests import BronzeManifest
from so_lakehouse.lake.quarantine import CleaningManifest
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import TABLES
from so_lakehouse.schema_api import ENTITIES, Entity
from so_lakehouse.sql import literal

ENGINE = {
    "datafusion.sql_parser.enable_ident_normalization": "false",  # the publisher's names have capitals
    "datafusion.catalog.information_schema": "true",
}

SCHEMAS = ("silver", "bronze", "quarantine", "reconciliation")

QUARANTINE = "quarantine.rows"

# What a quarantine without a single file looks like; each file adds its rows to it.
NO_QUARANTINE = (
    "SELECT '' AS site, '' AS table_name, '' AS layer, '' AS source, '' AS partition, '' AS rule_version,"
    " CAST(NULL AS TIMESTAMP) AS first_seen, CAST(NULL AS TIMESTAMP) AS resolved_at, CAST(0 AS BIGINT) AS byte_offset,"
    " '' AS reason, '' AS detail, CAST(NULL AS BIGINT) AS id, CAST('' AS BYTEA) AS raw WHERE false"
)


def query_lake(lake: Lake, sql: str) -> pa.Table:
    """The result of one query; only the tables that it names are opened.

    Raises `BadInput` where it is no query, does not parse, or names a table that is not there (and says which are).
    """
    words = re.sub(
        r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", " ", sql, flags=re.DOTALL
    )  # what stands in texts names nothing
    if not re.match(
        r"[\s(]*(EXPLAIN\s+)?(ANALYZE\s+|VERBOSE\s+)*[\s(]*(SELECT|WITH|VALUES|DESCRIBE|SHOW)\b", words, re.I
    ):
        raise BadInput("The lake is only read here: write one SELECT. Tables: " + ", ".join(tables(lake)))
    engine = QueryBuilder(ENGINE)
    for schema in (*SCHEMAS, "files"):
        engine.execute(f"CREATE SCHEMA {schema}")
    named = re.findall(rf'"?\b({"|".join(SCHEMAS)})"?\s*\.\s*"?(\w+)', words)
    for name in dict.fromkeys(f"{schema}.{table}" for schema, table in named):
        if not _open(lake, engine, name):
            raise BadInput(f"There is no table {name}. The lake has: {', '.join(tables(lake))}.")
    try:
        return _plain(pa.RecordBatchReader.from_stream(engine.execute(sql)).read_all())
    except DeltaError as error:
        there = f" The lake has: {', '.join(tables(lake))}." if "' not found" in str(error) else ""
        raise BadInput(f"{error}.{there}") from error


def tables(lake: Lake) -> list[str]:
    """The names that `query_lake` can open now."""
    silver = [f"silver.{name}" for name in catalog.in_the_lake(lake)]
    bronze = [table for table in TABLES if any(manifest.files for manifest in _bronze(lake, table))]
    reconciled = [f"reconciliation.{results.name}" for results in reconciliation.ALL if lake.list(paths.RECONCILIATION)]
    return [*silver, *(f"bronze.{name}" for name in bronze), QUARANTINE, *reconciled]


def _open(lake: Lake, engine: QueryBuilder, name: str) -> bool:
    """Makes the named table known to the engine; False where there is none."""
    schema, _, table = name.partition(".")
    if schema == "silver" and delta.is_table(lake, paths.silver(table)):
        _open_silver(lake, engine, table)
        return True
    parts = list(_bronze_parts(lake, table)) if schema == "bronze" and table in TABLES else []
    if schema == "reconciliation":
        parts = [
            ("SELECT *", found.files[table]) for found in reconciliation.of_all_sites(lake) if table in found.files
        ]
    if name == QUARANTINE:
        parts = [(NO_QUARANTINE, ""), *_quarantine_parts(lake)]
    if parts:
        _union(lake, engine, name, parts)
    return bool(parts)


def _open_silver(lake: Lake, engine: QueryBuilder, table: str) -> None:
    """The newest version; of a site that is just being written, the one before, which passed its checks.

    (What failed its checks is shown: it is there to be looked at.)
    """
    newest = delta.open_table(lake, paths.silver(table))
    before = {site: version - 1 for site, version in _unchecked(lake, table, newest).items()}
    if not before:
        engine.register(f"silver.{table}", newest)
        return
    selects = []
    for version in {*before.values()}:
        engine.register(f"files.{table}_at_{version}", delta.open_table(lake, paths.silver(table), version))
        sites = ", ".join(literal(site) for site, held in before.items() if held == version)
        selects.append(f"SELECT * FROM files.{table}_at_{version} WHERE site IN ({sites})")
    engine.register(f"files.{table}_newest", newest)
    selects.append(f"SELECT * FROM files.{table}_newest WHERE site NOT IN ({', '.join(map(literal, before))})")
    engine.execute(f"CREATE VIEW silver.{table} AS {' UNION ALL BY NAME '.join(selects)}")


def _unchecked(lake: Lake, table: str, newest: DeltaTable) -> dict[str, int]:
    """Sites whose rows have changed since they passed their checks, and the first version in which they have."""
    passed = {site: gate for site in gates.sites(lake) if (gate := gates.load(lake, site).get(table)) and gate.passed}
    first: dict[str, int] = {}
    after = min((gate.version for gate in passed.values()), default=newest.version())
    for commit in ledger.commits(lake, table, newest, after):
        for entry in ledger.told(commit.get("userMetadata")) or ():
            gate = passed.get(entry["site"])
            if gate is not None and gate.version < commit["version"]:
                first.setdefault(entry["site"], commit["version"])
    return first


# A select list, and the Parquet file that it reads from ("" where it needs none).
Part = tuple[str, str]


def _bronze_parts(lake: Lake, table: str) -> Iterator[Part]:
    for manifest in _bronze(lake, table):
        facts = {"site": manifest.site, "quarter": manifest.quarter, "release": manifest.release}
        select = f"SELECT {_constants(facts)}, {manifest.revision} AS revision, *"
        yield from ((select, file) for file in manifest.files)


def _quarantine_parts(lake: Lake) -> Iterator[Part]:
    for table in TABLES:
        yield from _refused_by_reading(lake, table)
        yield from _refused_by_cleaning(lake, table)
    for entity in ENTITIES.values():
        yield from _refused_of_pages(lake, entity)


def _refused_by_reading(lake: Lake, table: str) -> Iterator[Part]:
    """A row stands until a newer dump of its table was read."""
    by_site: dict[str, list[BronzeManifest]] = {}
    for manifest in _bronze(lake, table):
        by_site.setdefault(manifest.site, []).append(manifest)
    for manifests in by_site.values():
        ordered = sorted((m for m in manifests if m.present), key=lambda m: (m.cut_date, m.revision))
        for manifest, newer in zip(ordered, [*ordered[1:], None], strict=False):  # where none is, no pair is
            if manifest.quarantine_file:
                facts = _facts(manifest, "bronze", "dump", manifest.quarter, manifest.reader_version)
                times = _times(manifest.written_at, newer.written_at if newer else "")
                yield f"SELECT {facts}, {times}, *", manifest.quarantine_file


def _refused_of_pages(lake: Lake, entity: Entity) -> Iterator[Part]:
    """A refused item stands for as long as bronze holds its day."""
    for day_folder in lake.list(paths.bronze_api(entity.name)):
        day = day_folder.rpartition("day=")[2]
        for site_folder in lake.list(day_folder):
            manifest = PagesManifest.load(lake, entity.name, day, site_folder.rpartition("site=")[2])
            if manifest is not None and manifest.quarantine_file:
                facts = {"site": manifest.site, "table_name": entity.table, "layer": "bronze"}
                facts |= {"source": f"api/{entity.name}", "partition": day}
                facts |= {"rule_version": manifest.data_version.rpartition("/")[2]}
                yield f"SELECT {_constants(facts)}, {_times(manifest.written_at, '')}, *", manifest.quarantine_file


def _refused_by_cleaning(lake: Lake, table: str) -> Iterator[Part]:
    """A row of a dump stands until a newer dump of its table was cleaned; a row of a page stands."""
    by_source: dict[tuple[str, str], list[CleaningManifest]] = {}
    for manifest in _cleaned(lake, table):
        by_source.setdefault((manifest.site, manifest.source), []).append(manifest)
    for (_, source), manifests in by_source.items():
        ordered = sorted(manifests, key=lambda manifest: manifest.partition)
        for manifest, newer in zip(ordered, [*ordered[1:], None], strict=False):  # where none is, no pair is
            facts = _facts(manifest, "silver", source, manifest.partition, manifest.rule_version)
            times = _times(manifest.written_at, newer.written_at if newer and source == "dump" else "")
            yield from ((f"SELECT {facts}, {times}, *", file) for file in manifest.files)


def _facts(
    manifest: BronzeManifest | CleaningManifest, layer: str, source: str, partition: str, rule_version: str
) -> str:
    facts = {"site": manifest.site, "table_name": manifest.table, "layer": layer}
    return _constants(facts | {"source": source, "partition": partition, "rule_version": rule_version})


def _times(first_seen: str, resolved_at: str) -> str:
    moments = {"first_seen": first_seen, "resolved_at": resolved_at}
    return ", ".join(
        f"CAST({literal(moment) if moment else 'NULL'} AS TIMESTAMP) AS {name}" for name, moment in moments.items()
    )


def _constants(facts: dict[str, str]) -> str:
    return ", ".join(f"{literal(value)} AS {name}" for name, value in facts.items())


def _union(lake: Lake, engine: QueryBuilder, name: str, parts: list[Part]) -> None:
    """A view over all parts; a column that an older file lacks is absent in its rows."""
    if any(file for _, file in parts) and (reaching := delta.reaching(lake)):
        engine.register("files.reach", reaching)
    selects = []
    for number, (select, file) in enumerate(parts):
        source = f"files.{name.replace('.', '_')}_{number}"
        if file:
            engine.execute(f"CREATE EXTERNAL TABLE {source} STORED AS PARQUET LOCATION {literal(lake.uri(file))}")
        selects.append(f"{select} FROM {source}" if file else select)
    engine.execute(f"CREATE VIEW {name} AS {' UNION ALL BY NAME '.join(selects)}")


def _bronze(lake: Lake, table: str) -> Iterator[BronzeManifest]:
    for quarter_folder in lake.list(paths.bronze_dump(table)):
        quarter = quarter_folder.rpartition("quarter=")[2]
        for site_folder in lake.list(quarter_folder):
            manifest = BronzeManifest.load(lake, table, quarter, site_folder.rpartition("site=")[2])
            if manifest is not None:
                yield manifest


def _cleaned(lake: Lake, table: str) -> Iterator[CleaningManifest]:
    folder = paths.silver_quarantine(table, "", "", "").partition("/site=")[0]
    for file in lake.list(folder, recursive=True):
        if file.endswith("/manifest.json") and "/replaced=" not in file:  # as bronze shows what stands for a quarter
            content = lake.read_json(file)
            yield CleaningManifest(**content | {"files": tuple(content["files"])})


def _plain(table: pa.Table) -> pa.Table:
    """The engine hands out views of texts; plain texts are what every reader of Arrow knows."""
    return table.cast(pa.schema([field.with_type(_plain_type(field.type)) for field in table.schema]))


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    return kind
