"""Large files and archives of a dump, made from real dumps: their rows over and over, each with a new Id."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.options import Options
from so_lakehouse.dumps.archive import program
from so_lakehouse.schema import TABLES
from so_lakehouse.settings import PROJECT_ROOT

REAL_DUMPS = PROJECT_ROOT.parent / "shared" / "data" / "stackexchange"
SOURCES = (
    "2016-12/ai",
    "2016-12/beer",
    "2018-09-no-posthistory/quantumcomputing",
    "2022-06/beer.meta",
    "2023-09/bicycles.meta",
)
_ROW = re.compile(rb'(<row Id=")-?\d+("[^\n]*/>)')

# Share of a whole archive's XML, roughly as in a real one.
SHARES = {"posts": 0.35, "post_history": 0.4, "comments": 0.12, "votes": 0.08, "users": 0.05}


def rows_of(table: str) -> list[tuple[bytes, bytes]]:
    """All rows of a table in the real dumps, split around the Id."""
    found: list[tuple[bytes, bytes]] = []
    for source in SOURCES:
        archive = REAL_DUMPS / f"{source}.stackexchange.com.7z"
        command = [program(), "x", "-so", str(archive), TABLES[table].file]
        found += _ROW.findall(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def _repeated(table: str, size: int) -> Iterator[bytes]:
    rows, key, done = rows_of(table), 0, 0
    while done < size:
        for before, after in rows:
            key += 1
            line = b"  %s%d%s\r\n" % (before, key, after)
            done += len(line)
            yield line


def xml_file(options: Options, table: str, megabytes: float) -> Path:
    """A file of a table with about this much XML; made once."""
    path = options.folder / f"{megabytes:.0f}" / TABLES[table].file
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        root = TABLES[table].root.encode()
        with part.open("wb", buffering=1 << 22) as sink:
            sink.write(b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?>\r\n<' + root + b">\r\n")
            sink.writelines(_repeated(table, int(megabytes * 1_000_000)))
            sink.write(b"</" + root + b">")
        part.rename(path)
    return path


def archive(options: Options, name: str, files: list[Path], *packing: str) -> Path:
    """An archive of these files, packed with 7-Zip's own options; made once."""
    path = options.folder / f"{name}-{options.megabytes}.7z"
    if not path.exists():
        part = path.with_suffix(".part")
        command = [program(), "a", "-t7z", "-bd", "-bso0", "-bsp0", *packing, "--", str(part), *map(str, files)]
        subprocess.run(command, check=True)
        part.rename(path)
    return path
