"""The dump reader beside other readers: one XML file to Parquet

All read the same file of posts into typed Parquet (zstd, level 1), three times each: medians. Spark's reader runs as
it is fastest, with lines split among tasks; a row over several lines would then be lost.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.options import Options, timed
from benchmarks.reader_inputs import REAL_DUMPS, xml_file
from so_lakehouse.dumps.parquet import TableWriter
from so_lakehouse.dumps.table_reader import TableReader
from so_lakehouse.lake.storage import Lake
from so_lakehouse.schema import POSTS, Type
from so_lakehouse.schema_forms import ARROW, SPARK

REPEATS = 3  # the rivals are slow
ROWS_AT_ONCE = 50_000
ZSTD_LEVEL = "spark.hadoop.parquet.compression.codec.zstd.level"


def ours(source: Path, target: Path) -> None:
    """The project's reader, from an unpacked file."""
    lake = Lake(str(target))
    lake.make_folder("posts")

    def refuse(row: object) -> None:
        raise AssertionError(row)

    writer = TableWriter(lake, "posts", POSTS, max(1, Options.cores() // 2))
    with source.open("rb", buffering=0) as file:
        for group in TableReader(file.readinto, POSTS, "benchmark", refuse).row_groups(writer.empty):
            writer.put(group)
    writer.close()


def lxml_iterparse(source: Path, target: Path) -> None:
    """lxml's fastest way through a large file, columns cast by Arrow."""
    from lxml import etree  # only this benchmark needs it

    fields = [pa.field(column.name, ARROW[column.type]) for column in POSTS.columns]
    texts: dict[str, list[Any]] = {field.name: [] for field in fields}
    target.mkdir(parents=True)

    def flush(writer: pq.ParquetWriter) -> None:
        arrays = [_cast(texts[field.name], field.type) for field in fields]
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields)))
        for values in texts.values():
            values.clear()

    options: dict[str, Any] = {"compression": "zstd", "compression_level": 1}
    with pq.ParquetWriter(target / "posts.parquet", pa.schema(fields), **options) as writer:
        for _, row in etree.iterparse(str(source), tag="row"):
            get = row.get
            for name, values in texts.items():
                values.append(get(name))
            row.clear()
            while row.getprevious() is not None:
                del row.getparent()[0]
            if len(texts["Id"]) == ROWS_AT_ONCE:
                flush(writer)
        flush(writer)


def _cast(values: list[Any], type_: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(type_):
        return pa.array(values, pa.string()).cast(pa.timestamp("us")).cast(type_)
    return pa.array(values, pa.string()).cast(type_)


@contextmanager
def spark_session(folder: Path) -> Iterator[Any]:
    """A plain local session, nothing of the project in it."""
    from pyspark.sql import SparkSession

    local = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false"}
    builder = SparkSession.builder.master("local[*]").appName("reader-rivals").config("spark.driver.memory", "2g")
    for name, value in (local | {"spark.sql.warehouse.dir": str(folder / "warehouse")}).items():
        builder = builder.config(name, value)
    session = builder.config("spark.sql.parquet.compression.codec", "zstd").config(ZSTD_LEVEL, "1").getOrCreate()
    try:
        yield session
    finally:
        session.stop()


def spark_xml(session: Any) -> Callable[[Path, Path], None]:
    """Spark's XML reader with the schema given, so that it need not read twice."""
    types = {column.name: "STRING" if column.type is Type.TAGS else SPARK[column.type] for column in POSTS.columns}
    schema = ", ".join(f"{name} {spelled}" for name, spelled in types.items())

    def read(source: Path, target: Path) -> None:
        options = {"rowTag": "row", "attributePrefix": "", "nullValue": "", "multiLine": "false"}
        frame = session.read.format("xml").options(**options).schema(schema).load(str(source))
        frame.write.mode("overwrite").parquet(str(target))

    return read


def scan(session: Any, folder: Path) -> float:
    """Seconds of Spark's scan of all text and dates of the posts in a folder."""
    frame = session.read.option("recursiveFileLookup", "true").parquet(str(folder))
    return timed(lambda: frame.selectExpr("count(*)", "sum(length(Body))", "max(CreationDate)", "sum(Score)").collect())


def run(options: Options) -> Iterator[str]:
    """Throughput of each and the ratio to ours; then how fast Spark reads what each wrote."""
    if not REAL_DUMPS.is_dir():
        yield f"Left out: the inputs are made from real dumps, and there are none at {REAL_DUMPS.name}."
        return
    options = replace(options, repeats=min(options.repeats, REPEATS))
    source = xml_file(options, "posts", options.megabytes)
    xml = source.stat().st_size / 1e6
    targets = options.folder / "rivals"

    def fresh(read: Callable[[Path, Path], None]) -> Callable[[], float]:
        target = targets / getattr(read, "__name__", "spark")

        def once() -> float:
            shutil.rmtree(target, ignore_errors=True)
            return timed(lambda: read(source, target))

        return once

    ours(source, targets / "warm")
    yield f"| reader of {xml:,.0f} MB | seconds | MB/s | times ours |"
    yield "|---|---|---|---|"
    seconds = dict(
        zip(("this project", "lxml iterparse"), options.interleaved(fresh(ours), fresh(lxml_iterparse)), strict=True)
    )
    if not options.with_spark:
        yield from (_line(name, taken, seconds["this project"], xml) for name, taken in seconds.items())
        return
    with spark_session(options.folder) as session:
        read = spark_xml(session)
        read(xml_file(options, "posts", 2), targets / "warm-spark")
        seconds["Spark's XML reader"] = options.interleaved(fresh(read))[0]
        yield from (_line(name, taken, seconds["this project"], xml) for name, taken in seconds.items())
        scan(session, targets / "ours")
        by_us, by_spark = options.interleaved(
            lambda: scan(session, targets / "ours"), lambda: scan(session, targets / "read")
        )
    yield ""
    yield "| Spark's scan of the Parquet written by | seconds |"
    yield "|---|---|"
    yield f"| this project | {by_us:.2f} |"
    yield f"| Spark itself | {by_spark:.2f} |"


def _line(name: str, seconds: float, best: float, xml: float) -> str:
    return f"| {name} | {seconds:.2f} | {xml / seconds:,.0f} | {seconds / best:.1f} |"
