"""Finds the Java that Spark will start, and says what to do where there is none that fits."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from so_lakehouse.errors import Unavailable

# What Spark 4.2 is built and tested on. A newer Java starts, then fails at the first use of what it removed.
VERSIONS = (17, 21)
REMEDY = (
    "Install Java 17 or 21 (Debian/Ubuntu: apt install openjdk-17-jre-headless or openjdk-21-jre-headless; macOS: brew "
    "install openjdk@17) and point JAVA_HOME at it."
)


def require_java(environment: Mapping[str, str] | None = None) -> int:
    """The major version of the Java that Spark will start: JAVA_HOME's if set, else the one on PATH.

    Raises `Unavailable` where there is none, where it does not run, or where its version is not one of `VERSIONS`.
    """
    program = java_program(os.environ if environment is None else environment)
    try:
        answer = subprocess.run([program, "-version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"Java at {program} does not run: {error}. {REMEDY}") from error
    version = _major_version(answer.stderr + answer.stdout)
    if version not in VERSIONS:
        raise Unavailable(f"Java at {program} is version {version or 'unknown'}; Spark needs 17 or 21. {REMEDY}")
    return version


def java_program(environment: Mapping[str, str]) -> str:
    """JAVA_HOME's java if set, else the one on PATH. Raises `Unavailable` where there is none."""
    home = environment.get("JAVA_HOME", "")
    if home:
        program = Path(home) / "bin" / "java"
        if not program.is_file():
            raise Unavailable(f"JAVA_HOME is {home}, but there is no {program}. {REMEDY}")
        return str(program)
    found = shutil.which("java", path=environment.get("PATH", ""))
    if found is None:
        raise Unavailable(f"No Java found: JAVA_HOME is not set and no program java is on PATH. {REMEDY}")
    return found


def _major_version(banner: str) -> int | None:
    """17 out of `openjdk version "17.0.15"`, 8 out of `java version "1.8.0_402"`."""
    found = re.search(r'version "(?:1\.)?(\d+)', banner)
    return int(found[1]) if found else None
