"""A dump to bronze in an object store, against a folder

The same archive lands and is read, into a folder and into each of the two servers on this machine, in turn; every one
is a process of its own. Servers share this machine's cores and disk with the reader.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.options import Options
from benchmarks.reader import CASES, archive_of
from benchmarks.reader_inputs import REAL_DUMPS
from so_lakehouse.settings import Settings
from so_lakehouse.stack import native
from so_lakehouse.stack.environment import variables
from so_lakehouse.stack.object_store import MINIO, VERSITYGW
from so_lakehouse.stack.secrets import kept

CASE = next(case for case in CASES if case.title.startswith("five tables, an LZMA2"))
TARGET = 1.25  # times the seconds of a folder


@contextmanager
def server(name: str) -> Iterator[dict[str, str]]:
    """The variables of a lake in this server and of its locks' Postgres, which run for the block."""
    names = [entry.name for entry in fields(Settings) if entry.name.endswith("_port")]
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in names]
        ports = {port: one.getsockname()[1] for port, one in zip(names, sockets, strict=True)}
    with TemporaryDirectory(prefix="store-") as home:
        settings = replace(Settings(home=Path(home), stack_s3=name), **ports)
        try:
            native.up(settings, lambda service, what: None, ["postgres", "s3"])
            secrets = kept(settings.stack_folder)
            wanted = ("LAKEHOUSE_LAKE", "LAKEHOUSE_S3_", "LAKEHOUSE_POSTGRES")
            yield {key: value for key, value in variables(settings, secrets).items() if key.startswith(wanted)}
        finally:
            native.down(settings, lambda service, what: None)


def once(path: Path, home: Path, more: dict[str, str]) -> dict[str, float]:
    """One landing and reading in a process of its own; see `store_once.py`."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    command = [sys.executable, "-m", "benchmarks.store_once", str(path), *CASE.tables]
    environment = os.environ | {"LAKEHOUSE_HOME": str(home)} | more
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def run(options: Options) -> Iterator[str]:
    """Seconds of landing and of reading, and the peak memory of the process."""
    if not REAL_DUMPS.is_dir():
        yield f"Left out: the inputs are made from real dumps, and there are none at {REAL_DUMPS.name}."
        return
    path, home = archive_of(CASE, options), options.folder / "home"
    with server(MINIO) as minio, server(VERSITYGW) as versitygw:
        lakes: dict[str, dict[str, str]] = {"a folder": {}, "MinIO": minio, "versitygw": versitygw}
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in lakes}
        for _ in range(options.repeats):
            for name, more in lakes.items():
                taken[name].append(once(path, home, more))
    folder = {what: statistics.median(one[what] for one in taken["a folder"]) for what in ("reading", "seconds")}
    columns = ("reading into bronze", "times a folder", "to reach", "landing before it", "both, times a folder")
    yield f"| lake in | {' | '.join(columns)} | peak memory |"
    yield "|---|---|---|---|---|---|---|"
    for name, readings in taken.items():
        landing, reading, both = (
            statistics.median(one[what] for one in readings) for what in ("landing", "reading", "seconds")
        )
        yield (
            f"| {name} | {reading:.2f} s | {reading / folder['reading']:.2f} | {TARGET if name != 'a folder' else ''} "
            f"| {landing:.2f} s | {both / folder['seconds']:.2f} "
            f"| {max(one['peak_mib'] for one in readings):,.0f} MiB |"
        )
    yield ""
    unpacked = taken["a folder"][0]["unpacked"]
    yield (
        f"One archive of {path.stat().st_size / 1e6:,.0f} MB ({unpacked / 1e6:,.0f} MB of XML). Landing: from its "
        "download on this machine into the lake, which in a folder is another name."
    )
