"""The classes of Spark as Java has loaded them, kept in a file: the tests start a Spark some hundred times, and each
start takes a third less of a core's time with it.

`make test` makes the file, and `make test-stack` one for a lake in an object store, whose class path is longer. Java
leaves a file that does not fit its version or its jars alone, and loads the classes itself. The product has no such
file: docs/decisions.md says why.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from so_lakehouse.settings import Settings
from so_lakehouse.spark.session import fit_to_rows, open_session

ARCHIVE, ARCHIVE_S3 = ".classes.jsa", ".classes_s3.jsa"  # in the folder of the jars
SPARK_OPTIONS = "SPARK_SUBMIT_OPTS"  # Spark hands what it says to the Java of a driver, and to no other


def use(name: str) -> None:
    """Each Spark that this process or one of its children starts from now on reads this file."""
    file = Settings().jars_folder / name
    if file.is_file():
        os.environ[SPARK_OPTIONS] = f"-XX:SharedArchiveFile={file} -Xlog:disable -Xlog:all=error:stderr"


def make(file: Path) -> None:
    """Runs a Spark that writes, merges and reads a table, and has its Java write down the classes at its end."""
    part = file.with_suffix(".part")
    os.environ[SPARK_OPTIONS] = f"-XX:ArchiveClassesAtExit={part} -Xlog:disable -Xlog:all=error:stderr"
    with TemporaryDirectory() as folder:
        in_s3 = {"lake": "s3://none", "s3_endpoint": "http://127.0.0.1:9"} if file.name == ARCHIVE_S3 else {}
        spark = open_session(Settings(home=Path(folder), **in_s3))
        fit_to_rows(spark, 1)
        table = f"delta.`{folder}/table`"
        spark.range(9).selectExpr("id", "struct(id) AS s").write.format("delta").save(f"{folder}/table")
        spark.sql(
            f"MERGE INTO {table} t USING (SELECT id + 5 AS id, struct(id) AS s FROM range(9)) s ON t.id = s.id "
            "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        )
        spark.sql(f"SELECT count(*), max(s.id) FROM {table} GROUP BY id % 2 ORDER BY 1").collect()
        java = spark.sparkContext._gateway.proc
        spark.stop()
        java.stdin.close()  # which ends Spark's Java
        java.wait(timeout=300)
    part.rename(file)  # never half a file: Java would not start with it


if __name__ == "__main__":
    make(Path(sys.argv[1]).resolve())
