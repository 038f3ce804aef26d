"""Whether this machine has what the lakehouse needs: prerequisites and connections, each with what to do about it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from uuid import uuid4

import psutil

from so_lakehouse.errors import LakehouseError, Unavailable
from so_lakehouse.lake.disk import free_bytes
from so_lakehouse.lake.storage import Lake
from so_lakehouse.patience import Patience, Transient
from so_lakehouse.settings import PROJECT_ROOT, Settings

MEMORY_NEEDED = 4 * 1024**3  # Spark's driver, Postgres and the reader side by side
# Somebody waits for the answer, and a server that needs longer is no use for a download either.
IMPATIENT = Patience(tries=1, connect_timeout=3, read_timeout=10)


class State(Enum):
    """`NOT_THERE`: a part of the work needs it, and the rest goes on without it. `MISSING`: nothing does."""

    FINE = "fine"
    NOT_THERE = "not there"
    MISSING = "missing"


class Dispensable(LakehouseError):
    """Something is not there that not all work needs. Says what does."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: its state, and what was seen or what to do."""

    subject: str
    state: State
    detail: str

    @property
    def fine(self) -> bool:
        return self.state is State.FINE


def examine(settings: Settings, subjects: Collection[str] = ()) -> list[Finding]:
    """Looks at everything, or at these subjects, in the order in which things need each other; never raises for what is
    missing."""
    findings = []
    for subject in subjects or PROBES:
        try:
            findings.append(Finding(subject, State.FINE, PROBES[subject](settings)))
        except Dispensable as error:
            findings.append(Finding(subject, State.NOT_THERE, str(error)))
        except LakehouseError as error:
            findings.append(Finding(subject, State.MISSING, str(error)))
    return findings


def _python(settings: Settings) -> str:
    return f"{'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}"


def _make(settings: Settings) -> str:
    try:
        done = subprocess.run(["make", "--version"], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        done = None
    banner = done.stdout.partition("\n")[0] if done else "none"
    if not banner.startswith("GNU Make"):
        raise Dispensable(
            f"The make on PATH is not GNU make ({banner or 'it says nothing'}). The Makefile's targets need it, "
            "so-lakehouse does not. Debian/Ubuntu: apt install make; macOS: xcode-select --install."
        )
    return banner


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
    free = free_bytes(settings.home)
    if free < 2 * settings.disk_reserve_bytes:
        raise LakehouseError(
            f"{free / 1e9:.1f} GB free for {settings.home}; free some, or set LAKEHOUSE_HOME elsewhere."
        )
    return f"{free / 1e9:.1f} GB free for {settings.home}"


def _lake(settings: Settings) -> str:
    lake = Lake.of(settings)
    if folder := lake.local_path(""):
        return str(folder)
    name, content = f"doctor-{uuid4().hex}", b"written by so-lakehouse doctor"
    lake.write_bytes(name, content)
    read = lake.read_bytes(name)
    lake.delete(name)
    if read != content:
        raise LakehouseError(f"{lake.uri(name)} came back with other bytes than were written.")
    return f"{lake.uri('')} at {settings.s3_endpoint or 'AWS'} can be written, read and deleted"


def _dbt(settings: Settings) -> str:
    """By its packages' records: dbt itself takes seconds to start, and asks the network for its newest version."""
    manifest = PROJECT_ROOT / "dbt_project" / "target" / "manifest.json"
    try:
        installed = version("dbt-core")
        made_by = json.loads(manifest.read_text("utf-8"))["metadata"]["dbt_version"]
        adapter = version("dbt-postgres")
    except PackageNotFoundError as error:
        raise LakehouseError(f"{error.name} is not installed. Run: make setup") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LakehouseError(f"{manifest} cannot be read ({error}). Run: make setup") from error
    if made_by != installed:
        raise LakehouseError(
            f"{manifest} was made by dbt {made_by}, and {installed} is installed. Remove it and run: make setup"
        )
    return f"{installed}, dbt-postgres {adapter}, {manifest}"


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

    mirror = open_mirror(settings.mirror, settings, IMPATIENT)
    try:
        names = {(release.release, release.revision) for release in mirror.releases()}
    except Unavailable as error:
        if settings.mirror:
            raise
        raise Dispensable(f"{error} Real sites need it; make demo and dumps that have landed do not.") from error
    return f"{mirror.source}: {len(names)} releases"


def _api(settings: Settings) -> str:
    """Asks for its address alone, which is no method and costs nothing of the quota: any answer will do."""
    from so_lakehouse.api.transport import Transport

    connect, read = IMPATIENT.connect_timeout, IMPATIENT.read_timeout
    try:
        status = Transport(settings.api, "", settings.api_auth, connect, read, read).get("", {}).status
    except Transient as error:
        raise Dispensable(f"{error} Days since the dump need it, dumps do not.") from error
    if status >= 500:
        raise Dispensable(f"{settings.api} answers HTTP {status}. Days since the dump need it, dumps do not.")
    return f"{settings.api} answers; {'a' if settings.api_key else 'no'} key is set (LAKEHOUSE_API_KEY)"


PROBES: dict[str, Callable[[Settings], str]] = {
    "Python": _python,
    "GNU make": _make,
    "Java": _java,
    "Spark's jars": _jars,
    "7zz": _unpacker,
    "memory": _memory,
    "disk": _disk,
    "lake": _lake,
    "dbt": _dbt,
    "Postgres": _postgres,
    "metastore": _metastore,
    "mirror": _mirror,
    "API": _api,
}
