"""Whether this machine has what the lakehouse needs: prerequisites and connections, each with what to do about it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass
from uuid import uuid4

import psutil

from so_lakehouse.errors import LakehouseError
from so_lakehouse.lake.storage import Lake
from so_lakehouse.settings import PROJECT_ROOT, Settings

MEMORY_NEEDED = 4 * 1024**3  # Spark's driver, Postgres and the reader side by side


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: fine or not, and what was seen or what to do."""

    subject: str
    fine: bool
    detail: str


def examine(settings: Settings, subjects: Collection[str] = ()) -> list[Finding]:
    """Looks at everything, or at these subjects, in the order in which things need each other; never raises for what is
    missing."""
    findings = []
    for subject in subjects or PROBES:
        try:
            findings.append(Finding(subject, True, PROBES[subject](settings)))
        except LakehouseError as error:
            findings.append(Finding(subject, False, str(error)))
    return findings


def _python(settings: Settings) -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    return f"{version} at {sys.executable}"


def _java(settings: Settings) -> str:
    from so_lakehouse.spark.java import require_java

    return f"version {require_java()}"


def _jars(settings: Settings) -> str:
    from so_lakehouse.spark.jars import require_jars

    return f"{len(require_jars(settings))} in {settings.jars_folder}"


def _unpacker(settings: Settings) -> str:
    from so_lakehouse.dumps.archive import program

    return program()


def _memory(settings: Settings) -> str:
    free = psutil.virtual_memory().available
    if free < MEMORY_NEEDED:
        raise LakehouseError(
            f"{free / 1024**3:.1f} GiB free; {MEMORY_NEEDED // 1024**3} GiB are needed. End something."
        )
    return f"{free / 1024**3:.1f} GiB free"


def _disk(settings: Settings) -> str:
    folder = settings.home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < 2 * settings.disk_reserve_bytes:
        raise LakehouseError(
            f"{free / 1e9:.1f} GB free for {settings.home}; free some, or set LAKEHOUSE_HOME elsewhere."
        )
    return f"{free / 1e9:.1f} GB free for {settings.home}"


def _lake(settings: Settings) -> str:
    lake = Lake.of(settings)
    if lake.is_local:
        return lake.root
    name, content = f"doctor-{uuid4().hex}", b"written by so-lakehouse doctor"
    lake.write_bytes(name, content)
    read = lake.read_bytes(name)
    lake.delete(name)
    if read != content:
        raise LakehouseError(f"{lake.uri(name)} came back with other bytes than were written.")
    return f"{lake.uri('')} at {settings.s3_endpoint or 'AWS'} can be written, read and deleted"


def _dbt(settings: Settings) -> str:
    manifest = PROJECT_ROOT / "dbt_project" / "target" / "manifest.json"
    if not manifest.exists():
        raise LakehouseError(f"{manifest} is not there. Run: make setup")
    return str(manifest)


def _postgres(settings: Settings) -> str:
    from so_lakehouse.warehouse import server

    for part in server.Part:
        with closing(server.connect(settings, part)) as connection, connection.cursor() as cursor:
            cursor.execute("show server_version")
            row = cursor.fetchone()
    return f"{'external' if settings.postgres else 'embedded'}, version {row[0] if row else '?'}"


def _metastore(settings: Settings) -> str:
    from so_lakehouse.spark import catalog

    if not settings.metastore:
        return "none (LAKEHOUSE_METASTORE)"
    if not catalog.answers(settings):
        raise LakehouseError(f"Nobody answers at {settings.metastore}. Start it, or leave LAKEHOUSE_METASTORE empty.")
    return f"{settings.metastore} answers"


def _mirror(settings: Settings) -> str:
    from so_lakehouse.dumps.mirrors import open_mirror

    mirror = open_mirror(settings.mirror, settings)
    releases = mirror.releases()
    return f"{mirror.source}: {len(releases)} releases"


PROBES: dict[str, Callable[[Settings], str]] = {
    "Python": _python,
    "Java": _java,
    "Spark's jars": _jars,
    "7zz": _unpacker,
    "memory": _memory,
    "disk": _disk,
    "lake": _lake,
    "dbt manifest": _dbt,
    "Postgres": _postgres,
    "metastore": _metastore,
    "mirror": _mirror,
}
