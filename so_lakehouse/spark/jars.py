"""The jars that Spark needs beside pyspark's own: resolved once at set-up, verified, then passed as files.

`python -m so_lakehouse.spark.jars` fills the folder of settings, with `--s3` also with what a lake in an object store
needs (690 MB; without the option where the settings name such a lake). Resolving at run time (`spark.jars.packages`)
would start Apache Ivy with every session; here it runs once, out of pyspark's own jars, and knows Maven Central by
itself.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.sax.saxutils import quoteattr

from so_lakehouse.errors import BadInput, LakehouseError, Unavailable
from so_lakehouse.settings import Settings
from so_lakehouse.spark.java import java_program, require_java

IVY_SECONDS = 600


@dataclass(frozen=True)
class Jar:
    """One line of the lock file."""

    coordinate: str  # group:artifact:version
    file: str
    sha256: str


def locked_jars(lock: str = "jars.lock.txt", package: str = "so_lakehouse.spark") -> tuple[Jar, ...]:
    """The jars of a lock file that lies in a package, in its order."""
    lines = files(package).joinpath(lock).read_text().splitlines()
    return tuple(Jar(*line.split()) for line in lines if line and not line.startswith("#"))


def s3_jars() -> tuple[Jar, ...]:
    """The jars that only a lake in an object store needs."""
    return locked_jars("jars.s3.lock.txt")


def jars_for(settings: Settings) -> tuple[Jar, ...]:
    """The jars that Spark needs for the lake of these settings."""
    return (*locked_jars(), *s3_jars()) if settings.lake_is_in_s3 else locked_jars()


def require_jars(settings: Settings) -> list[Path]:
    """Paths of all jars that Spark needs; `Unavailable` where set-up has not brought them.

    Looks at names only: the bytes were verified before they got those names.
    """
    wanted = [settings.jars_folder / jar.file for jar in jars_for(settings)]
    option = " --s3" if settings.lake_is_in_s3 else ""
    missing = [path.name for path in wanted if not path.is_file()]
    if missing:
        raise Unavailable(
            f"Spark's jars are missing in {settings.jars_folder}: {', '.join(missing)}. "
            f"Run {'' if option else 'make setup, or '}python -m so_lakehouse.spark.jars{option}."
        )
    return wanted


def resolve_jars(settings: Settings, jars: Sequence[Jar] | None = None) -> list[Jar]:
    """Brings what is missing or damaged in the folder; returns those jars (empty: everything was there).

    Raises `Unavailable` without Java or network, `BadInput` where the bytes are not the locked ones; a jar gets its
    name only after its bytes are verified, so a folder never holds half a jar or a wrong one.
    """
    jars = jars_for(settings) if jars is None else jars
    folder = settings.jars_folder
    missing = [jar for jar in jars if _sha256(folder / jar.file) != jar.sha256]
    if not missing:
        return []
    require_java()
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix="resolving-") as temporary:
        _run_ivy(missing, Path(temporary))
        for jar in missing:
            _accept(jar, Path(temporary) / "jars" / jar.file, folder)
    return missing


def _accept(jar: Jar, found: Path, folder: Path) -> None:
    digest = _sha256(found)
    if digest is None:
        raise Unavailable(f"Apache Ivy brought no {jar.file} for {jar.coordinate}. Check its line in the lock file.")
    if digest != jar.sha256:
        raise BadInput(
            f"{jar.coordinate}: the bytes that came have sha256 {digest}, the lock file says {jar.sha256}. "
            "Nothing was kept. Find out what stands between you and Maven Central before you try again."
        )
    found.replace(folder / jar.file)


def _run_ivy(jars: Sequence[Jar], folder: Path) -> None:
    """Resolves exactly these jars, without their dependencies, into `folder`/jars."""
    import pyspark

    (folder / "ivy.xml").write_text(_ivy_module(jars))
    command = [
        java_program(os.environ),
        *["-cp", str(Path(pyspark.__file__).parent / "jars" / "*"), "org.apache.ivy.Main"],
        *["-ivy", str(folder / "ivy.xml"), "-cache", str(folder / "cache"), "-types", "jar", "-warn"],
        *["-retrieve", f"{folder}/jars/[artifact]-[revision].[ext]"],
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=IVY_SECONDS, cwd=folder, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"Apache Ivy did not end within {IVY_SECONDS} s. Check the network and try again.") from error
    if done.returncode != 0:
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        wanted = ", ".join(jar.coordinate for jar in jars)
        raise Unavailable(
            f"Apache Ivy could not bring {wanted} from Maven Central: {' | '.join(said[-3:])}. "
            "Check the network (behind a proxy: set JAVA_TOOL_OPTIONS with -Dhttps.proxyHost and -Dhttps.proxyPort)."
        )


def _ivy_module(jars: Sequence[Jar]) -> str:
    """A module that depends on these jars. `jars->master` takes a Maven module's own jar and nothing it depends on."""
    dependencies = []
    for jar in jars:
        group, artifact, version = (quoteattr(part) for part in jar.coordinate.split(":"))
        dependencies.append(
            f'<dependency org={group} name={artifact} rev={version} transitive="false" conf="jars->master"/>'
        )
    return (
        '<ivy-module version="2.0"><info organisation="so_lakehouse" module="jars"/>'
        '<configurations><conf name="jars"/></configurations>'
        f"<dependencies>{''.join(dependencies)}</dependencies></ivy-module>"
    )


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def main() -> int:
    """Fills the folder and says what it did."""
    parser = argparse.ArgumentParser(prog="python -m so_lakehouse.spark.jars")
    parser.add_argument("--s3", action="store_true", help="also what a lake in an object store needs (690 MB)")
    settings = Settings.from_environment()
    jars = (*locked_jars(), *s3_jars()) if parser.parse_args().s3 else jars_for(settings)
    return bring(settings, jars)


def bring(settings: Settings, jars: Sequence[Jar]) -> int:
    """As `resolve_jars`, told at a terminal; the exit code."""
    try:
        brought = resolve_jars(settings, jars)
    except LakehouseError as error:
        print(error, file=sys.stderr)
        return 1
    for jar in brought:
        print(f"{jar.coordinate}: verified")
    print(f"Spark's jars are in {settings.jars_folder}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
